"""
Sets of fields, as C{managedFields} records who owns what (structured-merge-diff's FieldsV1 format).

A path is a tuple of steps: C{f:NAME} a field, C{k:{...}} an item of a list by its keys, C{v:...} an item of a set.
"""

from __future__ import annotations

import json
from typing import Any

from .objects import Object
from .schemas import resolve

Path = tuple[str, ...]
Fields = set[Path]

_UNOWNED = {
    ("f:apiVersion",),
    ("f:kind",),
    ("f:metadata",),
    ("f:metadata", "f:name"),
    ("f:metadata", "f:namespace"),
    ("f:metadata", "f:creationTimestamp"),
    ("f:metadata", "f:selfLink"),
    ("f:metadata", "f:uid"),
    ("f:metadata", "f:clusterName"),
    ("f:metadata", "f:generation"),
    ("f:metadata", "f:managedFields"),
    ("f:metadata", "f:resourceVersion"),
    ("f:metadata", "f:deletionTimestamp"),
    ("f:metadata", "f:deletionGracePeriodSeconds"),
}


def encode(fields: Fields) -> Object:
    """As FieldsV1."""
    root: Object = {}
    for path in sorted(fields):
        node = root
        for step in path:
            node = node.setdefault(step, {})
        node["."] = {}
    _drop_leaf_dots(root)
    return root


def _drop_leaf_dots(node: Object) -> None:
    for inner in node.values():
        if list(inner) == ["."]:
            del inner["."]
        else:
            _drop_leaf_dots(inner)


def decode(node: Object) -> Fields:
    """The inverse of L{encode}."""
    fields: Fields = set()

    def walk(node: Object, path: Path) -> None:
        if not node or "." in node:
            fields.add(path)
        for step, inner in node.items():
            if step != ".":
                walk(inner, (*path, step))

    for step, inner in node.items():
        walk(inner, (step,))
    return fields


def item_step(schema: Object, item: Any) -> str:
    """The step that leads to an item of a list of type map or set."""
    if schema.get("x-kubernetes-list-type") == "map":
        keys = {key: item.get(key, _key_default(schema, key)) for key in schema["x-kubernetes-list-map-keys"]}
        present = {key: value for key, value in sorted(keys.items()) if value is not None}
        return "k:" + json.dumps(present, separators=(",", ":"), ensure_ascii=False)
    return "v:" + json.dumps(item, separators=(",", ":"), ensure_ascii=False)


def _key_default(schema: Object, key: str) -> Any:
    if key == "protocol":
        return "TCP"
    return resolve(schema.get("items") or {}).get("properties", {}).get(key, {}).get("default")


def is_map(schema: Object) -> bool:
    """Are the members of this object owned one by one, and the object itself too (labels, data)?"""
    return not schema.get("properties")


def child(schema: Object, key: str) -> Object:
    """The schema of a field."""
    found = (schema.get("properties") or {}).get(key)
    if found is None:
        found = schema.get("additionalProperties")
    return resolve(found) if isinstance(found, dict) else {}


def is_granular(schema: Object, value: Any) -> bool:
    """Is the value owned in parts, rather than as a whole?"""
    if isinstance(value, dict):
        return bool(value) and schema.get("x-kubernetes-map-type") != "atomic"
    if isinstance(value, list):
        return bool(value) and schema.get("x-kubernetes-list-type") in ("map", "set")
    return False


def leaves(schema: Object, value: Any, maps: bool, path: Path = ()) -> dict[Path, Any]:
    """
    Everything in a value that can be owned: path to what is there.

    @param maps: maps themselves are owned too, as after an Update; after an Apply only what is in them is.
    """
    schema = resolve(schema)
    if not is_granular(schema, value):
        return {path: value} if path and path not in _UNOWNED else {}
    found: dict[Path, Any] = {}
    if isinstance(value, dict):
        if maps and path and is_map(schema):
            found[path] = None
        for key, inner in value.items():
            where = (*path, "f:" + key)
            if where not in _UNOWNED or where == ("f:metadata",):
                found |= leaves(child(schema, key), inner, maps, where)
        return found
    items = resolve(schema.get("items") or {})
    for item in value:
        where = (*path, item_step(schema, item))
        found[where] = None
        if schema["x-kubernetes-list-type"] == "map":
            found |= leaves(items, item, maps, where)
    return found


def dotted(path: Path) -> str:
    """As conflicts name a field: C{.spec.containers[name="web"].image}."""
    text = ""
    for step in path:
        kind, _, rest = step.partition(":")
        if kind == "f":
            text += "." + rest
        elif kind == "k":
            text += "[" + ",".join(f"{key}={json.dumps(value)}" for key, value in json.loads(rest).items()) + "]"
        else:
            text += f"[={rest}]"
    return text
