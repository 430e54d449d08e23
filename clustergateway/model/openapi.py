"""
The OpenAPI documents, version 2 and 3, made from one list of operations and one set of schemas.

They are as C{kubectl explain}, C{kubectl api-resources} and the hub's aggregator read them: paths, operation ids that
nobody else uses, and the extensions that name group, version, kind and action.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .kinds import KINDS, Kind
from .objects import VERSION, Object
from .schemas import REFERENCE, gvk, name_of, schemas
from .secrets import GROUP

ROOT = f"/apis/{GROUP}/{VERSION}"
GROUP_PATH = f"apis/{GROUP}/{VERSION}"
"""What the index of version 3 calls this group's document."""

MEDIA_TYPES = ("application/json", "application/yaml")
WATCH_MEDIA_TYPE = "application/json;stream=watch"
PROXY_METHODS = ("delete", "get", "head", "options", "patch", "post", "put")


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    type: str
    description: str
    where: str = "query"

    @property
    def schema(self) -> Object:
        return {"type": self.type, "uniqueItems": True}


@dataclass(frozen=True, slots=True)
class Operation:
    """
    @ivar action: C{x-kubernetes-action}.
    @ivar kind: of C{x-kubernetes-group-version-kind}.
    @ivar answer: the kind of the answer, C{""} if it is the cluster's own.
    @ivar body: the kind of the request body, C{""} for none.
    """

    path: str
    method: str
    name: str
    action: str
    description: str
    kind: str
    answer: str = ""
    body: str = ""
    parameters: tuple[Parameter, ...] = ()


_NAME = Parameter("name", "string", "The name of the object.", "path")
_REST = Parameter("path", "string", "The path to ask the cluster for.", "path")
_PRETTY = Parameter("pretty", "string", "Indent the answer, for people.")
_PROXY = (
    Parameter("path", "string", "The path to ask the cluster for, if none follows in the URL."),
    Parameter("impersonate", "boolean", "Show the cluster the caller's identity instead of the gateway's."),
)
_LIST = (
    _PRETTY,
    Parameter("labelSelector", "string", "Only objects whose labels it selects."),
    Parameter("fieldSelector", "string", "Only objects whose metadata.name it selects."),
    Parameter("limit", "integer", "How many objects to answer at most; the rest by means of continue."),
    Parameter("continue", "string", "The token of the page before: answer the next one."),
    Parameter("resourceVersion", "string", "The version to list, or to watch from."),
    Parameter("resourceVersionMatch", "string", "How the version is meant: Exact or NotOlderThan."),
    Parameter("watch", "boolean", "Do not list: answer each change from now on, one a line."),
    Parameter("allowWatchBookmarks", "boolean", "Send a bookmark now and then, to watch from later."),
    Parameter("sendInitialEvents", "boolean", "Begin a watch with what there is, and say when that was all."),
    Parameter("timeoutSeconds", "integer", "End a watch after this long."),
)


def operations() -> list[Operation]:
    """Everything that can be asked for."""
    return [operation for kind in KINDS for operation in _operations_of(kind)] + _health() + list(_proxy())


def openapi_v2(version: str) -> Object:
    """
    C{/openapi/v2}.

    @param version: of this project.
    """
    document: Object = {"swagger": "2.0", "info": _info(version), "paths": {}}
    for operation in operations():
        parameters = [_parameter_v2(parameter) for parameter in operation.parameters]
        if operation.body:
            schema = _pointed({REFERENCE: operation.body}, "#/definitions/", siblings=True)
            parameters.append({"name": "body", "in": "body", "required": True, "schema": schema})
        entry = _operation(operation) | {"produces": _produced(operation), "consumes": ["*/*"], "schemes": ["https"]}
        entry["parameters"] = parameters
        answer: Object = {"description": "OK"}
        if operation.answer:
            answer["schema"] = _pointed({REFERENCE: operation.answer}, "#/definitions/", siblings=True)
        entry["responses"] = {"200": answer, "401": {"description": "Unauthorized"}}
        document["paths"].setdefault(operation.path, {})[operation.method] = entry
    document["definitions"] = _definitions("#/definitions/", siblings=True)
    return document


