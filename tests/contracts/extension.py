"""An extension API server that says what it was asked: what an aggregation layer is tested against."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import maybeDeferred
from twisted.internet.protocol import Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from clustergateway.sandbox.streams.takeover import take_over
from clustergateway.sandbox.tls import server_options
from clustergateway.testing.apiserver import hang_up
from clustergateway.testing.certificates import Authority

from .world import Object

VERSION = "v1"


class _Echo(Resource):
    isLeaf = True

    def __init__(self, group: str) -> None:
        super().__init__()
        self.group = group
        self.seen: list[tuple[str, str, str]] = []

    def render(self, request: Request) -> int | bytes:
        path = request.uri.decode().partition("?")[0]
        user = request.getHeader("x-remote-user") or ""
        self.seen.append((path, user, ",".join(request.requestHeaders.getRawHeaders("x-remote-group", []))))
        base = f"/apis/{self.group}/{VERSION}"
        if path == base:
            return _json(request, self._resources())
        if path == "/openapi/v2":
            return _json(request, self._openapi())
        if not path.startswith(base + "/"):
            request.setResponseCode(404)
            return b"404 page not found\n"
        if path.endswith("/refusedupgrade"):
            request.setResponseCode(403)
            return b"no upgrade"
        if path.endswith("/upgrade"):
            take_over(request, [(b"Connection", b"Upgrade"), (b"Upgrade", b"echo")], _Shout())
            return NOT_DONE_YET
        if b"watch" in request.args:
            # Without a type it would be text/html, which kube-aggregator reads to the end to rewrite its links.
            request.setHeader("Content-Type", "application/json")
            request.write(b'{"type":"ADDED","object":{}}\n')
            return NOT_DONE_YET
        return _json(request, self._asked(request))

    def _asked(self, request: Request) -> Object:
        assert request.content is not None
        headers = [
            [name.decode().lower(), value.decode()]
            for name, values in request.requestHeaders.getAllRawHeaders()
            for value in values
        ]
        body = request.content.read().decode()
        return {"method": request.method.decode(), "uri": request.uri.decode(), "headers": headers, "body": body}

    def _resources(self) -> Object:
        entry = {
            "name": "echoes",
            "singularName": "echo",
            "namespaced": False,
            "kind": "Echo",
            "verbs": ["get", "create"],
        }
        group_version = f"{self.group}/{VERSION}"
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": [entry]}

    def _openapi(self) -> Object:
        identity = {"group": self.group, "kind": "Echo", "version": VERSION}
        definition = {"type": "object", "x-kubernetes-group-version-kind": [identity]}
        answer = {"200": {"description": "OK", "schema": {"$ref": "#/definitions/test.Echo"}}}
        paths = {f"/apis/{self.group}/{VERSION}/echoes": {"get": {"operationId": "listEcho", "responses": answer}}}
        info = {"title": "echo", "version": "1"}
        return {"swagger": "2.0", "info": info, "paths": paths, "definitions": {"test.Echo": definition}}


class _Shout(Protocol):
    """What a connection speaks after an upgrade: what it gets, in capitals."""

    def dataReceived(self, data: bytes) -> None:
        transport: Any = self.transport
        transport.write(data.upper())


def _json(request: Request, value: Object) -> bytes:
    request.setHeader("Content-Type", "application/json")
    return json.dumps(value).encode()


class Extension:
    """
    One running.

    @ivar seen: path, user and groups of each request.
    """

    def __init__(self, reactor: Any, group: str, service: str, namespace: str) -> None:
        self._reactor = reactor
        self.authority = Authority("extension-ca")
        self._echo = _Echo(group)
        options = server_options(self.authority.server(f"{service}.{namespace}.svc"))
        site = Site(self._echo, reactor=reactor)
        setattr(site, "acceptableProtocols", lambda: [b"http/1.1"])  # noqa: B010
        factory: Any = TLSMemoryBIOFactory(options, False, site)
        self._port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.seen = self._echo.seen

    @property
    def port(self) -> int:
        address = self._port.getHost()
        assert isinstance(address, IPv4Address)
        return address.port

    async def stop(self) -> None:
        """Stop listening, and close all connections."""
        await maybeDeferred(self._port.stopListening)
        await hang_up(self._reactor, self._port)
