"""
WebSocket frames (RFC 6455) as bytes in, messages out. Both sides of a connection can be decoded, so that the same code
serves an endpoint and somebody who only watches.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from enum import IntEnum

from ..errors import BadRequest

KEY_SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
MAX_CONTROL = 125  # section 5.5
DEFAULT_LIMIT = 16 * 1024 * 1024


class Opcode(IntEnum):
    """RFC 6455 section 5.2."""

    CONTINUATION = 0x0
    TEXT = 0x1
    BINARY = 0x2
    CLOSE = 0x8
    PING = 0x9
    PONG = 0xA


class CloseCode(IntEnum):
    """The status codes of RFC 6455 section 7.4.1 that are sent here."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    TOO_BIG = 1009


class WebSocketError(BadRequest):
    """
    The peer does not speak WebSocket.

    @ivar close_code: the status code to close the connection with.
    """

    def __init__(self, message: str, close_code: CloseCode = CloseCode.PROTOCOL_ERROR) -> None:
        super().__init__(message)
        self.close_code = close_code


@dataclass(frozen=True, slots=True)
class Message:
    """
    A whole data message, or a control frame.

    @ivar opcode: never CONTINUATION.
    """

    opcode: Opcode
    payload: bytes = b""


def accept_key(key: bytes) -> bytes:
    """The C{Sec-WebSocket-Accept} that answers this C{Sec-WebSocket-Key} (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.strip() + KEY_SUFFIX, usedforsecurity=False).digest())


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """Mask or unmask: the same operation (RFC 6455 section 5.3)."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")).to_bytes(size, "little")


def encode_frame(opcode: Opcode, payload: bytes, *, mask: bytes | None = None, final: bool = True) -> bytes:
    """
    One frame.

    @param mask: four unpredictable bytes when a client sends (section 5.3), C{None} when a server does.
    @param final: whether this is the message's last frame.
    """
    size = len(payload)
    masked = 0 if mask is None else 0x80
    first = opcode | (0x80 if final else 0)
    if size <= 125:
        head = bytes((first, masked | size))
    elif size < 1 << 16:
        head = bytes((first, masked | 126)) + size.to_bytes(2, "big")
    else:
        head = bytes((first, masked | 127)) + size.to_bytes(8, "big")
    if mask is None:
        return head + payload
    return head + mask + apply_mask(payload, mask)


def encode_close(code: int, reason: str = "") -> bytes:
    """The payload of a close frame; a long reason is cut to fit."""
    text = reason.encode()[: MAX_CONTROL - 2]
    return code.to_bytes(2, "big") + text.decode("utf-8", "ignore").encode()


def close_status(payload: bytes) -> tuple[int, str]:
    """
    What the payload of a decoded close frame says.

    @return: status code and reason; 1005 when the frame carries none (section 7.1.5).
    """
    if not payload:
        return 1005, ""
    return int.from_bytes(payload[:2], "big"), payload[2:].decode()


