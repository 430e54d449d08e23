"""
The packets that a konnectivity proxy-server (apiserver-network-proxy) and its clients exchange: protobuf, by hand.

Eight small messages of integers, strings and bytes, so the codec is a page; why it is not generated code is in
docs/decisions/konnectivity-codec.md. Wire rules: the Protocol Buffers encoding document; field numbers: the project's
C{client.proto}.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ..errors import UpstreamMalformed

DIAL_REQ, DIAL_RSP, CLOSE_REQ, CLOSE_RSP, DATA, DIAL_CLS, DRAIN = range(7)

NO_AGENT = "No agent available"
"""The text of C{DIAL_RSP.error} when the proxy-server has no agent for the address. There is no code for it."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MASK64 = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class DialRequest:
    """Connect to C{address} (C{"host:port"}); C{random} names the attempt until there is a connection id."""

    address: str
    random: int
    protocol: str = "tcp"


@dataclass(frozen=True, slots=True)
class DialResponse:
    """The attempt C{random} succeeded as C{connect_id}, or failed with C{error}."""

    random: int
    connect_id: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class Data:
    """Bytes of a connection."""

    connect_id: int
    data: bytes
    error: str = ""


@dataclass(frozen=True, slots=True)
class CloseRequest:
    """Close this connection."""

    connect_id: int


@dataclass(frozen=True, slots=True)
class CloseResponse:
    """The connection is closed: as asked for, or because its far end closed it."""

    connect_id: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class CloseDial:
    """Give up the attempt C{random}."""

    random: int


@dataclass(frozen=True, slots=True)
class Drain:
    """The sender is about to go away: use it for nothing new."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A packet of a type that did not exist when this was written; to be ignored, as protobuf's rules have it."""

    type: int


Packet = DialRequest | DialResponse | Data | CloseRequest | CloseResponse | CloseDial | Drain | Unknown


class _Field(NamedTuple):
    """Integers are in C{number}, everything with a length in C{data}."""

    tag: int
    number: int
    data: bytes


def varint(value: int) -> bytes:
    """Encode an int64: base 128, least significant group first; negative numbers as two's complement of 64 bits."""
    value &= _MASK64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _int(tag: int, value: int) -> bytes:
    return varint(tag << 3) + varint(value) if value else b""


def _blob(tag: int, value: bytes) -> bytes:
    return varint(tag << 3 | _BYTES) + varint(len(value)) + value if value else b""


def _packet(kind: int, tag: int, body: bytes) -> bytes:
    return _int(1, kind) + varint(tag << 3 | _BYTES) + varint(len(body)) + body


def encode(packet: Packet) -> bytes:
    """Encode one packet; fields in the order of their numbers, default values left out, as Go's encoder does."""
    match packet:
        case DialRequest(address, random, protocol):
            body = _blob(1, protocol.encode()) + _blob(2, address.encode()) + _int(3, random)
            return _packet(DIAL_REQ, 2, body)
        case DialResponse(random, connect_id, error):
            return _packet(DIAL_RSP, 3, _blob(1, error.encode()) + _int(2, connect_id) + _int(3, random))
        case Data(connect_id, data, error):
            return _packet(DATA, 4, _int(1, connect_id) + _blob(2, error.encode()) + _blob(3, data))
        case CloseRequest(connect_id):
            return _packet(CLOSE_REQ, 5, _int(1, connect_id))
        case CloseResponse(connect_id, error):
            return _packet(CLOSE_RSP, 6, _blob(1, error.encode()) + _int(2, connect_id))
        case CloseDial(random):
            return _packet(DIAL_CLS, 7, _int(1, random))
        case Drain():
            return _packet(DRAIN, 8, b"")
        case Unknown(kind):
            return _int(1, kind)


def _bad(what: str) -> UpstreamMalformed:
    return UpstreamMalformed(f"the proxy-server sent a packet that cannot be read: {what}", hop="tunnel")


