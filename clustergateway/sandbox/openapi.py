"""C{/openapi/v2} and C{/openapi/v3}: enough of them for C{kubectl explain}, for validation, and for being merged."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .kinds import Kind, Kinds
from .objects import Object, dumps
from .schemas import OPEN, definition_name, model_of, model_schema, reachable, resolve, schema_of, short_name
from .status import no_such_path

Names = Mapping[str, str]
"""From class of the kubernetes package to name of its definition."""
VERSION = "v1.36.0"


class OpenApi:
    """
    The documents, made when first asked for and again when the served kinds change.

    @ivar remote: what aggregated servers add: paths and definitions of v2, and documents of v3 by path.
    """

    def __init__(self, kinds: Kinds) -> None:
        self._kinds = kinds
        self._made: dict[str, tuple[int, bytes]] = {}
        self.remote_v2: Callable[[], Iterable[Object]] = lambda: ()
        self.remote_v3: Callable[[], Mapping[str, bytes]] = dict

    def v2(self) -> bytes:
        """The Swagger 2.0 document of everything."""
        own = self._cached("v2", lambda: self._v2())
        remote = list(self.remote_v2())
        if not remote:
            return own
        merged = self._v2()
        for document in remote:
            for part in ("paths", "definitions"):
                for name, value in (document.get(part) or {}).items():
                    merged[part].setdefault(name, value)
        return dumps(merged)

    def v3_index(self) -> Object:
        """C{/openapi/v3}: which documents there are."""
        paths = {_prefix(group, version): self.v3(group, version) for group, version in self._versions()}
        paths.update(self.remote_v3())
        found = {}
        for path, document in sorted(paths.items()):
            digest = hashlib.sha512(document).hexdigest().upper()
            found[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
        return {"paths": found}

    def v3_at(self, path: str) -> bytes:
        """
        C{/openapi/v3/PATH}.

        @param path: such as C{apis/apps/v1}.
        @raise ApiError: 404.
        """
        for group, version in self._versions():
            if path == _prefix(group, version):
                return self.v3(group, version)
        remote = self.remote_v3()
        if path in remote:
            return remote[path]
        raise no_such_path()

    def v3(self, group: str, version: str) -> bytes:
        """The OpenAPI 3.0 document of one group version."""
        return self._cached(_prefix(group, version), lambda: self._v3(group, version))

    def _cached(self, name: str, make: Callable[[], Object]) -> bytes:
        made = self._made.get(name)
        if made is None or made[0] != self._kinds.changes:
            made = self._made[name] = (self._kinds.changes, dumps(make()))
        return made[1]

    def _versions(self) -> list[tuple[str, str]]:
        return [(group, version) for group, versions in self._kinds.groups().items() for version in versions]

    def _v2(self) -> Object:
        names = definition_names(self._kinds)
        refer = _references(names, "#/definitions/")
        paths: Object = {}
        definitions: Object = {}
        for kind in self._kinds:
            paths |= _paths(kind, refer, swagger=True)
            definitions |= _definitions(kind, names, refer, swagger=True)
        info = {"title": "Kubernetes", "version": VERSION}
        return {"swagger": "2.0", "info": info, "paths": paths, "definitions": definitions}

    def _v3(self, group: str, version: str) -> Object:
        names = definition_names(self._kinds)
        refer = _references(names, "#/components/schemas/")
        paths: Object = {}
        schemas: Object = {}
        for kind in self._kinds.of_version(group, version):
            paths |= _paths(kind, refer, swagger=False)
            schemas |= _definitions(kind, names, refer, swagger=False)
        info = {"title": "Kubernetes", "version": VERSION}
        return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": schemas}}


def _prefix(group: str, version: str) -> str:
    return f"apis/{group}/{version}" if group else f"api/{version}"


def definition_names(kinds: Iterable[Kind]) -> Names:
    """A class that several groups use is named after the core group, or else after the first that reaches it."""
    names: dict[str, str] = {}
    for kind in sorted(kinds, key=lambda kind: kind.group):
        for model in reachable(_roots(kind)):
            names.setdefault(model, definition_name(model, kind.group, kind.version))
    return names


def _roots(kind: Kind) -> list[str]:
    if kind.custom:
        return ["V1ObjectMeta", "V1ListMeta"]
    model = model_of(kind.group, kind.kind)
    return [model, "V1ListMeta", "V1DeleteOptions"] if model else []


def _references(names: Names, prefix: str) -> Callable[[str], str]:
    return lambda model: prefix + names.get(model, model)


def kind_definition(kind: Kind) -> str:
    """The name of the definition of a kind's objects."""
    if not kind.custom:
        return definition_name(model_of(kind.group, kind.kind) or kind.kind, kind.group, kind.version)
    reverse = ".".join(reversed(kind.group.split(".")))
    return f"{reverse}.{kind.version}.{kind.kind}"


