"""
SPDY/3.1 frames, as kubectl and kubelets use them for exec, attach and port-forward (SPDY draft 3.1, section 2).

A L{Decoder} reads one direction of a connection, a L{Encoder} writes one. Neither has a role: two decoders, one for
each direction, watch a connection passively (L{Watch} gives names to what they see).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum

from ..errors import BadRequest
from .spdy_dictionary import DICTIONARY

VERSION = 3
FIN = 0x01
UNIDIRECTIONAL = 0x02
MAX_CONTROL_FRAME = 256 * 1024
MAX_HEADERS = 64 * 1024
MAX_DATA = (1 << 24) - 1
_ID = 0x7FFFFFFF

Headers = tuple[tuple[str, str], ...]


class SpdyError(BadRequest):
    """The peer does not speak SPDY/3.1."""


class Kind(IntEnum):
    """Control frame types (section 2.6)."""

    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class ResetStatus(IntEnum):
    """Why a stream is reset (section 2.6.3)."""

    PROTOCOL_ERROR = 1
    INVALID_STREAM = 2
    REFUSED_STREAM = 3
    CANCEL = 5
    INTERNAL_ERROR = 6


@dataclass(frozen=True, slots=True)
class SynStream:
    """
    A stream opens. Odd ids are the client's, even ids the server's.

    @ivar headers: names in lower case, none twice; a name with several values has them joined by NUL.
    @ivar fin: the sender will send no data in it.
    @ivar unidirectional: the receiver will not.
    """

    stream_id: int
    headers: Headers = ()
    fin: bool = False
    unidirectional: bool = False
    associated: int = 0
    priority: int = 0


@dataclass(frozen=True, slots=True)
class SynReply:
    """The stream is accepted."""

    stream_id: int
    headers: Headers = ()
    fin: bool = False


@dataclass(frozen=True, slots=True)
class RstStream:
    """The stream ends at once, in both directions."""

    stream_id: int
    status: int


@dataclass(frozen=True, slots=True)
class Settings:
    """
    @ivar entries: each C{(id, value, flags)}.
    @ivar clear: forget persisted settings.
    """

    entries: tuple[tuple[int, int, int], ...] = ()
    clear: bool = False


@dataclass(frozen=True, slots=True)
class Ping:
    """Odd ids are asked by the client, even ids by the server; the answer repeats the id."""

    ping_id: int


@dataclass(frozen=True, slots=True)
class GoAway:
    """The sender takes no more streams."""

    last_stream_id: int
    status: int = 0


@dataclass(frozen=True, slots=True)
class MoreHeaders:
    """A HEADERS frame."""

    stream_id: int
    headers: Headers = ()
    fin: bool = False


@dataclass(frozen=True, slots=True)
class WindowUpdate:
    """@ivar stream_id: 0 for the whole session (3.1)."""

    stream_id: int
    delta: int


@dataclass(frozen=True, slots=True)
class Data:
    """
    Bytes of a stream. A decoder gives a long frame in pieces as they arrive.

    @ivar fin: the sender's last.
    """

    stream_id: int
    data: bytes
    fin: bool = False


Frame = SynStream | SynReply | RstStream | Settings | Ping | GoAway | MoreHeaders | WindowUpdate | Data


def value_of(headers: Headers, name: str) -> str:
    """The value of this header, C{""} when there is none."""
    return next((value for key, value in headers if key == name), "")


class Encoder:
    """Frames to bytes, for one direction of one connection: header compression makes their order matter."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(
            zlib.Z_BEST_COMPRESSION, zlib.DEFLATED, 15, 8, zlib.Z_DEFAULT_STRATEGY, DICTIONARY
        )

    def encode(self, frame: Frame) -> bytes:
        """
        @raise ValueError: a Data frame is larger than SPDY allows (C{MAX_DATA}).
        """
        if isinstance(frame, Data):
            if len(frame.data) > MAX_DATA:
                raise ValueError("a SPDY frame cannot be that large")
            head = struct.pack("!II", frame.stream_id & _ID, (FIN << 24 if frame.fin else 0) | len(frame.data))
            return head + frame.data
        kind, flags, body = self._control(frame)
        return struct.pack("!HHI", 0x8000 | VERSION, kind, flags << 24 | len(body)) + body

    def _control(
        self, frame: SynStream | SynReply | RstStream | Settings | Ping | GoAway | MoreHeaders | WindowUpdate
    ) -> tuple[Kind, int, bytes]:
        pack = struct.pack
        if isinstance(frame, SynStream):
            fixed = pack("!IIBB", frame.stream_id, frame.associated, frame.priority << 5, 0)
            flags = FIN * frame.fin | UNIDIRECTIONAL * frame.unidirectional
            return Kind.SYN_STREAM, flags, fixed + self._block(frame.headers)
        if isinstance(frame, SynReply):
            return Kind.SYN_REPLY, FIN * frame.fin, pack("!I", frame.stream_id) + self._block(frame.headers)
        if isinstance(frame, MoreHeaders):
            return Kind.HEADERS, FIN * frame.fin, pack("!I", frame.stream_id) + self._block(frame.headers)
        if isinstance(frame, RstStream):
            return Kind.RST_STREAM, 0, pack("!II", frame.stream_id, frame.status)
        if isinstance(frame, Settings):
            entries = b"".join(pack("!II", flags << 24 | key, value) for key, value, flags in frame.entries)
            return Kind.SETTINGS, int(frame.clear), pack("!I", len(frame.entries)) + entries
        if isinstance(frame, Ping):
            return Kind.PING, 0, pack("!I", frame.ping_id)
        if isinstance(frame, GoAway):
            return Kind.GOAWAY, 0, pack("!II", frame.last_stream_id, frame.status)
        return Kind.WINDOW_UPDATE, 0, pack("!II", frame.stream_id, frame.delta)

    def _block(self, headers: Headers) -> bytes:
        plain = bytearray(len(headers).to_bytes(4, "big"))
        for text in (text for pair in headers for text in pair):
            raw = text.encode("latin-1")
            plain += len(raw).to_bytes(4, "big") + raw
        return self._zlib.compress(bytes(plain)) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


