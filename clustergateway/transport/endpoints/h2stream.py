"""One stream of bytes in an HTTP/2 connection, with its flow control in both directions."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ...errors import GatewayError, UpstreamMalformed
from ...model.h2frames import window_update

if TYPE_CHECKING:
    from .h2session import H2Session, StreamListener

_TURN = 1 << 16
"""What a stream may send before others that wait for the same connection have their turn, bytes."""


class H2Stream:
    """
    Made by L{H2Session.open}.

    @ivar window: how many bytes the server takes at present.
    @ivar held: how many bytes wait to be sent.
    @ivar headers: the server's headers, then its trailers.
    """

    __slots__ = (
        "_ended",
        "_listener",
        "_parts",
        "_paused",
        "_queue",
        "_session",
        "_uncredited",
        "headers",
        "held",
        "number",
        "window",
    )

    def __init__(self, session: H2Session, number: int, window: int, listener: StreamListener) -> None:
        self.number = number
        self.window = window
        self.held = 0
        self.headers: dict[str, str] = {}
        self._session = session
        self._listener: StreamListener | None = listener
        self._queue: deque[bytes] = deque()
        self._parts: list[bytes] = []
        self._uncredited = 0
        self._paused = False
        self._ended: GatewayError | None = None

    # From this side.

    def write(self, data: bytes) -> bool:
        """
        Send, as far as the windows allow; keep the rest.

        @return: whether all of it is on its way. If not, L{StreamListener.drained} tells when it is.
        """
        size = len(data)
        session = self._session
        if not self.held and size <= self.window and size <= session.window and not session.paused:
            self.window -= size
            session.send_data(self.number, data)
            return True
        if self._ended is not None or self._listener is None:
            return True  # nobody will ever take it
        self._queue.append(data)
        self.held += size
        self._send()
        session.unblock()
        return not self.held

    def flush(self) -> None:
        """The server, or the connection, takes more."""
        if self.held:
            self._send()
            if not self.held and self._listener is not None:
                self._listener.drained()

    def _send(self) -> None:
        session = self._session
        turn = _TURN
        while self.held and turn > 0:
            most = min(self.window, session.window, turn)
            if most <= 0 or session.paused:
                break
            data = self._queue.popleft()
            if len(data) > most:
                self._queue.appendleft(data[most:])
                data = data[:most]
            self.held -= len(data)
            turn -= len(data)
            self.window -= len(data)
            session.send_data(self.number, data)
        if self.held and self.window > 0:
            session.blocked[self] = None

    def pause(self) -> None:
        """Deliver nothing more: the server may fill the window and is then stopped by it."""
        self._paused = True

    def resume(self) -> None:
        """Deliver what waited, and go on."""
        self._paused = False
        self.deliver()

    def reset(self) -> None:
        """End the stream. The listener hears nothing any more."""
        self._listener = None
        self._forget()
        self._session.reset(self)

    def _forget(self) -> None:
        self._queue.clear()
        self._parts.clear()
        self.held = 0

    # From the session.

    def arrived(self, data: bytes, size: int) -> None:
        """Part of a stream came, C{size} of the window with it."""
        self._uncredited += size
        if self._uncredited > self._session.stream_window:
            raise UpstreamMalformed("more was sent than the window allows")
        self._parts.append(data)

    def deliver(self) -> None:
        """Hand over what arrived, and let the server send as much again."""
        while self._parts and not self._paused and self._listener is not None:
            data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
            self._parts.clear()
            self._listener.bytes_received(data)
        if self._paused or self._listener is None:
            return
        if self._ended is not None:
            listener, self._listener = self._listener, None
            listener.stream_ended(self._ended)
        elif self._uncredited >= self._session.stream_window // 2:
            self._session.write(window_update(self.number, self._uncredited))
            self._uncredited = 0

    def over(self, error: GatewayError) -> None:
        """The stream is over. A paused listener is told when it has taken what came before."""
        self._ended = error
        self._queue.clear()
        self.held = 0
        self.deliver()