class Decoder:
    """
    Bytes to messages, for one direction of one connection.

    After a close frame whatever follows is ignored (section 5.5.1). After an error the decoder stays in error.
    """

    def __init__(self, *, masked: bool, limit: int = DEFAULT_LIMIT) -> None:
        """
        @param masked: C{True} to read what a client sends, C{False} to read what a server sends.
        @param limit: the largest message accepted, in bytes.
        """
        self._masked = masked
        self._limit = limit
        self._buffer = bytearray()
        self._opcode: Opcode | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._closed = False
        self._error: WebSocketError | None = None

    @property
    def closed(self) -> bool:
        """Whether a close frame has come."""
        return self._closed

    @property
    def fragmented(self) -> bool:
        """Whether a message has begun of which more frames are to come."""
        return self._opcode is not None

    @property
    def missing(self) -> int | None:
        """How many bytes the frame lacks that has begun, 0 between frames; C{None} while nobody can tell."""
        buffer = self._buffer
        if not buffer:
            return 0
        if len(buffer) < 2:
            return None
        size = buffer[1] & 0x7F
        start = 2 if size < 126 else 4 if size == 126 else 10
        if len(buffer) < start:
            return None
        size = size if start == 2 else int.from_bytes(buffer[2:start], "big")
        return start + 4 * self._masked + size - len(buffer)

    def feed(self, data: bytes) -> list[Message]:
        """
        @return: the messages that these bytes complete.
        @raise WebSocketError: also when earlier messages of the same bytes were good.
        """
        if self._error is not None:
            raise self._error
        self._buffer += data
        messages: list[Message] = []
        try:
            while not self._closed and (frame := self._frame()) is not None:
                message = self._message(*frame)
                if message is not None:
                    messages.append(message)
        except WebSocketError as error:
            self._error = error
            raise
        if self._closed:
            self._buffer.clear()
        return messages

    def _frame(self) -> tuple[Opcode, bool, bytes] | None:
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        final = bool(buffer[0] & 0x80)
        opcode = self._opcode_of(buffer[0])
        if bool(buffer[1] & 0x80) != self._masked:
            raise WebSocketError("a client's WebSocket frames must be masked, and a server's must not")
        size = buffer[1] & 0x7F
        if opcode >= Opcode.CLOSE and (size > MAX_CONTROL or not final):
            raise WebSocketError("a WebSocket control frame must be short and whole")
        start = 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if len(buffer) < start:
                return None
            size = self._long_size(int.from_bytes(buffer[2:start], "big"), start)
        self._check_limit(opcode, size)
        body = start + 4 * self._masked
        if len(buffer) < body + size:
            return None
        payload = bytes(buffer[body : body + size])
        if self._masked:
            payload = apply_mask(payload, bytes(buffer[start:body]))
        del buffer[: body + size]
        return opcode, final, payload

    def _opcode_of(self, first: int) -> Opcode:
        if first & 0x70:
            raise WebSocketError("a WebSocket frame uses an extension that was not agreed on")
        try:
            return Opcode(first & 0x0F)
        except ValueError:
            raise WebSocketError(f"unknown WebSocket opcode {first & 0x0F}") from None

    def _long_size(self, size: int, start: int) -> int:
        if size <= 125 or (start == 10 and size < 1 << 16) or size >> 63:
            raise WebSocketError("a WebSocket frame's length is not written in the shortest way")
        return size

    def _check_limit(self, opcode: Opcode, size: int) -> None:
        if opcode < Opcode.CLOSE and self._size + size > self._limit:
            raise WebSocketError(f"a WebSocket message is larger than {self._limit} bytes", CloseCode.TOO_BIG)

    def _message(self, opcode: Opcode, final: bool, payload: bytes) -> Message | None:
        if opcode >= Opcode.CLOSE:
            if opcode is Opcode.CLOSE:
                _check_close(payload)
                self._closed = True
            return Message(opcode, payload)
        if (opcode is Opcode.CONTINUATION) != (self._opcode is not None):
            raise WebSocketError("WebSocket fragments are out of order")
        if opcode is not Opcode.CONTINUATION:
            self._opcode = opcode
        self._parts.append(payload)
        # An empty fragment counts too, or a message of nothing but those would grow without bound.
        self._size += len(payload) or 1
        return self._finished() if final else None

    def _finished(self) -> Message:
        assert self._opcode is not None
        message = Message(self._opcode, b"".join(self._parts))
        self._opcode, self._parts, self._size = None, [], 0
        if message.opcode is Opcode.TEXT:
            _check_text(message.payload)
        return message


def _check_text(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError:
        raise WebSocketError("a WebSocket text message is not UTF-8", CloseCode.INVALID_DATA) from None


def _check_close(payload: bytes) -> None:
    if not payload:
        return
    code = int.from_bytes(payload[:2], "big")
    # Section 7.4: 1004 to 1006 and 1015 never travel; below 1000 and from 5000 on there are none.
    if len(payload) == 1 or not 1000 <= code < 5000 or code in (1004, 1005, 1006, 1015):
        raise WebSocketError("a WebSocket close frame has no valid status code")
    _check_text(payload[2:])
