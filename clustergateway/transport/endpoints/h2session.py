"""
One HTTP/2 client connection that carries many streams of bytes both ways.

h2 does settings, headers and resets. DATA, WINDOW_UPDATE, PING and GOAWAY never reach it: the first three because it
spends twenty times as long on each as is done here and they come by the ten thousand a second, the last because h2
closes a connection that is only asked to take no more. docs/decisions/konnectivity-codec.md has the measurements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol as Seam

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import Event, RemoteSettingsChanged, ResponseReceived, StreamEnded, StreamReset, TrailersReceived
from h2.exceptions import H2Error
from h2.settings import SettingCodes, Settings
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime, ITransport
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ...errors import GatewayError, UpstreamError, UpstreamMalformed, UpstreamRefused, UpstreamReset, UpstreamTlsFailed
from ...model.h2frames import (
    ACK,
    DATA,
    END_STREAM,
    GOAWAY,
    PING,
    WINDOW_UPDATE,
    Frame,
    Frames,
    data_header,
    encode,
    unpadded,
    window_update,
)
from ..failures import lost_error
from .h2stream import H2Stream

FRAME = 1 << 18
"""The largest frame taken, bytes."""
STREAM_WINDOW = 1 << 20
"""What may be under way, or wait for a paused reader, in each stream: bytes."""
CONNECTION_WINDOW = 1 << 26
"""Likewise in all streams together; given back on arrival, so that one slow stream cannot stop the others."""
PONG_DELAY = 0.01
"""
How long a PING waits for its answer, seconds. grpc-go has one under way at a time, to measure bandwidth, and sends the
next beside the data after that: to answer at once costs both sides a packet more for every request.
"""
_LARGEST_WINDOW = (1 << 31) - 1
_LAST_STREAM = 1 << 30


class StreamListener(Seam):
    """Who a stream belongs to. Bytes come joined, at most once for each time the connection was read."""

    def bytes_received(self, data: bytes) -> None: ...

    def stream_ended(self, error: GatewayError) -> None:
        """The stream is over, and not by L{H2Stream.reset}. What it carried before has been delivered."""
        ...

    def drained(self) -> None:
        """What waited to be sent has been handed to the connection; more is welcome."""
        ...


@implementer(IPushProducer)
class H2Session(Protocol):
    """
    The connection.

    @param authority: put into C{:authority}.
    @param closed: called when the connection is over.
    @param name: what to call the server in errors.
    @ivar ready: fires with this session when the server's settings are in, or fails if the connection ends first.
    @ivar retired: no new streams; the connection ends with its last stream.
    """

    def __init__(self, clock: IReactorTime, authority: str, name: str, closed: Callable[[H2Session], None]) -> None:
        self.ready: Deferred[H2Session] | None = Deferred()
        self.name = name
        self.retired = False
        self.lost = False
        self.paused = False
        self.window = 65535
        self.frame_size = 16384
        self.stream_window = STREAM_WINDOW
        self.blocked: dict[H2Stream, None] = {}
        self.streams: dict[int, H2Stream] = {}
        self.reads = 0
        self._clock = clock
        self._pongs: list[bytes] = []
        self._answering: IDelayedCall | None = None
        self._authority = authority
        self._closed = closed
        self._initial_window = 65535
        self._uncredited = 0
        self._most_streams: int | None = None
        self._frames = Frames(FRAME)
        self._corked: list[bytes] | None = None
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))

    # The connection.

    def connectionMade(self) -> None:
        """Open the conversation."""
        # The windows that h2 accounts for are never used; what it announces is what counts here.
        self._h2.local_settings = Settings(
            client=True,
            initial_values={
                SettingCodes.ENABLE_PUSH: 0,
                SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                SettingCodes.MAX_FRAME_SIZE: FRAME,
                SettingCodes.MAX_HEADER_LIST_SIZE: 1 << 16,
            },
        )
        self._h2.initiate_connection()
        transport = self._transport
        transport.registerProducer(self, True)  # type: ignore[attr-defined]
        transport.write(self._h2.data_to_send() + window_update(0, CONNECTION_WINDOW - 65535))

    @property
    def _transport(self) -> ITransport:
        assert self.transport is not None
        return self.transport

    def dataReceived(self, data: bytes) -> None:
        """Take frames in; answers leave in one write."""
        self.reads += 1
        self._corked = []
        try:
            self._take(self._frames.feed(data))
        except (H2Error, UpstreamMalformed) as error:
            self._fail(UpstreamMalformed(f"{self.name} does not speak HTTP/2 properly: {error}", hop="proxy"))
        finally:
            corked, self._corked = self._corked, None
            if corked and not self.lost:
                self._transport.write(b"".join(corked))
        self._part()

    def _take(self, frames: Sequence[Frame]) -> None:
        touched: dict[H2Stream, None] = {}
        for frame in frames:
            if frame.kind == DATA:
                self._uncredited += len(frame.payload)
                stream = self.streams.get(frame.stream)
                if stream is not None:
                    stream.arrived(unpadded(frame), len(frame.payload))
                    touched[stream] = None
                if frame.flags & END_STREAM:
                    self._feed(Frame(DATA, END_STREAM, frame.stream, b""), touched)
            elif frame.kind == WINDOW_UPDATE:
                self._credited(frame)
            elif frame.kind == GOAWAY:
                self._going_away(frame.payload)
            elif frame.kind == PING and not frame.flags & ACK:
                self._answer_later(encode(Frame(PING, ACK, 0, frame.payload)))
            else:
                self._feed(frame, touched)
        if self._uncredited >= CONNECTION_WINDOW // 2:
            self.write(window_update(0, self._uncredited))
            self._uncredited = 0
        for stream in touched:
            stream.deliver()

    def _answer_later(self, pong: bytes) -> None:
        self._pongs.append(pong)
        if self._answering is None:
            self._answering = self._clock.callLater(PONG_DELAY, self._answer)

    def _answer(self) -> None:
        self._answering = None
        self.write(b"".join(self._pongs))
        self._pongs.clear()

    def _feed(self, frame: Frame, touched: Iterable[H2Stream]) -> None:
        """Let h2 look at a frame. What came before it is delivered before it takes effect."""
        for event in self._h2.receive_data(encode(frame)):
            stream = self.streams.get(getattr(event, "stream_id", None) or 0)
            if stream is not None and stream in touched:
                stream.deliver()
            self._happened(event, stream)
        self._flush_h2()

    def _happened(self, event: Event, stream: H2Stream | None) -> None:
        if isinstance(event, RemoteSettingsChanged):
            self._settings(event)
        elif stream is None:
            return
        elif isinstance(event, ResponseReceived | TrailersReceived):
            stream.headers = dict(event.headers)  # type: ignore[arg-type]
        elif isinstance(event, StreamReset):
            code = event.error_code
            reason = code.name if isinstance(code, ErrorCodes) else str(code)
            self._ended(stream, UpstreamReset(f"{self.name} reset the stream: {reason}", hop="proxy"))
        elif isinstance(event, StreamEnded):
            self._cancel(stream)
            self._ended(stream, grpc_error(self.name, stream.headers))

    def _settings(self, event: RemoteSettingsChanged) -> None:
        remote = self._h2.remote_settings
        self.frame_size = min(remote.max_frame_size, FRAME)
        change = event.changed_settings.get(SettingCodes.MAX_CONCURRENT_STREAMS)
        if change is not None:
            self._most_streams = change.new_value
        delta = remote.initial_window_size - self._initial_window
        self._initial_window += delta
        for stream in tuple(self.streams.values()):
            stream.window += delta
            stream.flush()
        self.unblock()
        ready, self.ready = self.ready, None
        if ready is not None:
            ready.callback(self)

    def _credited(self, frame: Frame) -> None:
        credit = int.from_bytes(frame.payload[:4], "big") & 0x7FFFFFFF
        if len(frame.payload) != 4 or not credit:
            raise UpstreamMalformed("an empty WINDOW_UPDATE")
        if frame.stream:
            stream = self.streams.get(frame.stream)
            if stream is not None:
                stream.window += credit
                stream.flush()
                self.unblock()
            return
        self.window += credit
        if self.window > _LARGEST_WINDOW:
            raise UpstreamMalformed("a window that is too large")
        self.unblock()

    def _going_away(self, payload: bytes) -> None:
        last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        self.retire()
        for stream in [s for s in self.streams.values() if s.number > last]:
            self._ended(stream, UpstreamReset(f"{self.name} is going away", hop="proxy"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Every stream ends with it."""
        why = lost_error(reason, "")
        said = f": {why.message}" if isinstance(why, UpstreamTlsFailed) else ""
        self._fail(UpstreamReset(f"the connection to {self.name} was lost{said}", hop="proxy"))

    def _fail(self, error: GatewayError) -> None:
        if self.lost:
            return
        self.lost = self.retired = True
        self.blocked.clear()
        if self._answering is not None:
            self._answering.cancel()
        self._transport.abortConnection()  # type: ignore[attr-defined]
        self._closed(self)
        for stream in tuple(self.streams.values()):
            self._ended(stream, error)
        ready, self.ready = self.ready, None
        if ready is not None:
            ready.errback(error)

    # Streams.

    @property
    def room(self) -> bool:
        """May a stream be opened now?"""
        if self.retired or self.ready is not None:
            return False
        return self._most_streams is None or len(self.streams) < self._most_streams

    def open(self, headers: Sequence[tuple[str, str]], listener: StreamListener) -> H2Stream:
        """
        Open a stream; only when there is L{room}.

        @param headers: besides the pseudo headers C{:method POST}, C{:scheme https} and C{:authority}; C{:path} first.
        """
        number = self._h2.get_next_available_stream_id()
        if number >= _LAST_STREAM:
            self.retired = True
        stream = self.streams[number] = H2Stream(self, number, self._initial_window, listener)
        pseudo = ((":method", "POST"), (":scheme", "https"), (":authority", self._authority))
        self._h2.send_headers(number, [*pseudo, *headers])
        self._flush_h2()
        return stream

    def reset(self, stream: H2Stream) -> None:
        """End a stream from this side: at once, whatever was still to be sent or received."""
        if self.streams.pop(stream.number, None) is None:
            return
        self.blocked.pop(stream, None)
        if not self.lost:
            self._cancel(stream)
            self._flush_h2()
            self._part()

    def _cancel(self, stream: H2Stream) -> None:
        try:
            self._h2.reset_stream(stream.number, ErrorCodes.CANCEL)
        except H2Error:
            pass  # it is over already

    def _ended(self, stream: H2Stream, error: GatewayError) -> None:
        self.streams.pop(stream.number, None)
        self.blocked.pop(stream, None)
        stream.over(error)

    def probe(self) -> None:
        """Make a server that is alive say something: settings are to be acknowledged (RFC 9113 section 6.5.3)."""
        if not self.lost:
            self._h2.update_settings({})
            self._flush_h2()

    def abandon(self) -> None:
        """Nobody wants this connection."""
        if self.transport is not None:
            self._fail(UpstreamReset(f"the connection to {self.name} was given up", hop="proxy"))

    def retire(self) -> None:
        """No new streams. The connection ends with its last stream, at once if there is none."""
        self.retired = True
        self._part()

    def _part(self) -> None:
        if self.retired and not self.streams and self._corked is None and not self.lost:
            # Twisted's TLS waits for its producer to go.
            self._transport.unregisterProducer()  # type: ignore[attr-defined]
            self._transport.loseConnection()

    # Writing.

    def write(self, data: bytes) -> None:
        """Send frames now, or together with the other answers to what is being read."""
        if self._corked is not None:
            self._corked.append(data)
        elif not self.lost:
            self._transport.write(data)

    def send_data(self, number: int, data: bytes) -> None:
        """Send DATA frames. The caller has seen to the windows."""
        self.window -= len(data)
        most = self.frame_size
        if len(data) <= most:
            self.write(data_header(number, len(data)) + data)
            return
        parts: list[bytes] = []
        for at in range(0, len(data), most):
            part = data[at : at + most]
            parts += (data_header(number, len(part)), part)
        self.write(b"".join(parts))

    def _flush_h2(self) -> None:
        data = self._h2.data_to_send()
        if data:
            self.write(data)

    def unblock(self) -> None:
        """Let the streams that wait for the connection go on, in turn, a few frames each."""
        while self.blocked and self.window > 0 and not self.paused:
            stream = next(iter(self.blocked))
            del self.blocked[stream]
            stream.flush()

    def pauseProducing(self) -> None:
        """The transport is full: streams hold back what they are given."""
        self.paused = True

    def resumeProducing(self) -> None:
        """The transport takes more."""
        self.paused = False
        self.unblock()

    def stopProducing(self) -> None:
        """The transport takes nothing any more; its loss is told apart."""
        self.paused = True


def grpc_error(name: str, headers: dict[str, str]) -> GatewayError:
    """How a stream that the server ended went wrong, by its last headers; even a good end is one here."""
    if headers.get(":status", "200") != "200":
        return UpstreamRefused(f"{name} answered {headers[':status']} instead of opening a tunnel", hop="proxy")
    status = headers.get("grpc-status", "0")
    if status == "0":
        return UpstreamReset(f"{name} ended the stream", hop="proxy")
    text = "".join(c if c.isprintable() else " " for c in headers.get("grpc-message", "")[:300])
    return UpstreamError(f"{name} answered gRPC status {status}: {text}", hop="proxy")
