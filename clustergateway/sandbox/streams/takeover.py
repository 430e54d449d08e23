"""Taking a connection away from twisted.web once its request turns out to be an upgrade."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.http import Request

HANG_UP_TIMEOUT = 10.0  # seconds for the peer to close a connection, too


def hang_up(clock: IReactorTime, transport: Any) -> IDelayedCall:
    """
    Close a connection once all is sent. TLS waits for the peer to agree, but here not for ever.

    @return: to be cancelled when the connection is lost.
    """
    transport.unregisterProducer()
    transport.loseConnection()
    return clock.callLater(HANG_UP_TIMEOUT, transport.abortConnection)


def take_over(request: Request, headers: list[tuple[bytes, bytes]], protocol: Protocol) -> None:
    """
    Answer 101 with these header fields; from then on the connection is the protocol's.

    Bytes that arrived behind the request head reach it first. The request never finishes, but its
    C{notifyFinish} still tells when the connection is lost.
    """
    channel: Any = request.channel
    transport = channel.transport
    http_lost = channel.connectionLost

    def lost(reason: Failure) -> None:
        protocol.connectionLost(reason)
        http_lost(reason)

    early = b"".join(channel._dataBuffer)
    channel._dataBuffer.clear()
    # What follows the head in the bytes being parsed right now comes by rawDataReceived, what arrives later by
    # dataReceived: HTTPChannel is a LineReceiver that turned raw when the request was complete.
    channel.rawDataReceived = channel.dataReceived = protocol.dataReceived
    channel.connectionLost = lost
    transport.unregisterProducer()
    transport.resumeProducing()
    lines = [b"HTTP/1.1 101 Switching Protocols", *(name + b": " + value for name, value in headers), b"", b""]
    transport.write(b"\r\n".join(lines))
    protocol.makeConnection(transport)
    if early:
        protocol.dataReceived(early)


def header_tokens(request: Request, name: bytes) -> list[str]:
    """The comma-separated tokens of every field of this name, in order."""
    values = request.requestHeaders.getRawHeaders(name) or []
    return [token.strip().decode("latin-1") for value in values for token in value.split(b",") if token.strip()]
