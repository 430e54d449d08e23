"""What a konnectivity deployment does for the gateway: one suite for the one in memory and the real one."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from clustergateway.errors import GatewayError, UpstreamRefused
from clustergateway.model.gateway import Endpoint
from clustergateway.testing.certificates import Authority, Pair
from clustergateway.transport.contexts import ClientTls, ServerTls
from clustergateway.transport.endpoints.konnectivity import Konnectivity
from clustergateway.transport.endpoints.route import ProxyMode, RouteConfig, Routes
from clustergateway.transport.tls import listen, wrap_tls

reactor: Any = _reactor

SOON = 5
"""
Seconds within which another endpoint has to answer on a busy machine: without failover it would be the 10 or more of
a connection's time limit. How soon exactly, tests with their own clock say: tests/transport/endpoints/test_failover.py.
"""
BLOCK = 1 << 16
MIB = 1 << 20


class Sender(Protocol):
    """Sends as many bytes as it is told to, as fast as they are taken."""

    _left = 0
    _flowing = False

    @property
    def out(self) -> Any:
        return self.transport

    def send(self, size: int) -> None:
        self._left = size
        self.out.registerProducer(self, True)
        self.resumeProducing()

    def pauseProducing(self) -> None:
        self._flowing = False

    def resumeProducing(self) -> None:
        self._flowing = True
        while self._flowing and self._left:
            size = min(self._left, BLOCK)
            self._left -= size
            self.out.write(b"x" * size)
        if not self._left:
            self.out.unregisterProducer()

    def stopProducing(self) -> None:
        self._flowing = False
        self._left = 0


class Upstream(Sender):
    """
    Understands lines: C{echo TEXT}, C{get BYTES} (sends so many), C{put BYTES} (takes so many, then says C{done}) and
    C{bye} (hangs up).

    @param alive: holds those that are connected.
    """

    def __init__(self, alive: set[Protocol]) -> None:
        self._alive = alive
        self._taking = 0

    def connectionMade(self) -> None:
        self._alive.add(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._alive.discard(self)

    def dataReceived(self, data: bytes) -> None:
        if self._taking:
            self._take(len(data))
            return
        line, _, rest = data.partition(b"\n")
        word, _, value = line.partition(b" ")
        if word == b"echo":
            self.out.write(value)
        elif word == b"get":
            self.send(int(value))
        elif word == b"put":
            self._taking = int(value)
            self._take(len(rest))
        else:
            self.out.loseConnection()

    def _take(self, size: int) -> None:
        self._taking -= size
        if not self._taking:
            self.out.write(b"done")


class Client(Sender):
    """Asks an L{Upstream}."""

    def __init__(self) -> None:
        self.got = 0
        self.last = b""
        self.lost: Deferred[None] = Deferred()
        self._want = 0
        self._answer: Deferred[bytes] | None = None

    def ask(self, line: bytes, want: int) -> Deferred[bytes]:
        """@return: fires with the last of C{want} bytes that came."""
        self.got, self._want = 0, want
        self._answer = Deferred()
        self.out.write(line + b"\n")
        return self._answer

    def put(self, size: int) -> Deferred[bytes]:
        """Send so many bytes, as fast as they are taken."""
        answer = self.ask(b"put %d" % size, 4)
        self.send(size)
        return answer

    def dataReceived(self, data: bytes) -> None:
        self.got += len(data)
        if self._answer is not None and self.got >= self._want:
            answer, self._answer = self._answer, None
            answer.callback(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        answer, self._answer = self._answer, None
        if answer is not None:
            answer.errback(reason)
        self.lost.callback(None)


def descriptors() -> int:
    """How many files and sockets this process has open."""
    return len(os.listdir("/proc/self/fd"))


async def until(condition: Any, seconds: float = 10) -> None:
    """Wait for something that no event tells."""
    deadline = reactor.seconds() + seconds
    while not await maybeDeferred(condition):
        if reactor.seconds() > deadline:
            raise AssertionError("it did not come about in time")
        await deferLater(reactor, 0.02, lambda: None)


class KonnectivityContract(TestCase):
    """
    To be subclassed with L{start}. C{mode} says which of the two protocols is spoken.
    """

    mode: ProxyMode = "grpc"
    timeout = 120

    async def start(self, ca: Authority, server: Pair) -> int:
        """Start a proxy-server with an agent. @return: the port that the gateway is to use."""
        raise NotImplementedError

    async def setUp(self) -> None:  # type: ignore[override]
        self.ca = Authority("konnectivity")
        self.directory = self.mktemp()
        os.mkdir(self.directory)
        served = self.ca.server("localhost", "127.0.0.1")
        alive: set[Protocol] = set()
        self.addCleanup(lambda: until(lambda: not alive))
        factory = Factory.forProtocol(lambda: Upstream(alive))
        listening = listen(reactor, 0, "127.0.0.1", factory, lambda: _server_tls(served))
        self.addCleanup(listening.stopListening)
        self.upstream: int = listening.getHost().port  # type: ignore[attr-defined]
        self.port = await self.start(self.ca, served)
        shown = self.ca.client("cluster-gateway")
        config = RouteConfig(
            proxy_servers=(("localhost", self.port),),
            proxy_mode=self.mode,
            proxy_ca=self.write("ca.crt", self.ca.certificate),
            proxy_cert=self.write("tls.crt", shown.certificate),
            proxy_key=self.write("tls.key", shown.key),
        )
        self.routes = Routes(reactor, config)
        self.addCleanup(self.close)
        await self.reachable()

    def write(self, name: str, content: bytes) -> str:
        path = os.path.join(os.path.abspath(self.directory), name)
        with open(path, "wb") as stream:
            stream.write(content)
        return path

    async def close(self) -> None:
        self.routes.close()
        if self.routes.konnectivity is not None:
            konnectivity = self.routes.konnectivity
            await until(lambda: not konnectivity.connections, 15)

    @property
    def konnectivity(self) -> Konnectivity:
        assert self.routes.konnectivity is not None
        return self.routes.konnectivity

    def route(self, port: int | None = None) -> IStreamClientEndpoint:
        """Plain bytes to the upstream."""
        return self.routes.route(Endpoint("127.0.0.1", port or self.upstream, via_cluster_proxy=True))

    async def client(self) -> Client:
        """TLS to the upstream."""
        secured = wrap_tls(self.route(), "localhost", ClientTls(ca=self.ca.certificate))
        client: IProtocol = await secured.connect(Factory.forProtocol(Client))
        assert isinstance(client, Client)
        return client

    async def reachable(self) -> None:
        """Wait until the agent is there."""
        deadline = reactor.seconds() + 20
        while not await self.answers():
            self.assertLess(reactor.seconds(), deadline)
            await deferLater(reactor, 0.05, lambda: None)

    async def answers(self) -> bool:
        """Does a request get through?"""
        try:
            await self.request()
        except (GatewayError, ConnectionClosed):
            return False
        return True

    async def request(self) -> None:
        """One request on a connection of its own."""
        client = await self.client()
        answer = client.ask(b"echo hello", 5)
        try:
            self.assertEqual(b"hello", await answer)
        finally:
            client.out.loseConnection()
            await client.lost

    async def nothing_left(self) -> None:
        tunnels = self.routes.tunnels
        assert tunnels is not None
        await until(lambda: (tunnels.tunnels, tunnels.unconnected) == (0, 0), 15)

    # What is promised.

    async def test_sequential_and_concurrent(self) -> None:
        before = descriptors()
        for _ in range(30):
            await self.request()
        await gatherResults([Deferred.fromCoroutine(self.request()) for _ in range(30)])
        await self.nothing_left()
        await until(lambda: descriptors() <= before + 1)

    async def test_large_bodies(self) -> None:
        client = await self.client()
        await client.ask(b"get %d" % (20 * MIB), 20 * MIB)
        self.assertEqual(b"done", await client.put(20 * MIB))
        client.out.loseConnection()
        await client.lost
        await self.nothing_left()

    async def test_a_slow_reader(self) -> None:
        client = await self.client()
        answer = client.ask(b"get %d" % (20 * MIB), 20 * MIB)
        client.out.pauseProducing()
        await deferLater(reactor, 0.3, lambda: None)
        got = client.got
        self.assertLess(got, 8 * MIB)
        client.out.resumeProducing()
        await answer
        assert self.routes.tunnels is not None
        self.assertEqual((self.routes.tunnels.tunnels, self.routes.tunnels.unconnected), (1, 0))
        client.out.loseConnection()
        await self.nothing_left()

    async def test_the_far_end_hangs_up(self) -> None:
        client = await self.client()
        client.out.write(b"bye\n")
        await client.lost
        await self.nothing_left()

    async def test_a_client_that_vanishes(self) -> None:
        client = await self.client()
        client.ask(b"get %d" % (1 << 30), 1 << 30).addErrback(lambda _: None)
        await until(lambda: client.got > MIB)
        client.out.abortConnection()
        await client.lost
        await self.nothing_left()

    async def test_nobody_listens(self) -> None:
        closed = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
        port = closed.getHost().port
        await closed.stopListening()
        error = await self.failed(self.route(port))
        self.assertIsInstance(error, UpstreamRefused)
        self.assertIn(f"127.0.0.1:{port}", str(error))
        await self.nothing_left()

    async def failed(self, route: IStreamClientEndpoint) -> GatewayError:
        try:
            await route.connect(Factory.forProtocol(Client))
        except GatewayError as error:
            return error
        raise AssertionError("it was connected")


def _server_tls(pair: Pair) -> ServerTls:
    return ServerTls(pair.certificate, pair.key)