def _varint_at(data: bytes, at: int) -> tuple[int, int]:
    """@return: the unsigned value, and where the next field begins."""
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise _bad("an integer has no end")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK64, at
        shift += 7


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _fields(data: bytes) -> list[_Field]:
    """
    Every field of a message that has a length or is an integer; fixed-width ones, which no packet has, are skipped.
    """
    found = []
    at = 0
    while at < len(data):
        key, at = _varint_at(data, at)
        tag, kind = key >> 3, key & 7
        if not tag:
            raise _bad("a field has the number 0")
        if kind == _VARINT:
            number, at = _varint_at(data, at)
            found.append(_Field(tag, _signed(number), b""))
            continue
        if kind == _BYTES:
            size, at = _varint_at(data, at)
            found.append(_Field(tag, 0, data[at : at + size]))
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise _bad(f"a field has the wire type {kind}")
        at += size
        if at > len(data):
            raise _bad("it ends in the middle of a field")
    return found


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise _bad("a text is not UTF-8") from None


_TAG_OF = {DIAL_REQ: 2, DIAL_RSP: 3, DATA: 4, CLOSE_REQ: 5, CLOSE_RSP: 6, DIAL_CLS: 7, DRAIN: 8}


def decode(message: bytes) -> Packet:
    """
    Decode one packet. What is not there has its default; what is not known is ignored; a payload that does not belong
    to the packet's type counts as not there.

    @raise UpstreamMalformed: these bytes are no packet.
    """
    kind = 0
    payloads: dict[int, bytes] = {}
    for field in _fields(message):
        if field.tag == 1:
            kind = field.number
        else:
            # A message that comes in pieces is their concatenation, says the encoding document.
            payloads[field.tag] = payloads.get(field.tag, b"") + field.data
    if kind not in _TAG_OF:
        return Unknown(kind)
    numbers = {1: 0, 2: 0, 3: 0}
    blobs = {1: b"", 2: b"", 3: b""}
    for field in _fields(payloads.get(_TAG_OF[kind], b"")):
        numbers[field.tag] = field.number
        blobs[field.tag] = field.data
    return _payload(kind, numbers, blobs)


def _payload(kind: int, numbers: dict[int, int], blobs: dict[int, bytes]) -> Packet:
    if kind == DIAL_REQ:
        return DialRequest(_text(blobs[2]), numbers[3], _text(blobs[1]))
    if kind == DIAL_RSP:
        return DialResponse(numbers[3], numbers[2], _text(blobs[1]))
    if kind == DATA:
        return Data(numbers[1], blobs[3], _text(blobs[2]))
    if kind == CLOSE_REQ:
        return CloseRequest(numbers[1])
    if kind == CLOSE_RSP:
        return CloseResponse(numbers[2], _text(blobs[1]))
    if kind == DIAL_CLS:
        return CloseDial(numbers[1])
    return Drain()


_DATA_HEAD = _int(1, DATA) + varint(4 << 3 | _BYTES)
_DATA_AT = len(_DATA_HEAD)


class DataCodec:
    """
    DATA packets of one connection: the same bytes as L{encode} and L{decode}, several times as fast.

    Agents cut what they read into 4 KiB packets, so 100 MB/s are 25 000 of them each second.
    """

    __slots__ = ("_head",)

    def __init__(self, connect_id: int) -> None:
        self._head = _int(1, connect_id) + varint(3 << 3 | _BYTES)

    def prefix(self, size: int) -> bytes:
        """What precedes C{size} (at least 1) bytes of data in a DATA packet."""
        inner = self._head + varint(size)
        return _DATA_HEAD + varint(len(inner) + size) + inner

    def data(self, message: bytes) -> bytes | None:
        """
        @return: the data, if this is a DATA packet of this connection laid out as protobuf encoders do it; for
            anything else C{None}, which says nothing but that L{decode} has to look at it.
        """
        if message[:_DATA_AT] != _DATA_HEAD:
            return None
        at, size = _short_varint(message, _DATA_AT)
        end = at + len(self._head)
        if size != len(message) - at or message[at:end] != self._head:
            return None
        at, size = _short_varint(message, end)
        return message[at:] if size == len(message) - at else None


def _short_varint(data: bytes, at: int) -> tuple[int, int]:
    """@return: where the next field begins, and a size below 2**35; larger ones, or an end too early, give nonsense."""
    size = shift = 0
    for byte in data[at : at + 5]:
        at += 1
        size |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return at, size
