"""The three ordinary kinds of patch: JSON patch (RFC 6902), merge patch (RFC 7396) and strategic merge patch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .fieldsets import child
from .objects import Object, copied
from .schemas import resolve
from .status import ApiError, bad_request


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return copied(patch)
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """
    RFC 6902.

    @raise ApiError: 400 for what is no patch, 422 for one that does not fit the object.
    """
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        what = "object" if isinstance(operations, dict) else "value"
        raise bad_request(
            f"error decoding patch: json: cannot unmarshal {what} into Go value of type []handlers.jsonPatchOp"
        )
    result = copied(target)
    try:
        for operation in operations:
            result = _operate(result, operation)
    except (KeyError, IndexError, ValueError, TypeError):
        raise ApiError(422, "Invalid", "the server rejected our request due to an error in our request", {}) from None
    return result


def _pointer(text: str) -> list[str]:
    if text and not text.startswith("/"):
        raise ValueError(text)
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _operate(document: Any, operation: Object) -> Any:
    op, path = operation["op"], _pointer(operation["path"])
    if op in ("move", "copy"):
        source = _pointer(operation["from"])
        value = copied(_at(document, source))
        if op == "move":
            document = _removed(document, source)
        return _added(document, path, value)
    if op == "add":
        return _added(document, path, copied(operation["value"]))
    if op == "remove":
        return _removed(document, path)
    if op == "replace":
        return _replaced(document, path, copied(operation["value"]))
    if op == "test" and _at(document, path) == operation.get("value"):
        return document
    raise ValueError(op)


def _at(document: Any, path: Sequence[str]) -> Any:
    for step in path:
        document = document[_index(document, step)] if isinstance(document, list) else document[step]
    return document


def _index(items: Sequence[Any], step: str) -> int:
    if not step.isdigit() or int(step) >= len(items):
        raise IndexError(step)
    return int(step)


def _added(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _at(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        if last != "-" and int(last) > len(parent):
            raise IndexError(last)
        parent.insert(len(parent) if last == "-" else int(last), value)
    else:
        parent[last] = value
    return document


def _replaced(document: Any, path: list[str], value: Any) -> Any:
    # A member that is missing is added, against RFC 6902: seen on kube-apiserver.
    if path and isinstance(_at(document, path[:-1]), list):
        document = _removed(document, path)
    return _added(document, path, value)


def _removed(document: Any, path: list[str]) -> Any:
    parent, last = _at(document, path[:-1]), path[-1]
    del parent[_index(parent, last) if isinstance(parent, list) else last]
    return document


_ORDER = "$setElementOrder/"
_DELETIONS = "$deleteFromPrimitiveList/"


def strategic_merge(schema: Object, target: Any, patch: Any) -> Any:
    """
    A strategic merge patch: lists that the schema gives a merge key are merged by it, and the C{$patch},
    C{$retainKeys}, C{$setElementOrder} and C{$deleteFromPrimitiveList} directives are followed.
    """
    schema = resolve(schema)
    if not isinstance(patch, dict) or not isinstance(target, dict):
        return _without_directives(patch)
    if patch.get("$patch") == "replace":
        return _without_directives(patch)
    if patch.get("$patch") == "delete":
        return {}
    result = dict(target)
    if "$retainKeys" in patch:
        result = {key: value for key, value in result.items() if key in patch["$retainKeys"]}
    for key, value in patch.items():
        if key.startswith(_DELETIONS):
            name = key[len(_DELETIONS) :]
            result[name] = [one for one in result.get(name) or [] if one not in value]
        elif key.startswith("$"):
            continue
        elif value is None:
            result.pop(key, None)
        elif isinstance(value, list):
            order = patch.get(_ORDER + key)
            result[key] = _merged_list(child(schema, key), result.get(key), value, order)
        else:
            result[key] = strategic_merge(child(schema, key), result.get(key), value)
    for key, order in patch.items():
        name = key[len(_ORDER) :]
        if key.startswith(_ORDER) and name not in patch and isinstance(result.get(name), list):
            result[name] = _ordered(result[name], order, child(schema, name).get("x-kubernetes-patch-merge-key", ""))
    return result


def _merged_list(schema: Object, live: Any, patch: list[Any], order: list[Any] | None) -> list[Any]:
    if schema.get("x-kubernetes-patch-strategy") != "merge" or not isinstance(live, list):
        return [_without_directives(one) for one in patch if not _is_directive(one)]
    key = schema.get("x-kubernetes-patch-merge-key", "")
    if not key:
        merged = [*live, *(one for one in patch if one not in live)]
        return _ordered(merged, order, "") if order else merged
    if any(isinstance(one, dict) and one.get("$patch") == "replace" for one in patch):
        return [_without_directives(one) for one in patch if not _is_directive(one)]
    items: Object = resolve(schema.get("items") or {})
    found = {one.get(key): one for one in live}
    for one in patch:
        if key not in one:
            raise bad_request(f"map: {one} does not contain declared merge key: {key}")
        if one.get("$patch") == "delete":
            found.pop(one[key], None)
        elif one[key] in found:
            found[one[key]] = strategic_merge(items, found[one[key]], one)
        else:
            found[one[key]] = _without_directives(one)
    merged = list(found.values())
    return _ordered(merged, order, key) if order else merged


def _is_directive(value: Any) -> bool:
    return isinstance(value, dict) and list(value) == ["$patch"]


def _ordered(items: list[Any], order: list[Any], key: str) -> list[Any]:
    wanted = [one.get(key) if key and isinstance(one, dict) else one for one in order]

    def place(item: Any) -> int:
        name = item.get(key) if key else item
        return wanted.index(name) if name in wanted else len(wanted)

    return sorted(items, key=place)


def _without_directives(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _without_directives(inner)
            for key, inner in value.items()
            if inner is not None and not key.startswith("$")
        }
    if isinstance(value, list):
        return [_without_directives(inner) for inner in value if not _is_directive(inner)]
    return copied(value)
