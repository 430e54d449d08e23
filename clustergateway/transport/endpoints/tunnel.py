"""One connection through konnectivity as a Twisted transport: L{TunnelLife} with an HTTP/2 stream and a clock."""

from __future__ import annotations

from typing import Any
from typing import Protocol as Seam

from twisted.internet.address import HostnameAddress
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import (
    IAddress,
    IConsumer,
    IDelayedCall,
    IProducer,
    IProtocol,
    IPushProducer,
    IReactorTime,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from ...errors import GatewayError
from ...model.grpcframes import Messages, prefix
from ...model.konnectivity import DataCodec, decode, encode
from ...model.tunnel import (
    Action,
    Deliver,
    Finish,
    Linger,
    Lost,
    Opened,
    Refused,
    Retire,
    Send,
    TunnelLife,
)
from .h2session import H2Session
from .h2stream import H2Stream

LINGER = 10.0
"""How long the last packet of a tunnel is waited for, seconds."""
_CHUNK = (1 << 15) - 64
"""Data in one packet, so that the packet fills two HTTP/2 frames of the usual size and needs no third."""

PATH = "/ProxyService/Proxy"
_HEADERS = (
    (":path", PATH),
    ("te", "trailers"),
    ("content-type", "application/grpc"),
    ("user-agent", "cluster-gateway"),
)


class Dialler(Seam):
    """Who wanted the tunnel. One of the first two is called, once; then, once, the third."""

    def opened(self, tunnel: Tunnel) -> None:
        """The far end is connected. Must give the tunnel its protocol before it returns."""
        ...

    def refused(self, error: GatewayError, elsewhere: bool) -> None: ...

    def finished(self, tunnel: Tunnel) -> None:
        """The HTTP/2 stream is over; nothing is left of the tunnel."""
        ...


@implementer(ITransport, IConsumer, IPushProducer)
class Tunnel:
    """
    The transport.

    @param random: 63 random bits to name the attempt.
    @ivar protocol: who gets the bytes; whoever takes the connection over sets it, as with Twisted's own transports.
    """

    disconnecting = False

    def __init__(
        self, clock: IReactorTime, session: H2Session, host: str, port: int, random: int, dialler: Dialler
    ) -> None:
        self.protocol: IProtocol | None = None
        self.connected = False
        self._clock = clock
        self._session = session
        self._peer = HostnameAddress(host.encode(), port)
        self._dialler = dialler
        self._messages = Messages()
        self._codec = DataCodec(0)
        self._linger: IDelayedCall | None = None
        self._producer: Any = None
        self._streaming = False
        self._producer_paused = False
        self._aborted = False
        bracketed = f"[{host}]" if ":" in host else host
        self._life = TunnelLife(f"{bracketed}:{port}", random)
        self._stream: H2Stream | None = session.open(_HEADERS, self)
        self._act(self._life.dial())

    # Actions of the machine.

    def _act(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Deliver(data):
                    self._deliver(data)
                case Send(packet):
                    message = encode(packet)
                    self._write(prefix(len(message)) + message)
                case Opened(connect_id):
                    self.connected = True
                    self._codec = DataCodec(connect_id)
                    self._dialler.opened(self)
                case Refused(error, elsewhere):
                    self._dialler.refused(error, elsewhere)
                case Lost(reason):
                    self._lose(reason)
                case Linger():
                    self._linger_on()
                case Retire():
                    self._session.retire()
                case Finish():
                    self._finish()

    def _deliver(self, data: bytes) -> None:
        if self.protocol is not None and not self.disconnecting:
            self.protocol.dataReceived(data)

    def _lose(self, reason: str) -> None:
        self.connected = False
        self.disconnecting = True
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.stopProducing()
        protocol, self.protocol = self.protocol, None
        if protocol is not None:
            why = ConnectionLost(reason) if reason else ConnectionDone()
            protocol.connectionLost(Failure(ConnectionAborted() if self._aborted else why))

    def _linger_on(self) -> None:
        if self._linger is None and self._stream is not None:
            self._linger = self._clock.callLater(LINGER, self._waited)
            # Nobody reads it any more; and a last packet must not wait behind what nobody takes.
            self._stream.resume()

    def _waited(self) -> None:
        self._linger = None
        self._hang_up()
        self._act(self._life.waited())

    def _finish(self) -> None:
        stream, self._stream = self._stream, None
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if stream is not None:
            stream.reset()
            self._dialler.finished(self)

    # The HTTP/2 stream.

    def bytes_received(self, data: bytes) -> None:
        """Take packets; all data among them goes to the protocol in one piece."""
        try:
            messages = self._messages.feed(data)
            if len(messages) == 1:
                self._packet(messages[0])
                return
            parts: list[bytes] = []
            for message in messages:
                part = self._codec.data(message) if self.connected else None
                if part is not None:
                    parts.append(part)
                    continue
                self._flush(parts)
                self._act(self._life.received(decode(message)))
            self._flush(parts)
        except GatewayError as error:
            self._act([*self._life.stream_ended(error), Finish()])

    def _packet(self, message: bytes) -> None:
        part = self._codec.data(message) if self.connected else None
        if part is not None:
            self._deliver(part)
        else:
            self._act(self._life.received(decode(message)))

    def _flush(self, parts: list[bytes]) -> None:
        if parts:
            self._deliver(b"".join(parts))
            parts.clear()

    def stream_ended(self, error: GatewayError) -> None:
        """The server ended the stream, or the connection was lost."""
        self._act([*self._life.stream_ended(error), Finish()])

    def drained(self) -> None:
        """Everything written is under way."""
        if self.disconnecting and self.connected:
            self._act(self._life.close())
        elif self._producer is not None and self._producer_paused:
            self._producer_paused = False
            if self._streaming:
                self._producer.resumeProducing()
            else:
                self._clock.callLater(0, self._pull)

    # ITransport.

    def write(self, data: bytes) -> None:
        """Send bytes to the far end; a producer is paused as soon as some of them have to wait."""
        if not self.connected or self.disconnecting:
            return
        size = len(data)
        if size <= _CHUNK:
            if size:
                self._send_chunk(data)
            return
        for at in range(0, size, _CHUNK):
            self._send_chunk(data[at : at + _CHUNK])

    def _send_chunk(self, data: bytes) -> None:
        head = self._codec.prefix(len(data))
        self._write(prefix(len(head) + len(data)) + head + data)

    def _write(self, data: bytes) -> None:
        if self._stream is not None and not self._stream.write(data):
            self._pause_producer()

    def _pause_producer(self) -> None:
        if self._producer is not None and not self._producer_paused:
            self._producer_paused = True
            if self._streaming:
                self._producer.pauseProducing()

    def writeSequence(self, data: list[bytes]) -> None:  # type: ignore[override]
        """Send several."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """
        Send what is still waiting, then hang up.

        The protocol is told before anything else happens; only the stream lives on until the far end has confirmed.
        """
        if not self.connected or self.disconnecting:
            return
        self.disconnecting = True
        if self._stream is not None and self._stream.held:
            self._linger_on()
        else:
            self._clock.callLater(0, self._hang_up)

    def _hang_up(self) -> None:
        actions = self._life.close()
        if self._stream is not None and self._stream.held:
            # A packet may have gone half: the stream's end is all that can still be said.
            actions.append(Finish())
        self._act(actions)

    def abortConnection(self) -> None:
        """Hang up; what waits to be sent is dropped. The protocol is told soon, but not before this returns."""
        if self.connected and not self._aborted:
            self._aborted = self.disconnecting = True
            self._clock.callLater(0, self._hang_up)

    def giveUp(self) -> None:
        """Nobody wants this connection any more, whether it comes about or not."""
        self.disconnecting = True
        self._hang_up()

    def getPeer(self) -> IAddress:
        """The far end as it was dialled."""
        return self._peer

    def getHost(self) -> IAddress:
        """This end of the connection to the proxy-server."""
        assert self._session.transport is not None
        host: IAddress = self._session.transport.getHost()
        return host

    # IConsumer.

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """As Twisted's transports do."""
        if self._producer is not None:
            raise RuntimeError("there is a producer already")
        if not self.connected:
            producer.stopProducing()
            return
        self._producer, self._streaming, self._producer_paused = producer, streaming, False
        if not streaming:
            self._pull()
        elif self._stream is not None and self._stream.held:
            self._pause_producer()

    def _pull(self) -> None:
        if self._producer is None or self._streaming or self._producer_paused:
            return
        self._producer.resumeProducing()
        self._clock.callLater(0, self._pull)

    def unregisterProducer(self) -> None:
        """As Twisted's transports do."""
        self._producer = None

    # IPushProducer.

    def pauseProducing(self) -> None:
        """Deliver nothing; the proxy-server stops when the stream's window is full."""
        if self._stream is not None and self._linger is None:
            self._stream.pause()

    def resumeProducing(self) -> None:
        """Deliver again."""
        if self._stream is not None and not self.disconnecting:
            self._stream.resume()

    def stopProducing(self) -> None:
        """The consumer of what this delivers is gone."""
        self.loseConnection()
