"""
Kubernetes' remote command messages over WebSocket, subprotocols C{v5.channel.k8s.io} and C{v4.channel.k8s.io}: a
channel byte, then that channel's bytes. And what travels in the error and resize channels, which SPDY shares.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ..errors import BadRequest

V5 = "v5.channel.k8s.io"
V4 = "v4.channel.k8s.io"
PORT_FORWARD_TUNNEL = "SPDY/3.1+portforward.k8s.io"


class Channel(IntEnum):
    """
    The first byte of a message.

    C{CLOSE} (v5 only) carries one byte: the channel of which the sender has written its last byte.
    """

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    ERROR = 3
    RESIZE = 4
    CLOSE = 255


class ChannelError(BadRequest):
    """A remote command message cannot be understood."""


@dataclass(frozen=True, slots=True)
class TerminalSize:
    """In characters."""

    width: int
    height: int


def encode_message(channel: Channel, data: bytes) -> bytes:
    """The WebSocket message that carries these bytes of this channel."""
    return bytes((channel,)) + data


def encode_close(channel: Channel) -> bytes:
    """The v5 message that half-closes a channel."""
    return bytes((Channel.CLOSE, channel))


def decode_message(message: bytes) -> tuple[Channel, bytes]:
    """
    @raise ChannelError: the message is empty or the channel unknown.
    """
    if not message:
        raise ChannelError("a remote command message has no channel")
    try:
        return Channel(message[0]), message[1:]
    except ValueError:
        raise ChannelError(f"unknown remote command channel {message[0]}") from None


def encode_size(size: TerminalSize) -> bytes:
    """The content of a resize message."""
    return json.dumps({"Width": size.width, "Height": size.height}, separators=(",", ":")).encode()


def decode_size(data: bytes) -> TerminalSize:
    """
    @raise ChannelError: it is not a terminal size.
    """
    try:
        value = json.loads(data)
        size = TerminalSize(value["Width"], value["Height"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ChannelError("a resize message is not a terminal size") from None
    # Both are uint16 in client-go's TerminalSize.
    if not all(type(side) is int and 0 <= side < 1 << 16 for side in (size.width, size.height)):
        raise ChannelError("a resize message is not a terminal size")
    return size


def exit_status(code: int) -> dict[str, Any]:
    """The metav1.Status that ends a command which ran and exited with this code."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def failure_status(message: str) -> dict[str, Any]:
    """The metav1.Status that ends a command which could not be run."""
    return {"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500}


def exit_code(status: dict[str, Any]) -> int | None:
    """
    What a command's final metav1.Status says about its exit code.

    @return: C{None} when the command did not run, or the status does not tell.
    """
    if status.get("status") == "Success":
        return 0
    if status.get("reason") != "NonZeroExitCode":
        return None
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    for cause in causes if isinstance(causes, list) else ():
        if isinstance(cause, dict) and cause.get("reason") == "ExitCode":
            text = str(cause.get("message", ""))
            return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
    return None
