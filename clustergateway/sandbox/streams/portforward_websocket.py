"""
pods/portforward over WebSocket, subprotocol C{v4.channel.k8s.io}, as the official Python client speaks it: the ports
are in the query; each has a data channel and, one higher, an error channel, which both begin with the port's number.
"""

from __future__ import annotations

from collections.abc import Sequence

from .portforward import Connection, Forwards
from .websocket_wire import WebSocketConnection


class WebSocketPortForward:
    """A L{WebSocketApplication} that joins data channels to what listens in a pod."""

    def __init__(self, forwards: Forwards, ports: Sequence[int]) -> None:
        self._forwards = forwards
        self._ports = ports
        self._connections: dict[int, Connection] = {}

    def connected(self, connection: WebSocketConnection) -> None:
        self._forwards.wired(connection)
        for index, port in enumerate(self._ports):
            data, error = (_Channel(connection, 2 * index + offset) for offset in (0, 1))
            for channel in (data, error):
                channel.write(port.to_bytes(2, "little"))
            opened = self._forwards.connect(port, data, error)
            if opened is not None:
                self._connections[2 * index] = opened

    def message(self, payload: bytes) -> None:
        if payload[:1] and payload[0] in self._connections:
            self._connections[payload[0]].received(payload[1:])

    def lost(self) -> None:
        self._forwards.lost()


class _Channel:
    """An L{Outlet}. This subprotocol cannot say that a channel has ended."""

    def __init__(self, connection: WebSocketConnection, number: int) -> None:
        self._connection = connection
        self._number = number

    def write(self, data: bytes) -> None:
        self._connection.send(bytes((self._number,)) + data)

    def end(self) -> None:
        pass

    def abort(self) -> None:
        pass
