"""
A Kubernetes API server for tests: in memory behind an C{IAgent}, or on loopback with certificates; and faults for
either, so that a test can see what happens when a hub or a cluster misbehaves.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import yaml
from treq.testing import RequestTraversalAgent
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock, deferLater
from twisted.web.server import NOT_DONE_YET

from ..sandbox.bootstrap import FRONT_PROXY_NAME
from ..sandbox.call import User
from ..sandbox.server import ApiServer, SandboxConfig, Streams
from ..sandbox.tls import server_options
from .certificates import Authority, Pair

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime
    from twisted.web.http import Request

ADMIN_TOKEN = "admin-token"
ADMIN = User("admin", ("system:masters",))
Matches = Callable[["Request"], bool]
Act = Callable[[ApiServer, "IReactorTime", "Request"], None]


def to_path(prefix: str, method: str = "") -> Matches:
    """Requests whose path begins so, of this method or (C{""}) of any."""

    def matches(request: Request) -> bool:
        return request.uri.startswith(prefix.encode()) and method.encode() in (b"", request.method)

    return matches


@dataclass(slots=True)
class Fault:
    """
    Something that goes wrong with some requests.

    @ivar matches: which.
    @ivar act: what happens to them instead of being served.
    @ivar times: how often it still happens, C{None} for always.
    @ivar happened: how often it did.
    """

    matches: Matches
    act: Act
    times: int | None = None
    happened: int = field(default=0, init=False)


def refuse(server: ApiServer, clock: IReactorTime, request: Request) -> None:
    """Close the connection without an answer."""
    _drop(request)


def never(server: ApiServer, clock: IReactorTime, request: Request) -> None:
    """Do not answer at all."""


def slow(seconds: float) -> Act:
    """Serve as usual, but later."""

    def act(server: ApiServer, clock: IReactorTime, request: Request) -> None:
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)

        def serve() -> None:
            if gone:
                return
            body = server.serve(request)
            if body != NOT_DONE_YET:
                assert isinstance(body, bytes)
                request.write(body)
                request.finish()

        clock.callLater(seconds, serve)

    return act


def status(code: int, retry_after: int | None = None, reason: str = "InternalError") -> Act:
    """Answer with a C{metav1.Status}: for instance 500, 503, or 429 with Retry-After."""

    def act(server: ApiServer, clock: IReactorTime, request: Request) -> None:
        request.setResponseCode(code)
        request.setHeader("Content-Type", "application/json")
        if retry_after is not None:
            request.setHeader("Retry-After", str(retry_after))
        body = '{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"injected",'
        request.write(f'{body}"reason":"{reason}","code":{code}}}\n'.encode())
        request.finish()

    return act


def truncated(server: ApiServer, clock: IReactorTime, request: Request) -> None:
    """Begin an answer of JSON and close the connection in the middle of it."""
    request.setHeader("Content-Type", "application/json")
    request.setHeader("Content-Length", "1000")
    request.write(b'{"kind":"Status","apiVersion":"v1",')
    _drop(request)


def malformed(server: ApiServer, clock: IReactorTime, request: Request) -> None:
    """Answer 200 with something that is no JSON."""
    request.setHeader("Content-Type", "application/json")
    request.write(b"<html>{not json")
    request.finish()


def _drop(request: Request) -> None:
    assert request.channel is not None
    request.channel.loseConnection()


class Faults:
    """What goes wrong at one server."""

    def __init__(self, server: ApiServer, clock: IReactorTime) -> None:
        self._server = server
        self._clock = clock
        self._faults: list[Fault] = []
        server.before.append(self._before)

    def add(self, matches: Matches, act: Act, times: int | None = None) -> Fault:
        """From now on, C{act} on requests that match."""
        fault = Fault(matches, act, times)
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._faults.clear()

    def _before(self, request: Request) -> bool:
        for fault in self._faults:
            if fault.times != 0 and fault.matches(request):
                fault.happened += 1
                fault.times = None if fault.times is None else fault.times - 1
                fault.act(self._server, self._clock, request)
                return True
        return False


@dataclass(frozen=True, slots=True)
class InMemoryApiServer:
    """
    A server without sockets.

    @ivar agent: an C{IAgent} that reaches it, whatever the host of the URL.
    @ivar token: of a member of C{system:masters}.
    """

    server: ApiServer
    clock: Clock
    agent: Any
    faults: Faults
    url: str = "https://kubernetes.test"
    token: str = field(default=ADMIN_TOKEN, repr=False)

    def flush(self, seconds: float = 0) -> None:
        """Let time pass at the server, and carry what was written to and fro."""
        self.clock.advance(seconds)
        self.agent.flush()


def in_memory(config: SandboxConfig | None = None, clock: Clock | None = None) -> InMemoryApiServer:
    """
    @param config: without tokens, C{admin-token} is one.
    @param clock: the server's time; by default it begins in the year 2026.
    """
    config = config or SandboxConfig()
    if clock is None:
        clock = Clock()
        clock.advance(1767225600)
    server = ApiServer(_with_admin(config), clock, source=random.Random(0))  # noqa: S311 (tests repeat)
    return InMemoryApiServer(server, clock, RequestTraversalAgent(server), Faults(server, clock))


def _with_admin(config: SandboxConfig) -> SandboxConfig:
    return replace(config, tokens={ADMIN_TOKEN: ADMIN, **config.tokens})


@dataclass(frozen=True, slots=True)
class LoopbackApiServer:
    """
    A server on 127.0.0.1, over TLS. It can be a hosting cluster: it aggregates, and what it presents itself with to
    aggregated servers leads to C{front_proxy_ca}, as its ConfigMap extension-apiserver-authentication says.

    @ivar ca: PEM, of the server's certificate and of its clients'.
    @ivar admin: client certificate of a member of C{system:masters}.
    """

    server: ApiServer
    faults: Faults
    authority: Authority
    port: int
    admin: Pair
    close: Callable[[], Deferred[None]]
    token: str = field(default=ADMIN_TOKEN, repr=False)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def ca(self) -> bytes:
        return self.authority.certificate

    @property
    def front_proxy_ca(self) -> bytes:
        return self.server.config.front_proxy_ca

    def kubeconfig(self) -> str:
        """A kubeconfig of the administrator, YAML."""
        return kubeconfig(self.server.config.name, self.url, self.ca, self.admin)


def kubeconfig(name: str, url: str, ca: bytes, client: Pair) -> str:
    """A kubeconfig with one context, YAML."""

    def encoded(data: bytes) -> str:
        return base64.b64encode(data).decode()

    user = {"client-certificate-data": encoded(client.certificate), "client-key-data": encoded(client.key)}
    cluster = {"server": url, "certificate-authority-data": encoded(ca)}
    written = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return yaml.safe_dump(written)


async def hang_up(reactor: Any, listening: Any) -> None:
    """
    Close all connections that a TLS port has accepted, and wait until they are closed.

    @param listening: a port whose factory is a L{twisted.protocols.tls.TLSMemoryBIOFactory}.
    """
    for connection in list(listening.factory.protocols):
        connection.abortConnection()
    while listening.factory.protocols:
        await deferLater(reactor, 0)


def on_loopback(reactor: Any, config: SandboxConfig | None = None, streams: Streams | None = None) -> LoopbackApiServer:
    """
    Start a server on a free port. Whoever starts it calls its C{close}.

    @param reactor: provides C{IReactorTCP} and C{IReactorTime}.
    @param config: its client CA and its front proxy are replaced by ones made for this server.
    """
    authority, front_proxy_ca = Authority("sandbox-ca"), Authority("sandbox-front-proxy-ca")
    config = replace(
        _with_admin(config or SandboxConfig()),
        client_ca=authority.certificate,
        front_proxy=front_proxy_ca.client(FRONT_PROXY_NAME),
        front_proxy_ca=front_proxy_ca.certificate,
    )
    server = ApiServer(config, reactor, streams)
    listening = server.listen(reactor, 0, server_options(authority.server("localhost", "127.0.0.1")))

    async def stop() -> None:
        await server.stop()
        await maybeDeferred(listening.stopListening)
        await hang_up(reactor, listening)

    def close() -> Deferred[None]:
        return Deferred.fromCoroutine(stop())

    address = listening.getHost()
    assert isinstance(address, IPv4Address)
    admin = authority.client(ADMIN.name, ADMIN.groups)
    return LoopbackApiServer(server, Faults(server, reactor), authority, address.port, admin, close)