def openapi_v3(version: str) -> Object:
    """
    C{/openapi/v3/apis/GROUP/VERSION}.

    @param version: of this project.
    """
    reference = "#/components/schemas/"
    document: Object = {"openapi": "3.0.0", "info": _info(version), "paths": {}}
    for operation in operations():
        entry = _operation(operation)
        entry["parameters"] = [_parameter_v3(parameter) for parameter in operation.parameters]
        if operation.body:
            entry["requestBody"] = {"required": True, "content": _content(operation.body, MEDIA_TYPES, reference)}
        answer: Object = {"description": "OK"}
        if operation.answer:
            answer["content"] = _content(operation.answer, tuple(_produced(operation)), reference)
        entry["responses"] = {"200": answer, "401": {"description": "Unauthorized"}}
        document["paths"].setdefault(operation.path, {})[operation.method] = entry
    document["components"] = {"schemas": _definitions(reference, siblings=False)}
    return document


def openapi_v3_index(digest: str) -> Object:
    """
    C{/openapi/v3}.

    @param digest: of the group's document; a client that has that one need not ask again.
    """
    return {"paths": {GROUP_PATH: {"serverRelativeURL": f"/openapi/v3/{GROUP_PATH}?hash={digest}"}}}


def _operations_of(kind: Kind) -> Iterator[Operation]:
    many, one = f"{ROOT}/{kind.plural}", f"{ROOT}/{kind.plural}/{{name}}"
    yield Operation(
        many,
        "get",
        f"list{kind.kind}",
        "list",
        f"list or watch {kind.kind} objects",
        kind.kind,
        f"{kind.kind}List",
        "",
        _LIST,
    )
    yield Operation(
        one, "get", f"read{kind.kind}", "get", f"read one {kind.kind}", kind.kind, kind.kind, "", (_NAME, _PRETTY)
    )


def _health() -> list[Operation]:
    path, kind = f"{ROOT}/clustergateways/{{name}}/health", "ClusterGateway"
    common = (_NAME, _PRETTY)
    return [
        Operation(path, "get", f"read{kind}Health", "get", "read a cluster's health", kind, kind, "", common),
        Operation(path, "put", f"replace{kind}Health", "put", "write a cluster's health", kind, kind, kind, common),
    ]


def _proxy() -> Iterator[Operation]:
    kind = "ClusterGatewayProxyOptions"
    for suffix, more in (("", ()), ("/{path}", (_REST,))):
        path = f"{ROOT}/clustergateways/{{name}}/proxy{suffix}"
        options = _PROXY if not suffix else _PROXY[1:]
        for method in PROXY_METHODS:
            name = f"connect{method.capitalize()}ClusterGatewayProxy{'WithPath' if suffix else ''}"
            description = f"pass a {method.upper()} request on to the cluster"
            yield Operation(path, method, name, "connect", description, kind, "", "", (_NAME, *more, *options))


def _info(version: str) -> Object:
    return {"title": "Cluster Gateway", "version": version}


def _operation(operation: Operation) -> Object:
    """What both versions of the document say about an operation."""
    return {
        "description": operation.description,
        "operationId": f"{operation.name}ClusterCoreOamDevV1alpha1",
        "tags": [f"{GROUP.replace('.', '_')}_{VERSION}"],
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": gvk(operation.kind),
    }


def _produced(operation: Operation) -> list[str]:
    if not operation.answer:
        return ["*/*"]
    return [*MEDIA_TYPES, WATCH_MEDIA_TYPE] if operation.action == "list" else list(MEDIA_TYPES)


def _parameter_v2(parameter: Parameter) -> Object:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.description,
        **({"required": True} if parameter.where == "path" else {}),
        **parameter.schema,
    }


def _parameter_v3(parameter: Parameter) -> Object:
    return {
        "name": parameter.name,
        "in": parameter.where,
        "description": parameter.description,
        **({"required": True} if parameter.where == "path" else {}),
        "schema": parameter.schema,
    }


def _content(kind: str, media_types: tuple[str, ...], reference: str) -> Object:
    return {each: {"schema": _pointed({REFERENCE: kind}, reference, siblings=False)} for each in media_types}


def _definitions(reference: str, *, siblings: bool) -> Object:
    return {name_of(kind): _pointed(schema, reference, siblings=siblings) for kind, schema in schemas().items()}


def _pointed(schema: Any, reference: str, *, siblings: bool) -> Any:
    """
    The schema with its references pointing into a document.

    @param siblings: a reference may stand beside a description, as the version 2 documents of Kubernetes have it; in
        version 3 it is wrapped in C{allOf}.
    """
    if isinstance(schema, list):
        return [_pointed(each, reference, siblings=siblings) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if REFERENCE not in schema:
        return {key: _pointed(value, reference, siblings=siblings) for key, value in schema.items()}
    target = {REFERENCE: reference + name_of(schema[REFERENCE])}
    others = {key: value for key, value in schema.items() if key != REFERENCE}
    return others | target if siblings or not others else others | {"allOf": [target]}
