"""Connections in memory: bytes move when a test says so, and a reader that pauses really stops its writer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IProducer,
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

HIGH_WATER = 1 << 16
"""Bytes under way in one direction at which the writer's producer is paused."""


@implementer(ITransport, IConsumer, IPushProducer)
class End:
    """
    One end of a L{Wire}, as its protocol's transport.

    @ivar sent: all that was ever written.
    """

    disconnecting = False

    def __init__(self, address: IAddress) -> None:
        self.protocol: IProtocol | None = None
        self.other: End
        self.under_way: list[bytes] = []
        self.sent = b""
        self.connected = True
        self._address = address
        self._producer: Any = None
        self._producer_paused = False
        self._paused = False

    def write(self, data: bytes) -> None:
        """Put bytes on their way."""
        if self.connected and not self.disconnecting and data:
            self.sent += data
            self.under_way.append(data)
            if self._producer is not None and not self._producer_paused and self._load() > HIGH_WATER:
                self._producer_paused = True
                self._producer.pauseProducing()

    def _load(self) -> int:
        return sum(map(len, self.under_way))

    def writeSequence(self, data: Any) -> None:
        """Put several on their way."""
        self.write(b"".join(data))

    def move(self) -> bool:
        """
        Deliver what is under way from here, unless the other end is paused.

        @return: whether anything happened.
        """
        moved = bool(self.under_way) and not self.other._paused and self.other.connected
        if moved:
            data = b"".join(self.under_way)
            self.under_way.clear()
            if self._producer_paused and self._producer is not None:
                self._producer_paused = False
                self._producer.resumeProducing()
            assert self.other.protocol is not None
            self.other.protocol.dataReceived(data)
        if self.disconnecting and not self.under_way and self.connected:
            self.lose(ConnectionDone())
            return True
        return moved

    def lose(self, reason: Exception) -> None:
        """The connection is over, for both."""
        for end, why in ((self, reason), (self.other, ConnectionDone() if self.disconnecting else ConnectionLost())):
            if end.connected:
                end.connected = False
                end.under_way.clear()
                producer, end._producer = end._producer, None
                if producer is not None:
                    producer.stopProducing()
                assert end.protocol is not None
                end.protocol.connectionLost(Failure(why))

    def loseConnection(self) -> None:
        """Close when everything has been delivered."""
        self.disconnecting = True

    def abortConnection(self) -> None:
        """Close; what is under way is lost."""
        if self.connected:
            self.under_way.clear()
            self.disconnecting = True
            self.lose(ConnectionAborted())

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Push producers only."""
        assert streaming
        self._producer, self._producer_paused = producer, False

    def unregisterProducer(self) -> None:
        """Forget it."""
        self._producer = None

    def pauseProducing(self) -> None:
        """Deliver nothing here."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Deliver again."""
        self._paused = False

    def stopProducing(self) -> None:
        """As TCP transports do."""
        self.loseConnection()

    def getPeer(self) -> IAddress:
        """Where the other end is."""
        return self._address

    def getHost(self) -> IAddress:
        """Where this end is."""
        return self._address


class Wire:
    """Two protocols, connected."""

    def __init__(self, client: IProtocol, server: IProtocol, address: IAddress) -> None:
        self.client, self.server = End(address), End(address)
        self.client.other, self.server.other = self.server, self.client
        self.client.protocol, self.server.protocol = client, server
        server.makeConnection(self.server)
        client.makeConnection(self.client)

    def move(self) -> bool:
        """Move once what is under way, both ways. @return: whether anything happened."""
        moved = self.client.move()
        return self.server.move() or moved

    def cut(self) -> None:
        """The network fails."""
        self.client.lose(ConnectionLost())


@implementer(IStreamClientEndpoint)
class MemoryEndpoint:
    """
    Where protocols made by C{build} listen.

    @ivar wires: every connection made so far.
    @ivar refusing: connections are refused.
    @ivar silent: connections are neither made nor refused.
    """

    def __init__(self, build: Callable[[], IProtocol], host: str = "192.0.2.1", port: int = 443) -> None:
        self.wires: list[Wire] = []
        self.refusing = False
        self.silent = False
        self.attempts = 0
        self._build = build
        self._address = IPv4Address("TCP", host, port)

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """Connect at once."""
        self.attempts += 1
        if self.silent:
            return Deferred()
        if self.refusing:
            return fail(ConnectionRefusedError())
        client = factory.buildProtocol(self._address)
        assert client is not None
        self.wires.append(Wire(client, self._build(), self._address))
        return succeed(client)

    def flush(self) -> None:
        """Move bytes until all is quiet."""
        while any(wire.move() for wire in self.wires):
            pass
