"""The server's end of a SPDY/3.1 connection. As in kubectl's library there is no flow control but the transport's."""

from __future__ import annotations

from typing import Any
from typing import Protocol as Interface

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from ...model.spdy import (
    Data,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    Headers,
    MoreHeaders,
    Ping,
    ResetStatus,
    RstStream,
    SpdyError,
    SynReply,
    SynStream,
    value_of,
)
from .pipe import Gate
from .takeover import hang_up

MAX_STREAMS = 1000


class SpdyStream:
    """
    One stream that the client opened.

    @ivar received_end: the client's last byte has been seen.
    @ivar sent_end: ours has been sent.
    """

    def __init__(self, connection: SpdyConnection, stream_id: int, headers: Headers) -> None:
        self.stream_id = stream_id
        self.headers = headers
        self.received_end = False
        self.sent_end = False
        self._connection = connection

    def header(self, name: str) -> str:
        return value_of(self.headers, name)

    def write(self, data: bytes) -> None:
        """Ignored after L{end}."""
        if not self.sent_end:
            self._connection.send(Data(self.stream_id, data))

    def end(self) -> None:
        """Nothing more will be written."""
        if not self.sent_end:
            self.sent_end = True
            self._connection.send(Data(self.stream_id, b"", True))
            self._connection.settle(self)

    def abort(self, status: ResetStatus = ResetStatus.CANCEL) -> None:
        """End both directions at once."""
        self.sent_end = self.received_end = True
        self._connection.send(RstStream(self.stream_id, status))
        self._connection.settle(self)


class SpdyApplication(Interface):
    """Who uses the connection."""

    def connected(self, connection: SpdyConnection) -> None: ...

    def stream_opened(self, stream: SpdyStream) -> bool:
        """Whether the stream is wanted."""
        ...

    def stream_data(self, stream: SpdyStream, data: bytes) -> None: ...

    def stream_ended(self, stream: SpdyStream) -> None:
        """The client will send no more in it."""
        ...

    def lost(self) -> None:
        """Called once."""
        ...


class SpdyConnection(Protocol):
    """
    Frames on the transport, stream events to the application.

    The transport may be a TLS connection, or anything else that offers C{write}, C{loseConnection},
    C{abortConnection}, and pausing and producers in both directions.

    @ivar gate: whether the peer takes more.
    """

    transport: Any

    def __init__(self, clock: IReactorTime, application: SpdyApplication) -> None:
        self.gate = Gate()
        self._clock = clock
        self._closing: IDelayedCall | None = None
        self._application = application
        self._encoder = Encoder()
        self._decoder = Decoder()
        self._streams: dict[int, SpdyStream] = {}
        self._last_id = 0
        self._over = False

    def connectionMade(self) -> None:
        self.transport.registerProducer(self.gate, True)
        self._application.connected(self)

    def send(self, frame: Frame) -> None:
        """Write a frame. Ignored once closed."""
        if not self._over:
            self.transport.write(self._encoder.encode(frame))

    def hold(self, held: bool) -> None:
        """Stop reading from the peer, or go on."""
        if held:
            self.transport.pauseProducing()
        else:
            self.transport.resumeProducing()

    def close(self) -> None:
        """Say goodbye and close."""
        if not self._over:
            self.send(GoAway(self._last_id))
            self._end()
            self._closing = hang_up(self._clock, self.transport)

    def settle(self, stream: SpdyStream) -> None:
        """Forget a stream that is over in both directions."""
        if stream.sent_end and stream.received_end:
            self._streams.pop(stream.stream_id, None)

    def dataReceived(self, data: bytes) -> None:
        if self._over:
            return
        try:
            frames = self._decoder.feed(data)
        except SpdyError:
            self.close()
            return
        for frame in frames:
            self._frame(frame)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        self.gate.stopProducing()
        self._end()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._streams.clear()
            self._application.lost()

    def _frame(self, frame: Frame) -> None:
        if isinstance(frame, Data):
            self._data(frame)
        elif isinstance(frame, SynStream):
            self._open(frame)
        elif isinstance(frame, Ping):
            # To a peer that sends and does not read, answers would pile up.
            if frame.ping_id % 2 and self.gate.is_open:
                self.send(frame)
        elif isinstance(frame, MoreHeaders) and frame.fin:
            self._data(Data(frame.stream_id, b"", True))
        elif isinstance(frame, RstStream) and (stream := self._streams.pop(frame.stream_id, None)) is not None:
            stream.sent_end = True
            self._ended(stream)

    def _open(self, frame: SynStream) -> None:
        stream = SpdyStream(self, frame.stream_id, frame.headers)
        if frame.stream_id % 2 == 0 or frame.stream_id <= self._last_id:
            self.send(RstStream(frame.stream_id, ResetStatus.PROTOCOL_ERROR))
            return
        self._last_id = frame.stream_id
        stream.sent_end = frame.unidirectional
        if len(self._streams) >= MAX_STREAMS:
            self.send(RstStream(frame.stream_id, ResetStatus.REFUSED_STREAM))
            return
        self._streams[frame.stream_id] = stream
        self.send(SynReply(frame.stream_id))
        if not self._application.stream_opened(stream):
            stream.abort(ResetStatus.REFUSED_STREAM)
        elif frame.fin:
            self._ended(stream)

    def _data(self, frame: Data) -> None:
        stream = self._streams.get(frame.stream_id)
        if stream is None or stream.received_end:
            return
        if frame.data:
            self._application.stream_data(stream, frame.data)
        if frame.fin:
            self._ended(stream)

    def _ended(self, stream: SpdyStream) -> None:
        if not stream.received_end:
            stream.received_end = True
            self._application.stream_ended(stream)
            self.settle(stream)
