"""
A konnectivity proxy-server with its agents, in memory or behind any listening port.

Its HTTP/2 is hyper-h2 to the last frame, flow control included, so what a client gets wrong is found. By itself it does
what the real one does; a test can also take everything into its own hands (C{automatic = False}).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, PingAckReceived, RequestReceived, StreamEnded, StreamReset, WindowUpdated
from h2.settings import SettingCodes, Settings
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IAddress, IProtocol, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from ..model.grpcframes import Messages, prefix
from ..model.konnectivity import (
    NO_AGENT,
    CloseDial,
    CloseRequest,
    CloseResponse,
    Data,
    DialRequest,
    DialResponse,
    Packet,
    decode,
    encode,
)

_HEADERS = [(":status", "200"), ("content-type", "application/grpc")]


class ProxyServer(Factory):
    """
    @ivar far_ends: by C{host:port}, where an agent connects to.
    @ivar agents: whether any agent is there.
    @ivar automatic: dial, relay and close as asked, and open windows as bytes arrive.
    @ivar settings: sent to each client at its start.
    @ivar connection_window: how much a client may send in all its streams together before it is given credit.
    @ivar connections: all that are open.
    """

    noisy = False

    def __init__(self) -> None:
        self.far_ends: dict[str, IStreamClientEndpoint] = {}
        self.agents = True
        self.automatic = True
        self.settings: dict[SettingCodes, int] = {}
        self.connection_window = 1 << 30
        self.connections: list[Connection] = []
        self.ids = count(1)

    def buildProtocol(self, addr: IAddress | None) -> Connection:
        """A client came."""
        return Connection(self)


class Connection(Protocol):
    """
    A client's HTTP/2 connection.

    @ivar heard: the packets that came, each with the number of its stream.
    @ivar ended: streams that the client ended or reset.
    @ivar pongs: what came back of L{ping}s.
    """

    def __init__(self, server: ProxyServer) -> None:
        self.heard: list[tuple[int, Packet]] = []
        self.headers: dict[int, dict[str, str]] = {}
        self.ended: list[int] = []
        self.pongs: list[bytes] = []
        self._answered: set[int] = set()
        self.streams: dict[int, _Stream] = {}
        self.server = server
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))

    def connectionMade(self) -> None:
        """Send the settings."""
        self.server.connections.append(self)
        initial = {SettingCodes(code): value for code, value in self.h2.local_settings.items()}
        self.h2.local_settings = Settings(client=False, initial_values=initial | self.server.settings)
        self.h2.initiate_connection()
        if self.server.connection_window > 65535:
            self.h2.increment_flow_control_window(self.server.connection_window - 65535)
        self.flush()

    def dataReceived(self, data: bytes) -> None:
        """Take frames."""
        for event in self.h2.receive_data(data):
            self._happened(event)
        self.flush()

    def _happened(self, event: Event) -> None:
        if isinstance(event, RequestReceived):
            assert event.stream_id and event.headers
            self.headers[event.stream_id] = {str(k): str(v) for k, v in event.headers}
            self.streams[event.stream_id] = _Stream(self, event.stream_id)
        elif isinstance(event, DataReceived):
            assert event.stream_id
            self.streams[event.stream_id].received(event.data or b"", event.flow_controlled_length or 0)
        elif isinstance(event, WindowUpdated):
            for stream in tuple(self.streams.values()):
                stream.flush()
        elif isinstance(event, PingAckReceived):
            self.pongs.append(event.ping_data or b"")
        elif isinstance(event, StreamEnded | StreamReset):
            assert event.stream_id
            self._gone(event.stream_id)

    def _gone(self, number: int) -> None:
        self.ended.append(number)
        stream = self.streams.pop(number, None)
        if stream is not None:
            stream.gone()

    def flush(self) -> None:
        """Send what h2 has to say."""
        data = self.h2.data_to_send()
        if data and self.transport is not None:
            self.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The agents' connections go with it."""
        self.server.connections.remove(self)
        for stream in self.streams.values():
            stream.gone()

    # For tests that do everything themselves.

    def send(self, stream: int, packet: Packet) -> None:
        """Send one packet."""
        self.send_bytes(stream, encode(packet))

    def send_bytes(self, stream: int, message: bytes) -> None:
        """Send a message that need not be a packet. Headers go with the first one, as gRPC does it."""
        if stream not in self._answered:
            self._answered.add(stream)
            self.h2.send_headers(stream, _HEADERS)
        self.streams[stream].send(prefix(len(message)) + message)
        self.flush()

    def credit(self, stream: int, size: int) -> None:
        """Let the client send so many bytes more in a stream, or (0) in all together."""
        self.h2.increment_flow_control_window(size, stream or None)
        self.flush()

    def finish(self, stream: int, status: str, message: str = "") -> None:
        """End a stream as gRPC does."""
        headers = [] if stream in self._answered else _HEADERS
        trailers = [("grpc-status", status), ("grpc-message", message)]
        self.h2.send_headers(stream, [*headers, *trailers], end_stream=True)
        self.flush()

    def reset(self, stream: int) -> None:
        """Reset a stream."""
        self.streams.pop(stream).gone()
        self.h2.reset_stream(stream, ErrorCodes.INTERNAL_ERROR)
        self.flush()

    def go_away(self, last: int) -> None:
        """Take no more streams; those above C{last} were not looked at. h2 itself would stop everything here."""
        assert self.transport is not None
        payload = last.to_bytes(4, "big") + b"\0\0\0\0"
        self.transport.write(len(payload).to_bytes(3, "big") + b"\x07\x00\x00\x00\x00\x00" + payload)

    def ping(self, data: bytes) -> None:
        """Ask for 8 bytes back."""
        self.h2.ping(data)
        self.flush()

    def limit(self, streams: int) -> None:
        """Change how many streams the client may have."""
        self.h2.update_settings({SettingCodes.MAX_CONCURRENT_STREAMS: streams})
        self.flush()


