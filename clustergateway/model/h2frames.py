"""HTTP/2 frames as bytes (RFC 9113 section 4.1): as much of them as the data path of a tunnel needs."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from ..errors import UpstreamMalformed

DATA, PING, GOAWAY, WINDOW_UPDATE = 0, 6, 7, 8
END_STREAM = 0x1
ACK = 0x1
PADDED = 0x8
HEADER = 9

_header = Struct(">IBI")
_update = Struct(">IBII")


class Frame(NamedTuple):
    """
    One frame.

    @ivar kind: its type, for instance L{DATA}; types that are not named here are for others to know.
    @ivar stream: the stream's number, 0 for the connection.
    """

    kind: int
    flags: int
    stream: int
    payload: bytes


def data_header(stream: int, size: int, flags: int = 0) -> bytes:
    """The header of a DATA frame with a payload of C{size} bytes."""
    return _header.pack(size << 8, flags, stream)


def window_update(stream: int, credit: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return _update.pack(4 << 8 | WINDOW_UPDATE, 0, stream, credit)


def encode(frame: Frame) -> bytes:
    """The bytes of any frame."""
    return _header.pack(len(frame.payload) << 8 | frame.kind, frame.flags, frame.stream) + frame.payload


class Frames:
    """
    Cuts what arrives into frames. Keeps at most one incomplete frame.

    @param largest: the payload size that was advertised as SETTINGS_MAX_FRAME_SIZE.
    """

    __slots__ = ("_held", "_largest", "_need", "_parts")

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._parts: list[bytes] = []
        self._held = 0
        self._need = HEADER

    def feed(self, data: bytes) -> list[Frame]:
        """
        @return: the frames that are now complete.
        @raise UpstreamMalformed: a frame is larger than was allowed, which is also how other protocols look.
        """
        if self._held:
            self._parts.append(data)
            self._held += len(data)
            if self._held < self._need:
                return []
            data = b"".join(self._parts)
            self._parts.clear()
            self._held = 0
        found = []
        at = 0
        end = len(data)
        unpack = _header.unpack_from
        self._need = HEADER
        while end - at >= HEADER:
            word, flags, stream = unpack(data, at)
            size = word >> 8
            if size > self._largest:
                raise UpstreamMalformed("the proxy-server sent an HTTP/2 frame that is too large", hop="proxy")
            stop = at + HEADER + size
            if stop > end:
                self._need = HEADER + size
                break
            found.append(Frame(word & 0xFF, flags, stream & 0x7FFFFFFF, data[at + HEADER : stop]))
            at = stop
        if at < end:
            self._parts.append(data[at:])
            self._held = end - at
        return found


def unpadded(frame: Frame) -> bytes:
    """
    The data of a DATA frame without its padding (RFC 9113 section 6.1).

    @raise UpstreamMalformed: there is more padding than frame.
    """
    if not frame.flags & PADDED:
        return frame.payload
    if not frame.payload or frame.payload[0] >= len(frame.payload):
        raise UpstreamMalformed("the proxy-server sent an HTTP/2 frame with bad padding", hop="proxy")
    return frame.payload[1 : len(frame.payload) - frame.payload[0]]
