"""Reading YAML and JSON manifests as Kubernetes means them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from ..errors import ConfigurationError

MOST_OBJECTS = 10_000
"""In one document, lists included."""


class _Loader(yaml.SafeLoader):
    """
    As the safe loader, but a time stays the string it is written as: Kubernetes objects have no date type. Not the
    faster one in C, which ends the process when a document is nested too deep.
    """


_Loader.yaml_implicit_resolvers = {
    letter: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for letter, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def documents(text: bytes | str) -> list[Any]:
    """
    Every document of a YAML (or JSON) stream; empty ones are left out.

    @raise ConfigurationError: it is not YAML; the message has line and column but none of the text.
    """
    try:
        return [document for document in yaml.load_all(text, Loader=_Loader) if document is not None]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        raise ConfigurationError(f"it is not valid YAML{where}") from None
    except (yaml.YAMLError, ValueError, RecursionError, TypeError, LookupError, AttributeError):
        # ValueError: numbers and dates that match a pattern but are none; TypeError: unhashable keys;
        # the last two: text behind an explicit tag (!!bool, !!int, !!timestamp) that is none such
        raise ConfigurationError("it is not valid YAML") from None


def objects(document: Any) -> Iterator[Any]:
    """
    The document itself, or the items of a C{List} kind, however deep.

    @raise ConfigurationError: there are more than L{MOST_OBJECTS}; a list that contains itself has no end of them.
    """
    pending = [document]
    for _ in range(MOST_OBJECTS):
        if not pending:
            return
        current = pending.pop()
        items = current.get("items") if isinstance(current, dict) else None
        kind = current.get("kind") if isinstance(current, dict) else None
        if isinstance(kind, str) and kind.endswith("List") and isinstance(items, list):
            pending.extend(reversed(items))
        else:
            yield current
    if pending:
        raise ConfigurationError(f"it holds more than {MOST_OBJECTS} objects")