class _Stream:
    """One tunnel, as the server sees it."""

    def __init__(self, connection: Connection, number: int) -> None:
        self._connection = connection
        self._number = number
        self._messages = Messages()
        self._queue = b""
        self._far: _FarEnd | None = None
        self._dialling: Deferred[IProtocol] | None = None

    def received(self, data: bytes, size: int) -> None:
        connection = self._connection
        if connection.server.automatic and size:
            connection.h2.acknowledge_received_data(size, self._number)
        for message in self._messages.feed(data):
            packet = decode(message)
            connection.heard.append((self._number, packet))
            if connection.server.automatic:
                self._serve(packet)

    def _serve(self, packet: Packet) -> None:
        match packet:
            case DialRequest(address, random):
                self._dial(address, random)
            case Data(_, data) if self._far is not None:
                self._far.write(data)
            case CloseRequest(connect_id):
                self.gone()
                self.answer(CloseResponse(connect_id))
            case CloseDial():
                self.gone()

    def _dial(self, address: str, random: int) -> None:
        server = self._connection.server
        way = server.far_ends.get(address)
        if not server.agents:
            self.answer(DialResponse(random, error=NO_AGENT))
        elif way is None:
            self.answer(DialResponse(random, error=f"dial tcp {address}: connect: connection refused"))
        else:
            connect_id = next(server.ids)
            self._dialling = way.connect(Factory.forProtocol(lambda: _FarEnd(self.answer, connect_id)))
            self._dialling.addCallbacks(self._dialled, self._failed, (random, connect_id), {}, (random,))

    def _dialled(self, far: IProtocol, random: int, connect_id: int) -> None:
        assert isinstance(far, _FarEnd)
        self._far, self._dialling = far, None
        self.answer(DialResponse(random, connect_id))

    def _failed(self, failure: Failure, random: int) -> None:
        self.answer(DialResponse(random, error=failure.getErrorMessage()))

    def answer(self, packet: Packet) -> None:
        if self._number in self._connection.streams:
            self._connection.send(self._number, packet)

    def send(self, data: bytes) -> None:
        self._queue += data
        self.flush()

    def flush(self) -> None:
        h2 = self._connection.h2
        while self._queue:
            size = min(len(self._queue), h2.local_flow_control_window(self._number), h2.max_outbound_frame_size)
            if size <= 0:
                break
            h2.send_data(self._number, self._queue[:size])
            self._queue = self._queue[size:]

    def gone(self) -> None:
        """The client has no more use for it."""
        far, self._far = self._far, None
        if far is not None:
            far.hang_up()
        if self._dialling is not None:
            self._dialling.addErrback(lambda _: None)
            self._dialling.cancel()


class _FarEnd(Protocol):
    """The agent's connection."""

    def __init__(self, answer: Callable[[Packet], None], connect_id: int) -> None:
        self._answer = answer
        self._id = connect_id

    def write(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)

    def dataReceived(self, data: bytes) -> None:
        # As agents do: what was read in pieces of 4 KiB.
        for at in range(0, len(data), 4096):
            self._answer(Data(self._id, data[at : at + 4096]))

    def hang_up(self) -> None:
        self._answer = lambda _: None
        assert self.transport is not None
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._answer(CloseResponse(self._id))
