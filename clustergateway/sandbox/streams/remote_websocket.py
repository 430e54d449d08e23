"""exec and attach over WebSocket, subprotocols v5.channel.k8s.io and v4.channel.k8s.io."""

from __future__ import annotations

from collections.abc import Callable

from ...model.channels import V5, Channel, ChannelError, decode_message, encode_message
from ...model.websocket import CloseCode
from .pipe import Gate
from .remote import RemoteCommand, Wire
from .websocket_wire import WebSocketConnection


class WebSocketRemote:
    """
    A L{WebSocketApplication} and the L{Wire} of a L{RemoteCommand}.

    @param subprotocol: one of the two.
    """

    def __init__(self, subprotocol: str, command: Callable[[Wire], RemoteCommand]) -> None:
        self.gate = Gate()
        self._closable = subprotocol == V5
        self._connection: WebSocketConnection | None = None
        self._command = command(self)

    def connected(self, connection: WebSocketConnection) -> None:
        self._connection = connection
        self.gate = connection.gate
        # Older clients wait for a first message before they believe in the connection: kubelets send an empty one.
        self.send(Channel.STDOUT, b"")
        self._command.start()

    def message(self, payload: bytes) -> None:
        try:
            channel, data = decode_message(payload)
        except ChannelError as error:
            assert self._connection is not None
            self._connection.close(CloseCode.PROTOCOL_ERROR, error.message)
            self._command.lost()
            return
        if channel is not Channel.CLOSE:
            self._command.received(channel, data)
        elif self._closable and data == bytes((Channel.STDIN,)):
            self._command.received_end(Channel.STDIN)

    def lost(self) -> None:
        self._command.lost()

    def send(self, channel: Channel, data: bytes) -> None:
        assert self._connection is not None
        self._connection.send(encode_message(channel, data))

    def hold(self, held: bool) -> None:
        assert self._connection is not None
        self._connection.hold(held)

    def finish(self, status: bytes) -> None:
        assert self._connection is not None
        self.send(Channel.ERROR, status)
        self._connection.close()
