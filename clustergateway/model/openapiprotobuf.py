"""
C{/openapi/v2} as protobuf: the messages of gnostic's C{openapiv2/OpenAPIv2.proto}, which kubectl asks for before it
sends anything. Of each message only the fields that our document has are known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal

from .konnectivity import varint
from .objects import Object

MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
FORMER_MEDIA_TYPE = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
"""As kubectl called it before 1.28; the C{@} does not belong into a media type."""

Shape = Literal["one", "many", "named"]
"""How a value is written: as itself; each of a list; with its name beside it."""

_ONE: Final = "one"
_TEXT, _FLAG = "text", "flag"
_EXTENSIONS: Final = "x-"

# Field number, type and shape by the name in JSON; the name "" stands for whatever there is.
_MESSAGES: Mapping[str, Mapping[str, tuple[int, str, Shape]]] = {
    "Document": {
        "swagger": (1, _TEXT, _ONE),
        "info": (2, "Info", _ONE),
        "paths": (8, "Paths", _ONE),
        "definitions": (9, "Definitions", _ONE),
    },
    "Info": {"title": (1, _TEXT, _ONE), "version": (2, _TEXT, _ONE)},
    "Paths": {"": (2, "PathItem", "named")},
    "PathItem": {
        method: (number, "Operation", _ONE)
        for number, method in enumerate(("get", "put", "post", "delete", "options", "head", "patch"), 2)
    },
    "Operation": {
        "tags": (1, _TEXT, "many"),
        "description": (3, _TEXT, _ONE),
        "operationId": (5, _TEXT, _ONE),
        "produces": (6, _TEXT, "many"),
        "consumes": (7, _TEXT, "many"),
        "parameters": (8, "ParametersItem", "many"),
        "responses": (9, "Responses", _ONE),
        "schemes": (10, _TEXT, "many"),
        _EXTENSIONS: (13, "Any", "named"),
    },
    "Body": {
        "name": (2, _TEXT, _ONE),
        "in": (3, _TEXT, _ONE),
        "required": (4, _FLAG, _ONE),
        "schema": (5, "Schema", _ONE),
    },
    "Query": {
        "required": (1, _FLAG, _ONE),
        "in": (2, _TEXT, _ONE),
        "description": (3, _TEXT, _ONE),
        "name": (4, _TEXT, _ONE),
        "type": (6, _TEXT, _ONE),
        "uniqueItems": (20, _FLAG, _ONE),
    },
    "Path": {
        "required": (1, _FLAG, _ONE),
        "in": (2, _TEXT, _ONE),
        "description": (3, _TEXT, _ONE),
        "name": (4, _TEXT, _ONE),
        "type": (5, _TEXT, _ONE),
        "uniqueItems": (19, _FLAG, _ONE),
    },
    "Responses": {"": (1, "ResponseValue", "named")},
    "Response": {"description": (1, _TEXT, _ONE), "schema": (2, "SchemaItem", _ONE)},
    "Definitions": {"": (1, "Schema", "named")},
    "Schema": {
        "$ref": (1, _TEXT, _ONE),
        "format": (2, _TEXT, _ONE),
        "description": (4, _TEXT, _ONE),
        "required": (19, _TEXT, "many"),
        "additionalProperties": (21, "SchemaItem", _ONE),
        "type": (22, "TypeItem", _ONE),
        "items": (23, "SchemaItem", _ONE),
        "properties": (25, "Definitions", _ONE),
        _EXTENSIONS: (31, "Any", "named"),
    },
}


def openapi_v2_protobuf(document: Object) -> bytes:
    """
    @param document: as L{openapi_v2<clustergateway.model.openapi.openapi_v2>} makes it.
    @raise ValueError: it has something that is not among the fields above.
    """
    return _message("Document", document)


def _message(kind: str, value: Mapping[str, Any]) -> bytes:
    fields = _MESSAGES[kind]
    if "" in fields:
        number, inner, _ = fields[""]
        return b"".join(_named(number, inner, name, each) for name, each in value.items())
    return b"".join(_field(fields, kind, key, each) for key, each in value.items())


def _field(fields: Mapping[str, tuple[int, str, Shape]], kind: str, key: str, value: Any) -> bytes:
    known = fields.get(_EXTENSIONS if key.startswith(_EXTENSIONS) else key)
    if known is None:
        raise ValueError(f"{kind} has no field {key} here")
    number, inner, shape = known
    if shape == "named":
        return _named(number, inner, key, value)
    return b"".join(_one(number, inner, each) for each in (value if shape == "many" else (value,)))


def _one(number: int, kind: str, value: Any) -> bytes:
    if kind == _FLAG:
        return varint(number << 3) + varint(int(value))
    return _blob(number, _content(kind, value))


def _content(kind: str, value: Any) -> bytes:
    if kind == _TEXT:
        return str(value).encode()
    if kind == "Any":
        return _blob(2, json.dumps(value).encode() + b"\n")  # as YAML, which JSON is
    if kind in ("SchemaItem", "TypeItem"):
        return _blob(1, _content("Schema" if kind == "SchemaItem" else _TEXT, value))
    if kind == "ResponseValue":
        return _blob(1, _message("Response", value))
    if kind == "ParametersItem":
        return _blob(1, _parameter(value))
    return _message(kind, value)


def _parameter(value: Mapping[str, Any]) -> bytes:
    """One of three kinds, by where it stands."""
    where = value["in"]
    if where == "body":
        return _blob(1, _message("Body", value))
    return _blob(2, _blob(3, _message("Query", value)) if where == "query" else _blob(4, _message("Path", value)))


def _named(number: int, kind: str, name: str, value: Any) -> bytes:
    return _blob(number, _blob(1, name.encode()) + _blob(2, _content(kind, value)))


def _blob(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value
