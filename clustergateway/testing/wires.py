"""
Connections without sockets: what one side writes, the other reads when the test says so. With backpressure, half-close
and abrupt ends, so that everything between two protocols can be played through deterministically.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IProducer,
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(ITransport, IConsumer, IPushProducer)
class Wire:
    """
    One end of a connection, as the transport of its protocol.

    @ivar other: the other end.
    @ivar sent: everything this end wrote, whether it has arrived or not.
    @ivar ended: why this end was closed, C{None} while it is open.
    """

    other: Wire

    def __init__(self, network: Network, protocol: IProtocol, host: str) -> None:
        self.protocol = protocol
        self.sent = b""
        self.ended: Failure | None = None
        self.disconnecting = False
        self.paused = False
        self._network = network
        self._address = IPv4Address("TCP", host, 443)
        self._queue: list[bytes] = []
        self._producer: IPushProducer | None = None
        self._producer_paused = False
        self._write_closed = False
        self._write_close_arrived = False
        self._aborted = False

    # ITransport

    def write(self, data: bytes) -> None:
        if self.ended is not None or self._write_closed or self.disconnecting or not data:
            return
        self.sent += data
        self._queue.append(data)
        if self._producer is not None and not self._producer_paused and self.waiting > self._network.high_water:
            self._producer_paused = True
            self._producer.pauseProducing()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self.disconnecting = True

    def loseWriteConnection(self) -> None:
        self._write_closed = True

    def abortConnection(self) -> None:
        self._aborted = True
        self._queue.clear()

    def getPeer(self) -> IPv4Address:
        return self.other._address

    def getHost(self) -> IPv4Address:
        return self._address

    # IConsumer and IPushProducer

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        if self._producer is not None:
            raise RuntimeError("a producer is registered already")
        self._producer = cast("IPushProducer", producer)

    def unregisterProducer(self) -> None:
        self._producer = None

    def pauseProducing(self) -> None:
        self.paused = True

    def resumeProducing(self) -> None:
        self.paused = False

    def stopProducing(self) -> None:
        self.loseConnection()

    # For tests.

    def cut(self) -> None:
        """The network fails: both ends lose the connection at once, and what is under way with it."""
        self._end(ConnectionLost(), ConnectionLost())

    # For the network.

    @property
    def waiting(self) -> int:
        """Bytes written that have not arrived."""
        return sum(map(len, self._queue))

    def step(self) -> bool:
        """
        Let one thing happen.

        @return: whether anything did.
        """
        if self.ended is not None:
            return False
        if self._aborted:
            self._end(ConnectionAborted(), ConnectionLost())
            return True
        if self._queue:
            return self._deliver()
        if self._producer_paused:
            self._producer_paused = False
            if self._producer is not None:
                self._producer.resumeProducing()
            return True
        if self.disconnecting and self._producer is None:
            self._end(ConnectionDone(), ConnectionDone())
            return True
        if self._write_closed and not self._write_close_arrived:
            self._write_close_arrived = True
            self._half_close()
            return True
        return False

    def _deliver(self) -> bool:
        if self.other.paused or self.other.disconnecting or self.other._aborted:
            if not self.other.paused:
                self._queue.clear()
                return True
            return False
        data = b"".join(self._queue)
        self._queue.clear()
        self.other.protocol.dataReceived(data)
        return True

    def _half_close(self) -> None:
        half = IHalfCloseableProtocol(self.other.protocol, None)
        if half is None:
            self._end(ConnectionDone(), ConnectionDone())
        else:
            half.readConnectionLost()

    def _end(self, here: Exception, there: Exception) -> None:
        for end, why in ((self, here), (self.other, there)):
            if end.ended is None:
                end.ended = Failure(why)
                end._queue.clear()
                producer, end._producer = end._producer, None
                if producer is not None:
                    producer.stopProducing()
                end.protocol.connectionLost(end.ended)


class Network:
    """
    Every connection of a test; bytes move, and ends take effect, when L{pump} is called. An end whose producer is
    registered is closed when it no longer is, as with Twisted's TLS.

    @ivar wires: both ends of every connection that was made, open or not.
    @ivar high_water: bytes that may wait in one direction before its producer is paused.
    """

    def __init__(self, high_water: int = 65536) -> None:
        self.high_water = high_water
        self.wires: list[Wire] = []

    def connect(self, client: IProtocol, server: IProtocol, host: str = "192.0.2.1") -> Wire:
        """
        @param host: the client's address.
        @return: the client's end.
        """
        near, far = Wire(self, client, host), Wire(self, server, "192.0.2.80")
        near.other, far.other = far, near
        self.wires += [near, far]
        server.makeConnection(far)
        client.makeConnection(near)
        return near

    def pump(self) -> None:
        """Let everything happen that can."""
        happened = True
        while happened:
            happened = False
            for wire in self.wires:
                happened = wire.step() or happened


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """
    Leads to what C{accept} makes.

    @ivar accept: makes the protocol of the server's end of the next connection.
    @ivar refusal: when set, connections fail with it.
    @ivar silent: when set, connections neither succeed nor fail.
    @ivar attempts: how many connections were asked for, refused ones included.
    @ivar wires: the client's end of every connection that was made.
    """

    def __init__(self, network: Network, accept: Callable[[], IProtocol]) -> None:
        self._network = network
        self.accept = accept
        self.refusal: Exception | None = None
        self.silent = False
        self.attempts = 0
        self.wires: list[Wire] = []

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        self.attempts += 1
        if self.silent:
            return Deferred()
        if self.refusal is not None:
            return fail(self.refusal)
        client = protocolFactory.buildProtocol(IPv4Address("TCP", "192.0.2.80", 443))
        assert client is not None
        self.wires.append(self._network.connect(client, self.accept()))
        return succeed(client)
