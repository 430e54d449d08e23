"""What a path asks for: kube-apiserver's reading of C{/api/v1/namespaces/NS/RESOURCE/NAME/SUBRESOURCE}."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

_COLLECTION_VERBS = {"GET": "list", "HEAD": "list", "DELETE": "deletecollection"}
_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}

Query = Mapping[str, Sequence[str]]
"""Query parameters, each with all its values in order."""


@dataclass(frozen=True, slots=True)
class Target:
    """
    A parsed path.

    @ivar verb: of the request as authorization knows it; for a non-resource path the lowercased method.
    @ivar resource: C{""} for a non-resource path.
    @ivar rest: what follows the subresource, decoded, with its leading slash; C{""} for nothing.
    """

    path: str
    verb: str
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""
    rest: str = ""


def is_true(value: str) -> bool:
    """A boolean query parameter: anything but C{0} and C{false} that is not empty."""
    return value.lower() not in ("", "0", "false", "f")


def first(query: Query, name: str) -> str:
    """The first value of a parameter, C{""} for none."""
    values = query.get(name)
    return values[0] if values else ""


def parse(method: str, path: str, query: Query) -> Target:
    """
    Read a path.

    @param path: still percent-encoded, without the query.
    """
    parts = [unquote(part) for part in path.split("/")[1:]]
    if parts and parts[-1] == "":
        parts.pop()
    if len(parts) >= 3 and parts[0] == "api":
        return _resource(method, path, query, "", parts[1], parts[2:])
    if len(parts) >= 4 and parts[0] == "apis":
        return _resource(method, path, query, parts[1], parts[2], parts[3:])
    return Target(unquote(path), method.lower())


def _resource(method: str, path: str, query: Query, group: str, version: str, parts: list[str]) -> Target:
    watched = parts[0] == "watch" and len(parts) > 1
    if watched:
        parts = parts[1:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in ("status", "finalize"):
            parts = parts[2:]
    resource, name, subresource, *rest = [*parts, "", "", ""][: max(len(parts), 3)]
    verb = _VERBS.get(method, "")
    if not name:
        verb = _COLLECTION_VERBS.get(method, verb)
    if verb in ("get", "list") and (watched or (verb == "list" and is_true(first(query, "watch")))):
        verb = "watch"
    below = "/" + "/".join(rest) if any(rest) else ""
    return Target(unquote(path), verb, group, version, namespace, resource, name, subresource, below)
