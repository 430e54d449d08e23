"""Watching a SPDY connection from beside it: which stream carried which bytes, in both directions."""

from __future__ import annotations

from dataclasses import dataclass

from .spdy import Data, Decoder, Frame, Headers, MoreHeaders, RstStream, SynReply, SynStream, value_of

MAX_STREAMS = 4096


@dataclass(frozen=True, slots=True)
class Seen:
    """
    Something a stream carried.

    @ivar streamtype: Kubernetes' name of the stream: C{stdin}, C{stdout}, C{stderr}, C{error}, C{resize}, C{data}; or
        C{""} when it has none.
    @ivar headers: that the stream was opened with.
    @ivar from_client: who sent it.
    @ivar fin: the sender's last, also when the stream was reset.
    """

    stream_id: int
    streamtype: str
    headers: Headers
    from_client: bool
    data: bytes
    fin: bool


class Watch:
    """
    Both directions of one connection, decoded.

    Streams of which the opening was not seen are reported without a type. Memory is bounded: past C{MAX_STREAMS} open
    streams the oldest is forgotten.
    """

    def __init__(self) -> None:
        self._decoders = {True: Decoder(), False: Decoder()}
        self._streams: dict[int, Headers] = {}
        self._ended: dict[int, set[bool]] = {}

    def client(self, data: bytes) -> list[Seen]:
        """
        The client sent this.

        @raise SpdyError: and then again on every call for this direction.
        """
        return self._feed(data, True)

    def server(self, data: bytes) -> list[Seen]:
        """
        The server sent this.

        @raise SpdyError: and then again on every call for this direction.
        """
        return self._feed(data, False)

    @property
    def missing(self) -> int | None:
        """How many bytes the server's data frame lacks that has begun, see L{Decoder.missing}."""
        return self._decoders[False].missing

    def unfinished(self) -> list[tuple[int, str]]:
        """The streams in which the server may still send: id and type."""
        return [
            (stream_id, value_of(headers, "streamtype").lower())
            for stream_id, headers in self._streams.items()
            if False not in self._ended[stream_id]
        ]

    def _feed(self, data: bytes, from_client: bool) -> list[Seen]:
        seen: list[Seen] = []
        for frame in self._decoders[from_client].feed(data):
            self._frame(frame, from_client, seen)
        return seen

    def _frame(self, frame: Frame, from_client: bool, seen: list[Seen]) -> None:
        if isinstance(frame, SynStream):
            self._open(frame)
        if isinstance(frame, Data):
            seen.append(self._seen(frame.stream_id, from_client, frame.data, frame.fin))
        elif isinstance(frame, RstStream):
            seen.append(self._seen(frame.stream_id, from_client, b"", True))
            self._forget(frame.stream_id)
            return
        elif isinstance(frame, SynStream | SynReply | MoreHeaders) and frame.fin:
            seen.append(self._seen(frame.stream_id, from_client, b"", True))
        if isinstance(frame, SynStream | SynReply | MoreHeaders | Data) and frame.fin:
            self._end(frame.stream_id, from_client)

    def _open(self, frame: SynStream) -> None:
        if len(self._streams) >= MAX_STREAMS:
            self._forget(next(iter(self._streams)))
        self._streams[frame.stream_id] = frame.headers
        self._ended[frame.stream_id] = set()

    def _seen(self, stream_id: int, from_client: bool, data: bytes, fin: bool) -> Seen:
        headers = self._streams.get(stream_id, ())
        return Seen(stream_id, value_of(headers, "streamtype").lower(), headers, from_client, data, fin)

    def _end(self, stream_id: int, from_client: bool) -> None:
        sides = self._ended.get(stream_id, set())
        sides.add(from_client)
        if len(sides) == 2:
            self._forget(stream_id)

    def _forget(self, stream_id: int) -> None:
        self._streams.pop(stream_id, None)
        self._ended.pop(stream_id, None)
