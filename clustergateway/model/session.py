"""What passes in an exec or attach session, decoded from beside it: WebSocket or SPDY alike. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Protocol

from ..errors import GatewayError
from . import headers
from .channels import (
    V4,
    V5,
    Channel,
    ChannelError,
    TerminalSize,
    decode_message,
    decode_size,
    encode_message,
    exit_code,
)
from .http1answer import ResponseHead
from .spdy import Data, Encoder, GoAway
from .spdy_watch import Seen, Watch
from .status import sentence, status_bytes
from .websocket import CloseCode, Decoder, Message, Opcode, encode_close, encode_frame

MAX_STATUS = 64 * 1024
"""Most bytes kept of an error channel, in which a metav1.Status is expected."""
MAX_SIZE = 4096
"""Most bytes of an unfinished resize message."""

MAX_PADDING = 1 << 20
"""Most bytes with which an unfinished frame is filled up, so that something can be said behind it."""

_CHANNELS = {"stdin": Channel.STDIN, "stdout": Channel.STDOUT, "stderr": Channel.STDERR}


@dataclass(frozen=True, slots=True)
class Piece:
    """Some of what was typed (STDIN) or shown (STDOUT, STDERR)."""

    channel: Channel
    data: bytes


Event = Piece | TerminalSize


class SessionDecoder(Protocol):
    """Watches one session."""

    @property
    def exit_code(self) -> int | None:
        """Of the command; C{None} while (or if never) known."""
        ...

    @property
    def needs_client(self) -> bool:
        """Whether the server's bytes can only be understood with the client's."""
        ...

    def client(self, data: bytes) -> list[Event]:
        """
        The client sent this.

        @raise GatewayError: it cannot be understood; nothing of this session will be, any more.
        """
        ...

    def server(self, data: bytes) -> list[Event]:
        """Likewise for the server."""
        ...

    def parting(self, error: GatewayError) -> bytes:
        """
        @return: what ends the session for its client, and says why, when it is sent behind what the server sent so far.
            A frame that has begun is filled up with zero bytes. C{b""} if nothing can be said.
        """
        ...


def session_decoder(head: ResponseHead) -> SessionDecoder | None:
    """
    @param head: of a 101 answer to an exec or attach request.
    @return: C{None} for a protocol that is not known.
    """
    fields = {headers.name(line): headers.value(line).decode("latin-1") for line in head.lines if b":" in line}
    upgrade = head.upgrade.lower()
    if upgrade == b"websocket":
        protocol = fields.get(b"sec-websocket-protocol", "")
        if protocol in ("", "channel.k8s.io") or protocol.endswith("channel.k8s.io"):
            return WebSocketSession("base64." in f".{protocol}", protocol in _WITH_STATUS)
        return None
    if not upgrade.startswith(b"spdy/3.1"):
        return None
    return SpdySession(fields.get(b"x-stream-protocol-version", "") in _WITH_STATUS)


_WITH_STATUS = (V4, V5)
"""Versions whose error channel carries a metav1.Status; that of earlier ones carries text."""


class _Status:
    """Collects an error channel."""

    def __init__(self) -> None:
        self._collected = bytearray()
        self.exit_code: int | None = None

    @property
    def begun(self) -> bool:
        """Whether anything was said in it."""
        return bool(self._collected)

    def add(self, data: bytes) -> None:
        if len(self._collected) + len(data) > MAX_STATUS:
            return
        self._collected += data
        if data.rstrip()[-1:] == b"}":
            try:
                status = json.loads(self._collected)
            except (ValueError, RecursionError):
                return
            if isinstance(status, dict):
                self.exit_code = exit_code(status)


class WebSocketSession:
    """
    Subprotocols C{[vN.]channel.k8s.io}, and C{[vN.]base64.channel.k8s.io} of browsers.
    """

    needs_client = False

    def __init__(self, base64_text: bool = False, with_status: bool = True) -> None:
        """
        @param with_status: whether a metav1.Status is expected in the error channel.
        """
        self._text = base64_text
        self._with_status = with_status
        self._client = Decoder(masked=True)
        self._server = Decoder(masked=False)
        self._status = _Status()

    @property
    def exit_code(self) -> int | None:
        return self._status.exit_code

    def client(self, data: bytes) -> list[Event]:
        return self._events(self._client.feed(data), (Channel.STDIN, Channel.RESIZE))

    def server(self, data: bytes) -> list[Event]:
        return self._events(self._server.feed(data), (Channel.STDOUT, Channel.STDERR, Channel.ERROR))

    def parting(self, error: GatewayError) -> bytes:
        server = self._server
        missing = server.missing
        if server.closed or missing is None or missing > MAX_PADDING:
            return b""
        padding = bytes(missing)
        try:
            self.server(padding)
        except GatewayError:
            return b""
        if server.fragmented or self._status.begun or not self._with_status:
            return padding + encode_frame(Opcode.CLOSE, encode_close(CloseCode.POLICY_VIOLATION, sentence(error)))
        said = encode_frame(Opcode.BINARY, encode_message(Channel.ERROR, status_bytes(error)))
        return padding + said + encode_frame(Opcode.CLOSE, encode_close(CloseCode.NORMAL))

    def _events(self, messages: list[Message], sent: tuple[Channel, ...]) -> list[Event]:
        """@param sent: the channels that this side sends in; it has no say in the others."""
        events: list[Event] = []
        for message in messages:
            if message.opcode not in (Opcode.TEXT, Opcode.BINARY) or not message.payload:
                continue
            channel, data = decode_message(_from_base64(message.payload) if self._text else message.payload)
            if channel not in sent or not data:
                continue
            if channel is Channel.ERROR:
                self._status.add(data)
            elif channel is Channel.RESIZE:
                events.append(decode_size(data))
            else:
                events.append(Piece(channel, data))
        return events


def _from_base64(payload: bytes) -> bytes:
    """The channel is a digit there."""
    try:
        return bytes((payload[0] - 0x30,)) + base64.b64decode(payload[1:], validate=True)
    except (ValueError, binascii.Error):
        raise ChannelError("a remote command message is not base64") from None


class SpdySession:
    """Streams of the types that C{v2.channel.k8s.io} and later name."""

    needs_client = True

    def __init__(self, with_status: bool = True) -> None:
        """
        @param with_status: whether a metav1.Status is expected in the error stream.
        """
        self._with_status = with_status
        self._watch = Watch()
        self._status = _Status()
        self._sizes = b""

    @property
    def exit_code(self) -> int | None:
        return self._status.exit_code

    def client(self, data: bytes) -> list[Event]:
        return self._events(self._watch.client(data), ("stdin", "resize"))

    def server(self, data: bytes) -> list[Event]:
        return self._events(self._watch.server(data), ("stdout", "stderr", "error"))

    def parting(self, error: GatewayError) -> bytes:
        missing = self._watch.missing
        if missing is None or missing > MAX_PADDING:
            return b""
        padding = bytes(missing)
        self.server(padding)
        said = status_bytes(error) if self._with_status else sentence(error).encode()
        encode = Encoder().encode  # frames without headers: they leave the compression alone that all headers share
        frames = [padding]
        last = 0
        for stream_id, streamtype in self._watch.unfinished():
            last = max(last, stream_id)
            text = said if streamtype == "error" and not self._status.begun else b""
            frames.append(encode(Data(stream_id, text, fin=True)))
        return b"".join([*frames, encode(GoAway(last))])

    def _events(self, seen: list[Seen], sent: tuple[str, ...]) -> list[Event]:
        events: list[Event] = []
        for each in seen:
            if each.streamtype not in sent or not each.data:
                continue
            if each.streamtype == "error":
                self._status.add(each.data)
            elif each.streamtype == "resize":
                events += self._resized(each.data)
            else:
                events.append(Piece(_CHANNELS[each.streamtype], each.data))
        return events

    def _resized(self, data: bytes) -> list[Event]:
        """JSON objects one behind the other, none of which holds another."""
        *whole, rest = (self._sizes + data).split(b"}")
        if len(rest) > MAX_SIZE:
            raise ChannelError("a resize message is too long")
        self._sizes = rest
        return [decode_size(each + b"}") for each in whole]
