"""
pods/portforward over SPDY/3.1. For each forwarded connection the client opens an error stream and a data stream with
the same C{requestid}.
"""

from __future__ import annotations

from .pipe import Gate
from .portforward import Connection, Forwards
from .spdy_wire import SpdyConnection, SpdyStream
from .websocket_wire import WebSocketConnection

PROTOCOL = "portforward.k8s.io"


class SpdyPortForward:
    """A L{SpdyApplication} that joins data streams to what listens in a pod."""

    def __init__(self, forwards: Forwards) -> None:
        self._forwards = forwards
        self._waiting: dict[tuple[str, str], SpdyStream] = {}
        self._connections: dict[SpdyStream, Connection] = {}

    def connected(self, connection: SpdyConnection) -> None:
        self._forwards.wired(connection)

    def stream_opened(self, stream: SpdyStream) -> bool:
        kind, port = stream.header("streamtype").lower(), stream.header("port")
        if kind not in ("error", "data") or not (port.isascii() and port.isdigit()) or not 0 < int(port[:6]) < 1 << 16:
            return False
        # Clients older than request ids open the two streams one after the other.
        request = stream.header("requestid") or str(stream.stream_id - 2 * (kind == "data"))
        if (request, kind) in self._waiting:
            return False
        other = self._waiting.pop((request, "data" if kind == "error" else "error"), None)
        if other is None:
            self._waiting[request, kind] = stream
            return True
        data, error = (stream, other) if kind == "data" else (other, stream)
        connection = self._forwards.connect(int(port), data, error)
        if connection is not None:
            self._connections[data] = connection
        return True

    def stream_data(self, stream: SpdyStream, data: bytes) -> None:
        if stream in self._connections:
            self._connections[stream].received(data)

    def stream_ended(self, stream: SpdyStream) -> None:
        if stream in self._connections:
            self._connections.pop(stream).received_end()
        elif stream.sent_end:
            self._waiting = {key: waiting for key, waiting in self._waiting.items() if waiting is not stream}

    def lost(self) -> None:
        self._waiting.clear()
        self._connections.clear()
        self._forwards.lost()


class Tunnel:
    """
    SPDY inside WebSocket messages, subprotocol C{SPDY/3.1+portforward.k8s.io}: a L{WebSocketApplication}, and the
    transport of a L{SpdyConnection}.
    """

    def __init__(self, spdy: SpdyConnection) -> None:
        self._spdy = spdy
        self._connection: WebSocketConnection | None = None

    def connected(self, connection: WebSocketConnection) -> None:
        self._connection = connection
        self._spdy.makeConnection(self)

    def message(self, payload: bytes) -> None:
        self._spdy.dataReceived(payload)

    def lost(self) -> None:
        self._spdy.connectionLost()

    # As a transport.

    def write(self, data: bytes) -> None:
        assert self._connection is not None
        self._connection.send(data)

    def loseConnection(self) -> None:
        assert self._connection is not None
        self._connection.close()

    def abortConnection(self) -> None:
        self.loseConnection()

    def registerProducer(self, producer: Gate, streaming: bool) -> None:
        assert self._connection is not None
        self._connection.gate.followers.add(producer)

    def unregisterProducer(self) -> None:
        assert self._connection is not None
        self._connection.gate.followers.clear()

    def pauseProducing(self) -> None:
        assert self._connection is not None
        self._connection.hold(True)

    def resumeProducing(self) -> None:
        assert self._connection is not None
        self._connection.hold(False)