class Decoder:
    """
    Bytes to frames, for one direction of one connection.

    Control frames of unknown type are skipped (section 2.2.1). After an error the decoder stays in error.
    """

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=DICTIONARY)
        self._buffer = bytearray()
        self._stream_id = 0
        self._left = 0  # bytes of a data frame still to come
        self._fin = False
        self._error: SpdyError | None = None

    @property
    def missing(self) -> int | None:
        """How many bytes the data frame lacks that has begun, 0 between frames; C{None} within any other frame."""
        return self._left or (None if self._buffer else 0)

    def feed(self, data: bytes) -> list[Frame]:
        """
        @return: the frames that these bytes complete; of a data frame whatever has arrived.
        @raise SpdyError: also when earlier frames of the same bytes were good.
        """
        if self._error is not None:
            raise self._error
        self._buffer += data
        frames: list[Frame] = []
        try:
            while self._step(frames):
                pass
        except SpdyError as error:
            self._error = error
            raise
        return frames

    def _step(self, frames: list[Frame]) -> bool:
        buffer = self._buffer
        if self._left:
            return self._data(frames)
        if len(buffer) < 8:
            return False
        first, second = struct.unpack_from("!II", buffer)
        flags, size = second >> 24, second & 0xFFFFFF
        if not first >> 31:
            del buffer[:8]
            self._stream_id, self._left, self._fin = first, size, bool(flags & FIN)
            if not size:
                frames.append(Data(first, b"", self._fin))
            return True
        if first >> 16 & 0x7FFF != VERSION:
            raise SpdyError("this is not SPDY/3")
        if size > MAX_CONTROL_FRAME:
            raise SpdyError(f"a SPDY control frame is larger than {MAX_CONTROL_FRAME} bytes")
        if len(buffer) < 8 + size:
            return False
        body = bytes(buffer[8 : 8 + size])
        del buffer[: 8 + size]
        frame = self._control(first & 0xFFFF, flags, body)
        if frame is not None:
            frames.append(frame)
        return True

    def _data(self, frames: list[Frame]) -> bool:
        if not self._buffer:
            return False
        piece = bytes(self._buffer[: self._left])
        del self._buffer[: len(piece)]
        self._left -= len(piece)
        frames.append(Data(self._stream_id, piece, self._fin and not self._left))
        return True

    def _control(self, kind: int, flags: int, body: bytes) -> Frame | None:
        fin = bool(flags & FIN)
        if kind == Kind.SYN_STREAM:
            stream, associated, priority, _ = _fields("!IIBB", body)
            headers = self._headers(body[10:])
            one_way = bool(flags & UNIDIRECTIONAL)
            return SynStream(stream & _ID, headers, fin, one_way, associated & _ID, priority >> 5)
        if kind == Kind.SYN_REPLY:
            return SynReply(_fields("!I", body)[0] & _ID, self._headers(body[4:]), fin)
        if kind == Kind.HEADERS:
            return MoreHeaders(_fields("!I", body)[0] & _ID, self._headers(body[4:]), fin)
        if kind == Kind.RST_STREAM:
            stream, status = _fields("!II", body)
            return RstStream(stream & _ID, status)
        if kind == Kind.SETTINGS:
            return Settings(_entries(body), bool(flags & 1))
        if kind == Kind.PING:
            return Ping(_fields("!I", body)[0])
        if kind == Kind.GOAWAY:
            stream, status = _fields("!II", body)
            return GoAway(stream & _ID, status)
        if kind == Kind.WINDOW_UPDATE:
            stream, delta = _fields("!II", body)
            return WindowUpdate(stream & _ID, delta & _ID)
        return None

    def _headers(self, block: bytes) -> Headers:
        try:
            plain = self._zlib.decompress(block, MAX_HEADERS + 1)
        except zlib.error:
            raise SpdyError("a SPDY header block is not compressed as it should be") from None
        if len(plain) > MAX_HEADERS or self._zlib.unconsumed_tail:
            raise SpdyError(f"a SPDY header block is larger than {MAX_HEADERS} bytes")
        if self._zlib.eof:
            raise SpdyError("a SPDY header block ends the compression that all of them share")
        return _pairs(plain)


def _fields(layout: str, body: bytes) -> tuple[int, ...]:
    try:
        return struct.unpack_from(layout, body)
    except struct.error:
        raise SpdyError("a SPDY control frame is too short") from None


def _entries(body: bytes) -> tuple[tuple[int, int, int], ...]:
    count = _fields("!I", body)[0]
    if len(body) != 4 + 8 * count:
        raise SpdyError("a SPDY SETTINGS frame has a wrong length")
    pairs = struct.iter_unpack("!II", body[4:])
    return tuple((first & 0xFFFFFF, value, first >> 24) for first, value in pairs)


def _pairs(plain: bytes) -> Headers:
    """A decompressed header block (section 2.6.10)."""
    count = _fields("!I", plain)[0]
    at = 4
    texts: list[str] = []
    for _ in range(2 * count):
        size = _fields("!I", plain[at : at + 4])[0]
        at += 4
        if size > len(plain) - at:
            raise SpdyError("a SPDY header block is cut off")
        texts.append(plain[at : at + size].decode("latin-1"))
        at += size
    names = texts[::2]
    if at != len(plain) or "" in names or len(set(names)) != len(names):
        raise SpdyError("a SPDY header block is malformed")
    return tuple(zip(names, texts[1::2], strict=True))
