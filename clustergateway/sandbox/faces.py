"""Everything that is no resource: discovery, OpenAPI, version and health."""

from __future__ import annotations

import hashlib
import json

from .accept import wants_aggregated
from .call import Answer, Call, answered
from .discovery import AGGREGATED_TYPE, Discovery
from .kinds import Kinds
from .objects import Object, dumps
from .openapi import VERSION, OpenApi
from .paths import Target
from .status import method_not_allowed, no_such_path, no_such_resource

_CHECKS = ("ping", "log", "etcd")


class Faces:
    """
    Answers them.

    @ivar discovery: the groups and resources.
    @ivar openapi: the documents.
    """

    def __init__(self, kinds: Kinds, address: str) -> None:
        self.discovery = Discovery(kinds, address)
        self.openapi = OpenApi(kinds)

    def answer(self, call: Call, target: Target) -> Answer:
        """
        @raise ApiError: 404, or 405.
        """
        parts = target.path.strip("/").split("/")
        if call.method not in ("GET", "HEAD"):
            raise method_not_allowed() if parts[0] in ("api", "apis") else no_such_path()
        if parts[0] in ("healthz", "livez", "readyz"):
            return _health(call, parts)
        if parts[0] == "openapi":
            return self._openapi(call, parts)
        if parts == ["version"]:
            return answered(call, version())
        if parts == [""]:
            return answered(call, {"paths": self._paths()})
        return self._discovery(call, parts)

    def _discovery(self, call: Call, parts: list[str]) -> Answer:
        found = self.discovery
        if parts in (["api"], ["apis"]):
            core = parts == ["api"]
            wanted = wants_aggregated(call.accept)
            if wanted:
                return _tagged(call, found.aggregated(core, wanted), AGGREGATED_TYPE.format(version=wanted))
            return answered(call, found.api() if core else found.groups(), headers=(("Vary", "Accept"),))
        if parts[0] == "api" and len(parts) == 2:
            if not found.has("", parts[1]):
                raise no_such_resource()
            return answered(call, found.resources("", parts[1]))
        if parts[0] == "apis" and len(parts) == 2:
            return answered(call, found.group(parts[1]))
        if parts[0] == "apis" and len(parts) == 3:
            return answered(call, found.resources(parts[1], parts[2]))
        raise no_such_path()

    def _openapi(self, call: Call, parts: list[str]) -> Answer:
        if parts == ["openapi", "v2"]:
            return _document(call, self.openapi.v2(), "application/json")
        if parts == ["openapi", "v3"]:
            return Answer(200, dumps(self.openapi.v3_index()), "text/plain; charset=utf-8")
        if parts[:2] == ["openapi", "v3"]:
            return _document(call, self.openapi.v3_at("/".join(parts[2:])), "application/json")
        raise no_such_path()

    def _paths(self) -> list[str]:
        groups = [group["name"] for group in self.discovery.groups()["groups"]]
        paths = ["/api", "/api/v1", "/apis", *(f"/apis/{group}" for group in groups)]
        return [*paths, "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]


def version() -> Object:
    """C{/version}."""
    major, minor = VERSION[1:].split(".")[:2]
    return {
        "major": major,
        "minor": minor,
        "gitVersion": f"{VERSION}+sandbox",
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "none",
        "platform": "linux/amd64",
    }


def _tagged(call: Call, value: Object, content_type: str) -> Answer:
    body = dumps(value)
    tag = f'"{hashlib.sha512(body).hexdigest().upper()}"'
    headers = (("ETag", tag), ("Vary", "Accept"))
    if tag in call.headers.get("if-none-match", ""):
        return Answer(304, b"", content_type, headers)
    if call.pretty:
        body = json.dumps(value, indent=2).encode()
    return Answer(200, body + b"\n", content_type, headers)


def _document(call: Call, body: bytes, content_type: str) -> Answer:
    tag = f'"{hashlib.sha512(body).hexdigest().upper()}"'
    headers = (("ETag", tag), ("Vary", "Accept"))
    if tag in call.headers.get("if-none-match", ""):
        return Answer(304, b"", content_type, headers)
    return Answer(200, body, content_type, headers)


def _health(call: Call, parts: list[str]) -> Answer:
    if len(parts) > 1 and parts[1:] not in [[check] for check in _CHECKS]:
        raise no_such_path()
    text = "ok"
    if "verbose" in call.query and len(parts) == 1:
        text = "".join(f"[+]{check} ok\n" for check in _CHECKS) + f"{parts[0]} check passed\n"
    headers = (("X-Content-Type-Options", "nosniff"),)
    return Answer(200, text.encode(), "text/plain; charset=utf-8", headers)
