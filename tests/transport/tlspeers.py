"""Protocols and servers for tests that need TLS on real sockets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol, IListeningPort
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from clustergateway.testing.certificates import Authority, Pair
from clustergateway.transport.contexts import ClientTls, ServerTls
from clustergateway.transport.endpoints.direct import client_endpoint
from clustergateway.transport.tls import Mode, listen

reactor: Any = _reactor

AUTHORITY = Authority("test")
SERVER = AUTHORITY.server("localhost", "127.0.0.1")
JANE = AUTHORITY.client("jane", ["developers"])


def serving(pair: Pair = SERVER, client_ca: bytes = b"") -> Callable[[], ServerTls]:
    return lambda: ServerTls(pair.certificate, pair.key, client_ca)


def calling(**more: Any) -> ClientTls:
    return ClientTls(**{"ca": AUTHORITY.certificate, **more})


class Peer(Protocol):
    """
    Keeps what it is sent; can be waited for.

    @ivar end: why the connection ended, C{None} while it has not.
    """

    transport: Any

    def __init__(self) -> None:
        self.received = b""
        self.half_closed = False
        self.end: BaseException | None = None
        self._waiting: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def until(self, condition: Callable[[], bool]) -> Deferred[None]:
        waiting: Deferred[None] = Deferred()
        self._waiting.append((condition, waiting))
        self._look()
        return waiting

    def got(self, size: int) -> Deferred[None]:
        """Fires when that many bytes were received."""
        return self.until(lambda: len(self.received) >= size)

    async def lost(self) -> BaseException | None:
        """
        @return: C{end}, when it has come.
        """
        await self.until(lambda: self.end is not None)
        return self.end

    def _look(self) -> None:
        for waiting in self._waiting[:]:
            if waiting[0]():
                self._waiting.remove(waiting)
                waiting[1].callback(None)

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self._look()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.end = reason.value
        self._look()


@implementer(IHalfCloseableProtocol)
class HalfPeer(Peer):
    """One that goes on writing when the other side has ended."""

    def readConnectionLost(self) -> None:
        self.half_closed = True
        self._look()

    def writeConnectionLost(self) -> None:
        pass


class Loopback(TestCase):
    """
    @ivar mode: which TLS is tested.
    @ivar accepted: the server's protocols.
    """

    mode: Mode = "merged"
    peer: type[Peer] = Peer
    timeout = 20

    def setUp(self) -> None:
        self.accepted: list[Peer] = []
        self._ports: list[IListeningPort] = []
        self._peers: list[Peer] = []

    async def tearDown(self) -> None:  # type: ignore[override]
        for peer in self._peers + self.accepted:
            if peer.end is None and peer.transport is not None:
                peer.transport.abortConnection()
                await peer.lost()
        for port in self._ports:
            stopped = port.stopListening()
            if stopped is not None:
                await stopped

    def accept(self) -> Peer:
        self.accepted.append(self.peer())
        return self.accepted[-1]

    def listen(self, tls: Callable[[], ServerTls]) -> int:
        port = listen(reactor, 0, "127.0.0.1", Factory.forProtocol(self.accept), tls, self.mode)
        return self.keep(port)

    def keep(self, port: IListeningPort) -> int:
        """
        @return: its number.
        """
        self._ports.append(port)
        return int(port.getHost().port)  # type: ignore[attr-defined]

    def connect(self, port: int, tls: ClientTls, host: str = "localhost") -> Awaitable[Peer]:
        endpoint = client_endpoint(reactor, host, port, tls, self.mode)
        return self.through(endpoint)

    async def through(self, endpoint: Any) -> Peer:
        peer = await endpoint.connect(Factory.forProtocol(self.peer))
        self._peers.append(peer)
        return peer  # type: ignore[no-any-return]

    async def pair(
        self, server: Callable[[], ServerTls] | None = None, tls: ClientTls | None = None
    ) -> tuple[Peer, Peer]:
        """Both ends of a new connection."""
        client = await self.connect(self.listen(server or serving()), tls or calling())
        client.transport.write(b"hello")
        while not self.accepted:
            await self.turn()
        await self.accepted[-1].got(5)
        self.accepted[-1].received = b""
        return client, self.accepted[-1]

    def turn(self) -> Deferred[None]:
        """The reactor goes round once."""
        later: Deferred[None] = Deferred()
        reactor.callLater(0, later.callback, None)
        return later
