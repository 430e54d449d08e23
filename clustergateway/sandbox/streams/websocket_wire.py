"""The server's end of a WebSocket connection."""

from __future__ import annotations

from typing import Any
from typing import Protocol as Interface

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from ...model.websocket import CloseCode, Decoder, Message, Opcode, WebSocketError, encode_close, encode_frame
from .pipe import Gate
from .takeover import hang_up

CLOSE_TIMEOUT = 10.0  # seconds for the peer to answer a close frame


class WebSocketApplication(Interface):
    """Who uses the connection."""

    def connected(self, connection: WebSocketConnection) -> None: ...

    def message(self, payload: bytes) -> None: ...

    def lost(self) -> None:
        """Nothing more comes, and nothing more need be sent. Called once."""
        ...


class WebSocketConnection(Protocol):
    """
    Frames on the transport, messages to the application.

    @ivar gate: whether the peer takes more.
    """

    transport: Any

    def __init__(self, clock: IReactorTime, application: WebSocketApplication) -> None:
        self.gate = Gate()
        self._clock = clock
        self._application = application
        self._decoder = Decoder(masked=True)
        self._closing: IDelayedCall | None = None
        self._over = False

    def connectionMade(self) -> None:
        self.transport.registerProducer(self.gate, True)
        self._application.connected(self)

    def send(self, payload: bytes) -> None:
        """One binary message. Ignored once closed."""
        if self._closing is None:
            self._write(Opcode.BINARY, payload)

    def hold(self, held: bool) -> None:
        """Stop reading from the peer, or go on."""
        if held:
            self.transport.pauseProducing()
        else:
            self.transport.resumeProducing()

    def close(self, code: CloseCode = CloseCode.NORMAL, reason: str = "") -> None:
        """Say that it is over, and give the peer a moment to agree."""
        if self._closing is None and not self._over:
            self._write(Opcode.CLOSE, encode_close(code, reason))
            self._closing = self._clock.callLater(CLOSE_TIMEOUT, self._lose)
            self.hold(False)

    def dataReceived(self, data: bytes) -> None:
        if self._over:
            return
        try:
            messages = self._decoder.feed(data)
        except WebSocketError as error:
            self.close(error.close_code, error.message)
            self._lose()
            return
        for message in messages:
            self._message(message)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._disarm()
        self.gate.stopProducing()
        self._end()

    def _message(self, message: Message) -> None:
        if message.opcode is Opcode.CLOSE:
            if self._closing is None:
                self._write(Opcode.CLOSE, message.payload[:2])
            self._lose()
        elif message.opcode is Opcode.PING:
            # To a peer that sends and does not read, answers would pile up.
            if self.gate.is_open and self._closing is None:
                self._write(Opcode.PONG, message.payload)
        elif message.opcode is not Opcode.PONG and self._closing is None and not self._over:
            self._application.message(message.payload)

    def _write(self, opcode: Opcode, payload: bytes) -> None:
        if not self._over:
            self.transport.write(encode_frame(opcode, payload))

    def _lose(self) -> None:
        self._disarm()
        self._end()
        self._closing = hang_up(self._clock, self.transport)

    def _disarm(self) -> None:
        if self._closing is not None and self._closing.active():
            self._closing.cancel()

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._application.lost()