def _definitions(kind: Kind, names: Names, refer: Callable[[str], str], swagger: bool) -> Object:
    found = {names[model]: rendered(model_schema(model), refer, swagger) for model in reachable(_roots(kind))}
    own: Object = rendered(resolve(schema_of(kind)), refer, swagger)
    identity = [{"group": kind.group, "kind": kind.kind, "version": kind.version}]
    name = kind_definition(kind)
    found[name] = own | {"x-kubernetes-group-version-kind": identity}
    if "list" in kind.verbs:
        prefix = "#/definitions/" if swagger else "#/components/schemas/"
        properties: Object = {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"$ref": refer("V1ListMeta")},
            "items": {"type": "array", "items": {"$ref": prefix + name}},
        }
        listed: Object = {"type": "object", "required": ["items"], "properties": properties}
        listed["description"] = f"{kind.items_kind} is a list of {kind.kind}"
        listed["x-kubernetes-group-version-kind"] = [{**identity[0], "kind": kind.items_kind}]
        found[name.rpartition(".")[0] + "." + kind.items_kind] = listed
    return found


def rendered(schema: Any, refer: Callable[[str], str], swagger: bool) -> Any:
    """A schema of ours as the document's: references by name, int-or-string in the document's own way."""
    if isinstance(schema, list):
        return [rendered(one, refer, swagger) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        if short_name(schema["$ref"]) == "JSONSchemaProps":
            return {"type": "object", **OPEN}
        rest = {key: value for key, value in schema.items() if key != "$ref"}
        return rest | {"$ref": refer(schema["$ref"])}
    found = {key: rendered(value, refer, swagger) for key, value in schema.items()}
    if found.pop("x-kubernetes-int-or-string", None) is True:
        found.pop("type", None)
        found["format"] = "int-or-string"
        if swagger:
            found["type"] = "string"
        else:
            found["oneOf"] = [{"type": "integer"}, {"type": "string"}]
    return found


_ACTIONS = {
    "list": ("get", "list"),
    "create": ("post", "post"),
    "get": ("get", "get"),
    "update": ("put", "put"),
    "patch": ("patch", "patch"),
    "delete": ("delete", "delete"),
}
_ON_COLLECTION = ("list", "create")
_WRITES = ("create", "update", "patch")


def _paths(kind: Kind, refer: Callable[[str], str], swagger: bool) -> Object:
    base = f"/apis/{kind.group}/{kind.version}" if kind.group else f"/api/{kind.version}"
    inside = f"{base}/namespaces/{{namespace}}" if kind.namespaced else base
    collection, single = f"{inside}/{kind.resource}", f"{inside}/{kind.resource}/{{name}}"
    found: Object = {}
    for verb in kind.verbs:
        if verb in _ACTIONS:
            path = collection if verb in _ON_COLLECTION else single
            method, action = _ACTIONS[verb]
            found.setdefault(path, {})[method] = _operation(kind, verb, action, swagger)
    if kind.namespaced and "list" in kind.verbs:
        found[f"{base}/{kind.resource}"] = {"get": _operation(kind, "list", "list", swagger)}
    for path, item in found.items():
        parameters = [_parameter(name, "path", swagger) for name in ("namespace", "name") if f"{{{name}}}" in path]
        if parameters:
            item["parameters"] = parameters
    return found


def _operation(kind: Kind, verb: str, action: str, swagger: bool) -> Object:
    prefix = "#/definitions/" if swagger else "#/components/schemas/"
    schema = {"$ref": prefix + kind_definition(kind)}
    answer: Object = {"description": "OK"}
    answer |= {"schema": schema} if swagger else {"content": {"application/json": {"schema": schema}}}
    options = ("dryRun", "fieldManager", "fieldValidation") if verb in _WRITES else ()
    found: Object = {
        "operationId": f"{verb}{kind.group.partition('.')[0].capitalize() or 'Core'}{kind.version.upper()}{kind.kind}",
        "parameters": [_parameter(name, "query", swagger) for name in options],
        "responses": {"200": answer},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": kind.group, "kind": kind.kind, "version": kind.version},
    }
    if swagger:
        found |= {"consumes": ["*/*"], "produces": ["application/json"], "schemes": ["https"]}
    return found


def _parameter(name: str, where: str, swagger: bool) -> Object:
    found: Object = {"name": name, "in": where} | ({"required": True} if where == "path" else {})
    return found | ({"type": "string", "uniqueItems": True} if swagger else {"schema": {"type": "string"}})
