"""
The worlds that the contract suite runs in: anything that answers as kube-apiserver does. A world says where it is, how
its certificate is checked, and what to send along; the same tests then run on the sandbox, on a real server, or on
either through a gateway.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import treq
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Protocol as StreamProtocol
from twisted.internet.ssl import Certificate, PrivateCertificate, optionsForClientTLS
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IPolicyForHTTPS
from zope.interface import implementer

from clustergateway.testing.certificates import Pair

Object = dict[str, Any]
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"


class World(Protocol):
    """
    A server to test.

    @ivar url: of the API, without a slash at its end; it may have a path.
    @ivar tls: checks the server's certificate, and shows the client's.
    @ivar headers: sent with every request.
    @ivar tls_without_client: checks the server's certificate, and shows none.
    @ivar impersonates: C{Impersonate-*} headers are honoured.
    """

    url: str
    tls: IPolicyForHTTPS
    tls_without_client: IPolicyForHTTPS
    headers: Mapping[str, str]
    impersonates: bool

    def start(self) -> Awaitable[None]:
        """
        @raise SkipTest: this machine cannot.
        """
        ...

    def stop(self) -> Awaitable[None]: ...


class ApiServerWorld(World, Protocol):
    """
    An API server itself.

    @ivar ca: PEM bundle by which its certificate is verified.
    @ivar admin: a client certificate for everything in it.
    """

    headers: Mapping[str, str] = {}
    impersonates: bool = True
    ca: bytes
    admin: Pair


@implementer(IPolicyForHTTPS)
class ClientTls:
    """TLS of a client that trusts one CA, with a certificate of its own or without."""

    def __init__(self, ca: bytes, certificate: bytes = b"", key: bytes = b"") -> None:
        self._trust = Certificate.loadPEM(ca)
        self._own = PrivateCertificate.loadPEM(certificate + key) if certificate else None

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:
        return optionsForClientTLS(hostname.decode("ascii"), self._trust, self._own)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read to its end."""

    code: int
    headers: Headers
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str:
        return ", ".join(self.headers.getRawHeaders(name, []))


class _Events(StreamProtocol):
    """Reads a watch until it has seen enough, or it ends."""

    def __init__(self, enough: Callable[[list[Object]], bool]) -> None:
        self._enough = enough
        self._buffer = b""
        self.events: list[Object] = []
        self.seen = Deferred[list[Object]]()
        self.ended = Deferred[None]()

    def dataReceived(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        self.events += [json.loads(line) for line in lines if line]
        self._look()

    def _look(self) -> None:
        if not self.seen.called and self._enough(self.events):
            self.seen.callback(self.events)

    def connectionLost(self, reason: Failure = Failure(Exception())) -> None:  # noqa: B008 (its signature)
        if not self.seen.called:
            self.seen.callback(self.events)
        self.ended.callback(None)


def _listed(headers: Mapping[str, str]) -> dict[str, list[str]]:
    return {name: [value] for name, value in headers.items()}


class Watching:
    """A watch under way."""

    def __init__(self, events: _Events) -> None:
        self._events = events

    async def stop(self) -> list[Object]:
        """Hang up."""
        transport: Any = self._events.transport
        if not self._events.ended.called:
            transport.loseConnection()
            await self._events.ended
        return self._events.events

    async def until(self, count: int) -> list[Object]:
        """The events, once there are so many or it has ended."""
        self._events._enough = lambda events: len(events) >= count
        self._events._look()
        await self._events.seen
        self._events.seen = Deferred()
        return list(self._events.events)


class Api:
    """A client of a world."""

    def __init__(self, reactor: Any, world: World, tls: IPolicyForHTTPS | None = None) -> None:
        self._world = world
        self._pool = HTTPConnectionPool(reactor)
        self._agent = Agent(reactor, tls or world.tls, pool=self._pool)

    async def close(self) -> None:
        """Close the connections that are kept."""
        await self._pool.closeCachedConnections()

    async def call(
        self, method: str, path: str, body: Any = None, media_type: str = "application/json", **headers: str
    ) -> Reply:
        """
        @param body: sent as JSON, or as it is when it is bytes.
        @param headers: with underscores for dashes.
        """
        response = await self._send(method, path, body, media_type, headers)
        return Reply(response.code, response.headers, await response.content())

    async def _send(self, method: str, path: str, body: Any, media_type: str, headers: Mapping[str, str]) -> Any:
        sent = {**self._world.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = media_type
        sent.setdefault("User-Agent", "contract-test/1")
        client = treq.client.HTTPClient(self._agent)
        url = self._world.url + path
        return await client.request(method, url, data=data, headers=Headers(_listed(sent)), unbuffered=True)

    async def watch(self, path: str, **headers: str) -> tuple[int, Watching]:
        """Begin a watch: the code of the answer, and its events."""
        response = await self._send("GET", path, None, "", headers)
        events = _Events(lambda events: False)
        response.original.deliverBody(events)
        return response.code, Watching(events)

    async def events(self, path: str, **headers: str) -> list[Object]:
        """All events of a watch that ends by itself (C{timeoutSeconds})."""
        _, watching = await self.watch(path, **headers)
        return await watching.until(1 << 30)


class ContractTestCase(TestCase):
    """
    Base of the suite.

    @ivar namespace: one of this test's own; C{self.here} is its path.
    """

    timeout = 90
    world: World
    api: Api
    namespace: str

    def make_world(self) -> World:
        raise NotImplementedError

    async def setUp(self) -> None:  # type: ignore[override]
        from twisted.internet import reactor

        self.world = self.make_world()
        await self.world.start()
        self._reactor = reactor
        self.api = self.make_api()
        made = await self.api.call("POST", "/api/v1/namespaces", {"metadata": {"generateName": "contract-"}})
        self.assertEqual(made.code, 201, made.body)
        self.namespace = made.json()["metadata"]["name"]
        self.here = f"/api/v1/namespaces/{self.namespace}"

    def make_api(self, tls: IPolicyForHTTPS | None = None) -> Api:
        """A client; whoever makes one closes it."""
        return Api(self._reactor, self.world, tls)

    async def tearDown(self) -> None:  # type: ignore[override]
        await self.api.close()
        await self.world.stop()

    def assertStatus(self, reply: Reply, code: int, reason: str, message: str, details: Object | None = None) -> None:
        """The reply is this C{metav1.Status}."""
        wanted: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        wanted |= {"message": message, "reason": reason, "code": code}
        if details is not None:
            wanted["details"] = details
        self.assertEqual(reply.json(), wanted)
        self.assertEqual(reply.code, code)

    async def make_config_map(self, name: str, labels: Object | None = None, **data: str) -> Object:
        """Create a ConfigMap in this test's namespace."""
        body: Object = {"metadata": {"name": name, "labels": labels or {}}, "data": data}
        made = await self.api.call("POST", f"{self.here}/configmaps", body)
        self.assertEqual(made.code, 201, made.body)
        found: Object = made.json()
        return found


def names(items: Sequence[Object]) -> list[str]:
    """The names of objects."""
    return [item["metadata"]["name"] for item in items]


def named(events: Sequence[Object]) -> list[tuple[str, str]]:
    """Type and name of the object of each event, bookmarks left out."""
    return [(e["type"], e["object"]["metadata"]["name"]) for e in events if e["type"] != "BOOKMARK"]
