"""Reading the mappings of a configuration document: every complaint names its place and shows no value."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError


def mapping(value: object, place: str) -> Mapping[str, Any]:
    """
    @param place: where it is, for people, such as C{spec.rules[0]}.
    @return: the mapping; an empty one for C{None}, as YAML gives for a field without a value.
    @raise ConfigurationError: it is none, or one of its keys is no text.
    """
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ConfigurationError(f"{place}: expected a mapping")
    return value


def known(value: Mapping[str, Any], names: tuple[str, ...], place: str) -> None:
    """
    @raise ConfigurationError: there is a field that means nothing: a misspelt condition would match too much.
    """
    for key in value:
        if key not in names:
            raise ConfigurationError(f"{place}: unknown field {key[:64]!r}; known are {', '.join(names)}")


def text(value: Mapping[str, Any], key: str, place: str, default: str = "") -> str:
    """The text of this field, or the default when it is absent or null."""
    found = value.get(key)
    if found is None:
        return default
    if not isinstance(found, str):
        raise ConfigurationError(f"{place}.{key}: expected a text")
    return found


def texts(value: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
    """The texts of this list, none when it is absent or null."""
    found = value.get(key)
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise ConfigurationError(f"{place}.{key}: expected a list of texts")
    return tuple(found)


def flag(value: Mapping[str, Any], key: str, place: str) -> bool:
    """The truth of this field, C{False} when it is absent or null."""
    found = value.get(key)
    if found is None:
        return False
    if not isinstance(found, bool):
        raise ConfigurationError(f"{place}.{key}: expected true or false")
    return found


def number(value: Mapping[str, Any], key: str, place: str, default: float, most: float) -> float:
    """The number of this field: above 0, at most C{most}."""
    found = value.get(key)
    if found is None:
        return default
    if type(found) not in (int, float) or not 0 < found <= most:
        raise ConfigurationError(f"{place}.{key}: expected a number above 0 and at most {most:g}")
    return float(found)


def items(value: Mapping[str, Any], key: str, place: str) -> list[Any]:
    """The list of this field, an empty one when it is absent or null."""
    found = value.get(key)
    if found is None:
        return []
    if not isinstance(found, list):
        raise ConfigurationError(f"{place}.{key}: expected a list")
    return found
