"""What passes in an exec or attach session, decoded from beside it: WebSocket or SPDY alike. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Protocol

from . import headers
from .channels import Channel, ChannelError, TerminalSize, decode_message, decode_size, exit_code
from .http1answer import ResponseHead
from .spdy_watch import Seen, Watch
from .websocket import Decoder, Message, Opcode

MAX_STATUS = 64 * 1024
"""Most bytes kept of an error channel, in which a metav1.Status is expected."""
MAX_SIZE = 4096
"""Most bytes of an unfinished resize message."""

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
            return WebSocketSession("base64." in f".{protocol}")
        return None
    return SpdySession() if upgrade.startswith(b"spdy/3.1") else None


class _Status:
    """Collects an error channel."""

    def __init__(self) -> None:
        self._collected = bytearray()
        self.exit_code: int | None = None

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

    def __init__(self, base64_text: bool = False) -> None:
        self._text = base64_text
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

    def __init__(self) -> None:
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
