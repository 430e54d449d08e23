"""
What a request asks for, in the words of authorization.k8s.io.

Follows C{RequestInfo} of kube-apiserver, oddities included: what is authorized here must be exactly what is done there.
Paths that a server on the way might turn into others are refused.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import BadRequest
from .fieldselectors import FieldSelector, parse_field_selector
from .identity import Attributes
from .query import decode_path, decode_query, first, flag

VERBS = {"POST": "create", "GET": "get", "HEAD": "get", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
PATH_VERBS = ("proxy", "watch")
NAMESPACE_SUBRESOURCES = ("status", "finalize")


def parse_request_info(method: str, path: str, query: str) -> Attributes:
    """
    @param method: as sent; verbs are case-sensitive, as HTTP methods are.
    @param path: percent-encoded, without the query. An encoded slash separates segments, as it does in kube-apiserver.
    @param query: what follows the C{?}, C{""} for none.
    @raise BadRequest: the path is not validly encoded, is C{/watch} or C{/proxy} of nothing, or could be read as
        another by a server that merges slashes, takes out C{.} segments, or takes backslashes for slashes.
    """
    decoded = decode_path(path)
    if decoded is None:
        raise BadRequest("the path is not validly percent-encoded")
    parts = _split(decoded)
    if len(parts) < 3 or parts[0] not in ("api", "apis") or (parts[0] == "apis" and len(parts) < 4):
        _unmistakable(part or "/" for part in parts)
        return Attributes(verb=method.lower(), path=decoded)
    group = ""
    if parts.pop(0) == "apis":
        group = parts.pop(0)
        _unmistakable([group])
    return _resource(method, group, parts[0], parts[1:], query)


def _split(path: str) -> list[str]:
    stripped = path.strip("/")
    return stripped.split("/") if stripped else []


def _unmistakable(parts: Iterable[str]) -> None:
    for part in parts:
        if part.split(";", 1)[0] in ("", ".") or "\\" in part:
            raise BadRequest("the path has an empty segment, one that is a dot, or a backslash")


def _resource(method: str, group: str, version: str, parts: list[str], query: str) -> Attributes:
    """@param parts: what follows the version; at least one."""
    verb = VERBS.get(method, "")
    whole = [version, *parts]
    if parts[0] in PATH_VERBS:
        verb, parts = parts[0], parts[1:]
        if not parts:
            raise BadRequest(f"the path names nothing to {verb}")
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    # What is behind a proxy is its own affair.
    behind = parts[2:] if verb == "proxy" else parts[3:] if parts[2:3] == ["proxy"] else []
    _unmistakable(whole[: len(whole) - len(behind)])
    name = parts[1] if len(parts) > 1 else ""
    if not name:
        verb, name = _of_many(verb, query)
    return Attributes(
        verb=verb,
        group=group,
        version=version,
        resource=parts[0],
        subresource=parts[2] if len(parts) > 2 and verb != "proxy" else "",
        namespace=namespace,
        name=name,
    )


def _of_many(verb: str, query: str) -> tuple[str, str]:
    """The true verb of a request without a name, and the name it may have by its field selector."""
    if verb == "delete":
        return "deletecollection", ""
    if verb != "get":
        return verb, ""
    values = decode_query(query)
    try:
        selector = parse_field_selector(first(values, "fieldSelector"))
    except BadRequest:
        selector = FieldSelector()
    name = selector.exact("metadata.name")
    if name in (".", "..") or "/" in name or "%" in name:  # no path segment can be this name
        name = ""
    return ("watch" if flag(values, "watch") else "list"), name
