"""Objects against schemas: unknown fields pruned, defaults filled in, wrong ones refused in kube-apiserver's words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .kinds import Kind
from .objects import Object, copied
from .schemas import resolve, schema_of
from .status import Cause, bad_request, invalid, required_value, unsupported_value

_GO_NAMES = {"string": "string", "integer": "int32", "boolean": "bool", "number": "float64"}


@dataclass(slots=True)
class Findings:
    """
    What a walk over an object found.

    @ivar unknown: paths of fields that the schema does not have.
    @ivar mistyped: path, the type it should be, and the value.
    """

    unknown: list[str] = field(default_factory=list)
    mistyped: list[tuple[str, str, Any]] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)


def admitted(kind: Kind, obj: Object, complain: Callable[[list[str]], None]) -> Object:
    """
    The object as it would be decoded: without unknown fields and nulls, with a custom resource's defaults.

    @param complain: told the paths of unknown fields, before it is looked at any closer.
    @raise ApiError: 400 (built-in) or 422 (custom), a value is of a wrong type or breaks a rule of the schema.
    """
    findings = Findings()
    schema = schema_of(kind)
    if kind.custom:
        obj = defaulted(schema, copied(obj))
    pruned: Object = _walk(schema, obj, "", findings, kind.custom)
    if findings.mistyped and not kind.custom:
        path, wanted, value = findings.mistyped[0]
        where = re.sub(r"\[[^]]*\]", "", path)
        what = {bool: "bool", int: "number", float: "number", str: "string", list: "array"}.get(type(value), "object")
        message = f"json: cannot unmarshal {what} into Go struct field {kind.kind}.{where} of type {wanted}"
        raise bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {message}')
    complain(findings.unknown)
    causes = findings.causes + [_mistyped(*one) for one in findings.mistyped]
    if causes:
        name = (obj.get("metadata") or {}).get("name", "")
        raise invalid(kind.kind, kind.group, name, causes)
    return pruned


def _mistyped(path: str, wanted: str, value: Any) -> Cause:
    type_names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    given = "null" if value is None else type_names[type(value)]
    return (
        "FieldValueTypeInvalid",
        f'Invalid value: "{given}": {path} in body must be of type {wanted}: "{given}"',
        path,
    )


def _is(value: Any, wanted: str) -> bool:
    if wanted == "integer":
        return (isinstance(value, int) and not isinstance(value, bool)) or (isinstance(value, float) and value % 1 == 0)
    if wanted == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    types = {"string": str, "boolean": bool, "array": list, "object": dict}
    return isinstance(value, types[wanted])


def _walk(schema: Object, value: Any, path: str, findings: Findings, custom: bool) -> Any:
    schema = resolve(schema)
    wanted: str = schema.get("type", "")
    if schema.get("x-kubernetes-int-or-string"):
        return value
    if wanted and value is not None and not _is(value, wanted):
        findings.mistyped.append((path, wanted if custom else _GO_NAMES.get(wanted, wanted), value))
        return value
    if custom and value is not None:
        findings.causes.extend(_broken_rules(schema, value, path))
    if isinstance(value, dict):
        return _walk_object(schema, value, path, findings, custom)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        items = schema["items"]
        return [_walk(items, one, f"{path}[{index}]", findings, custom) for index, one in enumerate(value)]
    return value


def _walk_object(schema: Object, value: Object, path: str, findings: Findings, custom: bool) -> Object:
    properties = schema.get("properties") or {}
    others = schema.get("additionalProperties")
    kept = bool(schema.get("x-kubernetes-preserve-unknown-fields")) or others is True
    found: Object = {}
    for key, inner in value.items():
        where = f"{path}.{key}" if path else key
        if key in properties:
            nullable = custom and resolve(properties[key]).get("nullable")
            if (inner is not None or nullable) and (custom or not _says_nothing(properties[key], inner)):
                found[key] = _walk(properties[key], inner, where, findings, custom and where != "metadata")
        elif isinstance(others, dict):
            # Go's messages name a map, not the member of it that is wrong.
            found[key] = _walk(others, inner, where if custom else path, findings, custom)
        elif kept or (not properties and not custom):
            found[key] = inner
        else:
            findings.unknown.append(where)
    if custom or not path.startswith("status"):
        missing = (key for key in schema.get("required") or () if found.get(key) is None)
        findings.causes.extend(required_value(f"{path}.{key}" if path else key) for key in missing)
    return found


def _says_nothing(schema: Object, value: Any) -> bool:
    """Go leaves empty lists and maps out (but not empty structs)."""
    if schema.get("type") == "array":
        return bool(value == [])
    return "additionalProperties" in schema and bool(value == {})


def _broken_rules(schema: Object, value: Any, path: str) -> list[Cause]:
    broken: list[Cause] = []
    shown = json.dumps(value, ensure_ascii=False)
    if "enum" in schema and value not in schema["enum"]:
        broken.append(unsupported_value(path, value, schema["enum"]))

    def refuse(why: str, shown: str = shown) -> None:
        broken.append(("FieldValueInvalid", f"Invalid value: {shown}: {path} in body {why}", path))

    if isinstance(value, str):
        if "pattern" in schema and not re.search(schema["pattern"], value):
            refuse(f"should match '{schema['pattern']}'")
        if len(value) < schema.get("minLength", 0):
            refuse(f"should be at least {schema['minLength']} chars long")
        if len(value) > schema.get("maxLength", len(value)):
            broken.append(("FieldValueTooLong", f"Too long: may not be more than {schema['maxLength']} bytes", path))
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        if value < schema.get("minimum", value):
            refuse(f"should be greater than or equal to {schema['minimum']}")
        if value > schema.get("maximum", value):
            refuse(f"should be less than or equal to {schema['maximum']}")
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            refuse(f"should have at least {schema['minItems']} items", str(len(value)))
        if len(value) > schema.get("maxItems", len(value)):
            most = schema["maxItems"]
            broken.append(("FieldValueTooMany", f"Too many: {len(value)}: must have at most {most} items", path))
    return broken


def defaulted(schema: Object, value: Any) -> Any:
    """Fill in a structural schema's defaults, in place."""
    schema = resolve(schema)
    if isinstance(value, dict):
        for key, inner in (schema.get("properties") or {}).items():
            if key not in value and "default" in inner:
                value[key] = copied(inner["default"])
            if key in value:
                defaulted(inner, value[key])
        if isinstance(schema.get("additionalProperties"), dict):
            for inner in value.values():
                defaulted(schema["additionalProperties"], inner)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for inner in value:
            defaulted(schema["items"], inner)
    return value
