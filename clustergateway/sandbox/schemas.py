"""
Schemas of the built-in kinds, read from the models of the C{kubernetes} package: they are generated from the same
OpenAPI document that kube-apiserver publishes. What that package leaves out (merge keys) is in a table here.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from .kinds import Kind
from .objects import Object

_META = "io.k8s.apimachinery.pkg.apis.meta.v1"
_META_TYPES = frozenset(
    [
        "ObjectMeta",
        "ListMeta",
        "OwnerReference",
        "ManagedFieldsEntry",
        "LabelSelector",
        "LabelSelectorRequirement",
        "Condition",
        "Status",
        "StatusDetails",
        "StatusCause",
        "DeleteOptions",
        "Preconditions",
    ]
)
_PACKAGES = {
    "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration.k8s.io": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
}
_MODEL_PREFIXES = (
    "Core", "Rbac", "Authentication", "Apiregistration", "Apiextensions", "Events", "Discovery", "Storage", "Resource",
)  # fmt: skip
_SCALARS: Mapping[str, Object] = {
    "str": {"type": "string"},
    "int": {"type": "integer", "format": "int32"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "datetime": {"type": "string", "format": "date-time"},
    "bytes": {"type": "string", "format": "byte"},
    "object": {},
}
_RAW_OBJECTS = frozenset({"fieldsV1", "raw", "parameters"})
_QUANTITIES = frozenset({"limits", "requests", "capacity", "allocatable", "sizeLimit", "divisor"})

MERGE_KEYS: Mapping[tuple[str, str], str] = {
    ("PodSpec", "containers"): "name",
    ("PodSpec", "initContainers"): "name",
    ("PodSpec", "ephemeralContainers"): "name",
    ("PodSpec", "volumes"): "name",
    ("PodSpec", "imagePullSecrets"): "name",
    ("PodSpec", "hostAliases"): "ip",
    ("Container", "env"): "name",
    ("Container", "ports"): "containerPort protocol",
    ("Container", "volumeMounts"): "mountPath",
    ("Container", "volumeDevices"): "devicePath",
    ("EphemeralContainer", "env"): "name",
    ("ServiceSpec", "ports"): "port protocol",
    ("ServiceAccount", "secrets"): "name",
    ("ServiceAccount", "imagePullSecrets"): "name",
    ("ObjectMeta", "ownerReferences"): "uid",
    ("PodStatus", "conditions"): "type",
    ("NodeStatus", "conditions"): "type",
    ("NodeStatus", "addresses"): "type",
    ("NamespaceStatus", "conditions"): "type",
    ("DeploymentStatus", "conditions"): "type",
    ("ReplicaSetStatus", "conditions"): "type",
    ("JobStatus", "conditions"): "type",
    ("ServiceStatus", "conditions"): "type",
    ("APIServiceStatus", "conditions"): "type",
    ("CustomResourceDefinitionStatus", "conditions"): "type",
}
"""Lists that are merged by key. The first word is the strategic merge key; all together are the list-map keys."""
MERGED_SETS = frozenset({("ObjectMeta", "finalizers"), ("NamespaceSpec", "finalizers")})
ATOMIC = frozenset(
    {"LabelSelector", "SecretReference", "ObjectReference", "LocalObjectReference", "TypedLocalObjectReference"}
)
ATOMIC_MAPS = frozenset({("ServiceSpec", "selector"), ("PodSpec", "nodeSelector")})


def short_name(model: str) -> str:
    """Of a class of the kubernetes package: C{V1PodSpec} and C{CoreV1Event} give C{PodSpec} and C{Event}."""
    prefixes = "|".join(_MODEL_PREFIXES)
    return re.sub(rf"^(?:{prefixes})?V\d+(?:(?:alpha|beta)\d+)?", "", model)


def definition_name(model: str, group: str, version: str) -> str:
    """The name of a definition in an OpenAPI document, as clients expect it."""
    name = short_name(model)
    if name in _META_TYPES:
        return f"{_META}.{name}"
    package = _PACKAGES.get(group) or f"io.k8s.api.{(group or 'core').split('.')[0]}"
    return f"{package}.{version}.{name}"


@cache
def _models() -> Any:
    # Costs about half a second, so only a server that validates or explains anything pays for it.
    from kubernetes.client import models

    return models


def model_of(group: str, kind: str) -> str:
    """The class for a kind, C{""} if the package has none."""
    prefix = {"": "Core", _RBAC: "Rbac"}.get(group, group.split(".")[0].capitalize())
    for candidate in (f"V1{kind}", f"{prefix}V1{kind}"):
        if hasattr(_models(), candidate):
            return candidate
    return ""


_RBAC = "rbac.authorization.k8s.io"


@cache
def model_schema(model: str) -> Object:
    """
    The schema of one class: properties with C{$ref} set to the class's name, required, description, merge keys.
    """
    found = getattr(_models(), model)
    owner = short_name(model)
    fields = getattr(found, "model_fields", {})
    properties: Object = {}
    required: list[str] = []
    for attribute, key in found.attribute_map.items():
        field = fields.get(attribute)
        schema = _type(found.openapi_types[attribute], owner, key)
        if field is not None and field.description:
            schema = {"description": field.description} | schema
        if field is not None and field.is_required():
            required.append(key)
        properties[key] = schema
    described = (inspect.getdoc(found) or "").partition("\n\n")[0]
    schema = {"description": described, "type": "object", "properties": properties}
    if required:
        schema["required"] = required
    if owner in ATOMIC:
        schema["x-kubernetes-map-type"] = "atomic"
    return schema


def _type(declared: str, owner: str, key: str) -> Object:
    if (inner := re.fullmatch(r"[Ll]ist\[(.+)\]", declared)) is not None:
        return _list(inner[1], owner, key)
    if (inner := re.fullmatch(r"[Dd]ict(?:\[str, |\(str, )(.+)[\])]", declared)) is not None:
        schema: Object = {"type": "object", "additionalProperties": _type(inner[1], owner, key)}
        return schema | ({"x-kubernetes-map-type": "atomic"} if (owner, key) in ATOMIC_MAPS else {})
    if declared == "str" and key in _QUANTITIES:
        return {"type": "string", "x-kubernetes-int-or-string": True}
    if declared in _SCALARS:
        if declared == "object":
            return {"type": "object"} if key in _RAW_OBJECTS else {"x-kubernetes-int-or-string": True}
        return dict(_SCALARS[declared])
    return {"$ref": declared}


def _list(inner: str, owner: str, key: str) -> Object:
    schema: Object = {"type": "array", "items": _type(inner, owner, key)}
    if (keys := MERGE_KEYS.get((owner, key))) is not None:
        first, *_ = names = keys.split()
        schema |= {"x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": first}
        return schema | {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": names}
    if (owner, key) in MERGED_SETS:
        return schema | {"x-kubernetes-patch-strategy": "merge", "x-kubernetes-list-type": "set"}
    return schema | {"x-kubernetes-list-type": "atomic"}


OPEN: Object = {"x-kubernetes-preserve-unknown-fields": True}
"""The schema of something of which nothing is known."""


def resolve(schema: Object) -> Object:
    """Follow a C{$ref} to a class."""
    if "$ref" in schema:
        if short_name(schema["$ref"]) == "JSONSchemaProps":
            return OPEN
        return model_schema(schema["$ref"])
    return schema


def schema_of(kind: Kind) -> Object:
    """The schema of a kind's objects, custom ones too."""
    if kind.custom:
        return _custom(kind)
    model = model_of(kind.group, kind.kind)
    return model_schema(model) if model else OPEN


def _custom(kind: Kind) -> Object:
    given = kind.schema or OPEN
    standard: Object = {
        "apiVersion": {"type": "string", "description": "Versioned schema of this object."},
        "kind": {"type": "string", "description": "The REST resource that this object represents."},
        "metadata": {"$ref": "V1ObjectMeta"},
    }
    return {**given, "type": "object", "properties": {**(given.get("properties") or {}), **standard}}


def reachable(models: Iterable[str]) -> list[str]:
    """These classes and all that they refer to, each once."""
    found: dict[str, None] = {}
    waiting = list(models)
    while waiting:
        model = waiting.pop(0)
        if model not in found:
            found[model] = None
            waiting.extend(references(model_schema(model)))
    return list(found)


def references(schema: Any) -> list[str]:
    """Every C{$ref} in a schema."""
    if isinstance(schema, dict):
        own = [schema["$ref"]] if isinstance(schema.get("$ref"), str) else []
        return own + [ref for key, inner in schema.items() if key != "$ref" for ref in references(inner)]
    if isinstance(schema, list):
        return [ref for inner in schema for ref in references(inner)]
    return []
