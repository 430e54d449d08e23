"""
Query strings, read as Go's net/url reads them, because the apiserver behind us does.

A pair that Go cannot decode, or that holds a semicolon, is dropped there without an error. Reading it otherwise here
would let a request be authorized for one verb and served as another.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote, unquote_plus

BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")

Values = Mapping[str, list[str]]


def decode_query(query: str) -> dict[str, list[str]]:
    """
    @param query: what follows the C{?}, percent-encoded.
    @return: the values of each key, in order.
    """
    values: dict[str, list[str]] = {}
    for pair in query.split("&"):
        if not pair or ";" in pair or BROKEN_ESCAPE.search(pair):
            continue
        key, _, value = pair.partition("=")
        values.setdefault(unquote_plus(key), []).append(unquote_plus(value))
    return values


def decode_path(path: str) -> str | None:
    """
    @param path: percent-encoded.
    @return: what Go calls C{URL.Path}, C{None} if it is not validly encoded.
    """
    return None if BROKEN_ESCAPE.search(path) else unquote(path)


def first(values: Values, name: str) -> str:
    """The first value of this key, C{""} for none."""
    found = values.get(name)
    return found[0] if found else ""


def is_true(value: str) -> bool:
    """A boolean option that is present: true unless it says C{false} or C{0} (apimachinery's query conversion)."""
    return value.lower() not in ("false", "0")


def flag(values: Values, name: str) -> bool:
    """A boolean option; an absent one is false, one without a value is true."""
    found = values.get(name)
    return is_true(found[0]) if found else False
