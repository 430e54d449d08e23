"""Connections into a pod: what listens there is given a transport whose other end is a stream of some wire."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol as Interface

from twisted.internet.address import IPv4Address
from twisted.internet.interfaces import (
    IConsumer,
    IProducer,
    IProtocol,
    IProtocolFactory,
    IPushProducer,
    IReactorTime,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from zope.interface import implementer

from .pipe import Gate


class Outlet(Interface):
    """One direction of a stream, towards the client."""

    def write(self, data: bytes) -> None: ...

    def end(self) -> None: ...

    def abort(self) -> None:
        """End it as broken."""
        ...


class Wire(Interface):
    """What the streams of all connections share."""

    gate: Gate

    def hold(self, held: bool) -> None:
        """Stop reading from the client, or go on."""
        ...


class Forwards:
    """
    The connections that one client has into one pod.

    @param pod: as error messages name it.
    @param listeners: what listens in the pod, by port.
    """

    def __init__(self, clock: IReactorTime, pod: str, listeners: Mapping[int, IProtocolFactory]) -> None:
        self._clock = clock
        self._pod = pod
        self._listeners = listeners
        self._open: set[Connection] = set()
        self._holding: set[Connection] = set()
        self._wire: Wire | None = None

    def wired(self, wire: Wire) -> None:
        """The client is connected by this wire. Call once, first."""
        self._wire = wire

    def connect(self, port: int, data: Outlet, error: Outlet) -> Connection | None:
        """
        Connect to a port.

        @return: C{None} when nothing listens there; then the client has been told.
        """
        assert self._wire is not None
        factory = self._listeners.get(port)
        protocol = factory.buildProtocol(IPv4Address("TCP", "127.0.0.1", 1)) if factory is not None else None
        if protocol is None:
            why = f"dial tcp4 127.0.0.1:{port}: connect: connection refused"
            error.write(f"error forwarding port {port} to pod {self._pod}: {why}".encode())
            error.end()
            data.abort()
            return None
        connection = Connection(self, self._clock, self._wire.gate, protocol, port, data, error)
        self._open.add(connection)
        protocol.makeConnection(connection)
        return connection

    def lost(self) -> None:
        """The client is gone."""
        for connection in list(self._open):
            connection.lost()

    def hold(self, connection: Connection, held: bool) -> None:
        """A connection does not want to be given more now, or does again. All share one wire: it stops for all."""
        before = bool(self._holding)
        if held:
            self._holding.add(connection)
        else:
            self._holding.discard(connection)
        if self._wire is not None and before != bool(self._holding):
            self._wire.hold(not before)

    def forget(self, connection: Connection) -> None:
        self._open.discard(connection)
        self.hold(connection, False)


@implementer(ITransport, IConsumer, IPushProducer)
class Connection:
    """The transport of a protocol inside a pod."""

    def __init__(
        self,
        forwards: Forwards,
        clock: IReactorTime,
        gate: Gate,
        protocol: IProtocol,
        port: int,
        data: Outlet,
        error: Outlet,
    ) -> None:
        self.disconnecting = False
        self._forwards = forwards
        self._clock = clock
        self._gate = gate
        self._protocol = protocol
        self._port = port
        self._data = data
        self._error = error
        self._producer: IPushProducer | None = None

    # From the client.

    def received(self, data: bytes) -> None:
        if not self.disconnecting:
            self._protocol.dataReceived(data)

    def received_end(self) -> None:
        """The client half-closed. Nothing that listens in a pod here has more to say then."""
        self.loseConnection()

    def lost(self) -> None:
        """The client is gone."""
        if not self.disconnecting:
            self.disconnecting = True
            self._forwards.forget(self)
            self._lose()

    # From the protocol.

    def write(self, data: bytes) -> None:
        if not self.disconnecting and data:
            self._data.write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        if not self.disconnecting:
            self.disconnecting = True
            self._data.end()
            self._error.end()
            self._forwards.forget(self)
            self._clock.callLater(0, self._lose)  # protocols do not expect to lose a connection while they close it

    def abortConnection(self) -> None:
        self.loseConnection()

    def getPeer(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", 1)

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", self._port)

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """
        @raise ValueError: it does not push: twisted.web makes pushing producers of those that do not.
        """
        if not streaming or not IPushProducer.providedBy(producer):
            raise ValueError("only for push producers")
        self._producer = producer
        self._gate.followers.add(producer)
        if not self._gate.is_open:
            producer.pauseProducing()

    def unregisterProducer(self) -> None:
        if self._producer is not None:
            self._gate.followers.discard(self._producer)
            self._producer = None

    def pauseProducing(self) -> None:
        if not self.disconnecting:
            self._forwards.hold(self, True)

    def resumeProducing(self) -> None:
        if not self.disconnecting:
            self._forwards.hold(self, False)

    def stopProducing(self) -> None:
        self.loseConnection()

    def _lose(self) -> None:
        self.unregisterProducer()
        self._protocol.connectionLost(connectionDone)
