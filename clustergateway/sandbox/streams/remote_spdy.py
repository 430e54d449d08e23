"""exec and attach over SPDY/3.1: one SPDY stream for each of stdin, stdout, stderr, error and resize."""

from __future__ import annotations

import json
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from ...model.channels import V4, V5, Channel, exit_code
from .pipe import Gate
from .remote import Options, RemoteCommand, Wire
from .spdy_wire import SpdyConnection, SpdyStream

STREAMS_TIMEOUT = 30.0  # seconds for the client to open them all; kubelets wait as long
CLOSE_TIMEOUT = 10.0  # seconds for the client to hang up at the end
V3, V2 = "v3.channel.k8s.io", "v2.channel.k8s.io"
PROTOCOLS = (V5, V4, V3, V2)
_CHANNELS = {channel.name.lower(): channel for channel in Channel if channel is not Channel.CLOSE}


class SpdyRemote:
    """
    A L{SpdyApplication} and the L{Wire} of a L{RemoteCommand}.

    @param protocol: one of C{PROTOCOLS}. Before v4 the error stream carries a sentence instead of a Status; before v3
        terminals have no resize stream.
    """

    def __init__(
        self, clock: IReactorTime, protocol: str, options: Options, command: Callable[[Wire], RemoteCommand]
    ) -> None:
        self.gate = Gate()
        self._clock = clock
        self._says_status = protocol in (V5, V4)
        self._expected = options.channels() - ({Channel.RESIZE} if protocol == V2 else set())
        self._streams: dict[Channel, SpdyStream] = {}
        self._connection: SpdyConnection | None = None
        self._timer: IDelayedCall | None = None
        self._over = False
        self._command = command(self)

    def connected(self, connection: SpdyConnection) -> None:
        self._connection = connection
        self.gate = connection.gate
        self._timer = self._clock.callLater(STREAMS_TIMEOUT, connection.close)

    def stream_opened(self, stream: SpdyStream) -> bool:
        channel = _CHANNELS.get(stream.header("streamtype").lower())
        if channel is None or channel not in self._expected or channel in self._streams:
            return False
        self._streams[channel] = stream
        if len(self._streams) == len(self._expected):
            self._disarm()
            self._command.start()
        return True

    def stream_data(self, stream: SpdyStream, data: bytes) -> None:
        self._command.received(self._channel(stream), data)

    def stream_ended(self, stream: SpdyStream) -> None:
        self._command.received_end(self._channel(stream))

    def lost(self) -> None:
        self._over = True
        self._disarm()
        self._command.lost()

    def send(self, channel: Channel, data: bytes) -> None:
        self._streams[channel].write(data)

    def hold(self, held: bool) -> None:
        assert self._connection is not None
        self._connection.hold(held)

    def finish(self, status: bytes) -> None:
        if self._over:
            return
        assert self._connection is not None
        self.send(Channel.ERROR, status if self._says_status else _sentence(status))
        for channel in (Channel.STDOUT, Channel.STDERR, Channel.ERROR):
            if channel in self._streams:
                self._streams[channel].end()
        # The client hangs up once it has read it all. Doing it for the client could cut off what is still under way.
        self._disarm()
        self._timer = self._clock.callLater(CLOSE_TIMEOUT, self._connection.close)

    def _channel(self, stream: SpdyStream) -> Channel:
        return next(channel for channel, known in self._streams.items() if known is stream)

    def _disarm(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


def _sentence(status: bytes) -> bytes:
    parsed = json.loads(status)
    return b"" if exit_code(parsed) == 0 else str(parsed["message"]).encode()
