"""One end of conversations with pod streams, in memory: twisted.web on a StringTransport, a Clock, and test clients."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import Site

from clustergateway.model.channels import Channel, decode_message, encode_message
from clustergateway.model.spdy import Data, Encoder, Frame, RstStream, SynStream
from clustergateway.model.spdy import Decoder as SpdyDecoder
from clustergateway.model.websocket import Decoder, Message, Opcode, encode_frame
from clustergateway.sandbox.status import ApiError
from clustergateway.sandbox.streams import PodStreams

MASK = b"\x01\x02\x03\x04"
WEBSOCKET = "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


def make_pod(name: str = "web", **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-of-{name}"},
        "spec": {"containers": [{"name": "main", "env": [{"name": "COLOR", "value": "blue"}]}]},
        "status": {"phase": "Running"} | status,
    }


class _Pods(Resource):
    """What the sandbox's API server does around PodStreams: C{/SUBRESOURCE?query}."""

    isLeaf = True

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def render(self, request: Request) -> int | bytes:
        try:
            return self._world.streams.render(request, self._world.pod, request.path.decode().strip("/"))
        except ApiError as error:
            request.setResponseCode(error.code)
            return error.message.encode()


class World:
    """
    A pod and connections to it.

    @ivar pod: may be changed by tests.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.pod = make_pod()
        self.streams = PodStreams(self.clock, "east")
        self._site = Site(_Pods(self), reactor=self.clock)

    def connect(self) -> Connection:
        return Connection(self._site)

    def get(self, target: str, headers: str = "") -> Connection:
        """A GET of this target."""
        connection = self.connect()
        connection.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode())
        return connection

    def websocket(self, target: str, subprotocol: str = "v5.channel.k8s.io", early: bytes = b"") -> WebSocketClient:
        """
        @param early: sent in the same breath as the request's head.
        """
        connection = self.connect()
        head = f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n{WEBSOCKET}"
        connection.send(f"{head}Sec-WebSocket-Protocol: {subprotocol}\r\n\r\n".encode() + early)
        return WebSocketClient(connection)

    def spdy(self, target: str, protocol: str = "v4.channel.k8s.io") -> SpdyClient:
        connection = self.connect()
        head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n"
        connection.send(f"{head}X-Stream-Protocol-Version: {protocol}\r\n\r\n".encode())
        head_bytes = connection.take_head()
        assert head_bytes.startswith(b"HTTP/1.1 101 "), head_bytes
        return SpdyClient(connection.send, connection.take, connection.lose)

    def breathe(self, times: int = 50) -> None:
        """Let what waits for the next turn of the reactor have many."""
        self.clock.pump([2e-6] * times)


class Connection:
    """Bytes to and from the server."""

    def __init__(self, site: Site) -> None:
        self.transport = StringTransport()
        protocol = site.buildProtocol(IPv4Address("TCP", "127.0.0.1", 50000))
        assert protocol is not None
        self.protocol = protocol
        self.protocol.makeConnection(self.transport)

    def send(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    def take(self) -> bytes:
        """What the server has sent since the last time."""
        data: bytes = self.transport.value()
        self.transport.clear()
        return data

    def take_head(self) -> bytes:
        """The head of the answer; the rest stays."""
        head, _, rest = self.take().partition(b"\r\n\r\n")
        self.transport.write(rest)
        return head

    @property
    def aborted(self) -> bool:
        return bool(self.transport.disconnected)

    @property
    def closed(self) -> bool:
        return bool(self.transport.disconnecting)

    def lose(self) -> None:
        """The client goes away."""
        self.protocol.connectionLost(Failure(ConnectionDone()))

    def stop_reading(self) -> None:
        """The client's receive buffer is full."""
        assert self.transport.producer is not None
        self.transport.producer.pauseProducing()

    def read_again(self) -> None:
        assert self.transport.producer is not None
        self.transport.producer.resumeProducing()


class WebSocketClient:
    """
    The client's end of a WebSocket.

    @ivar head: of the server's answer.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.head = connection.take_head()
        self._decoder = Decoder(masked=False)

    def send(self, payload: bytes, opcode: Opcode = Opcode.BINARY) -> None:
        self.connection.send(encode_frame(opcode, payload, mask=MASK))

    def write(self, channel: Channel, data: bytes) -> None:
        self.send(encode_message(channel, data))

    def messages(self) -> list[Message]:
        return self._decoder.feed(self.connection.take())

    def channels(self) -> dict[Channel, bytes]:
        """What has come since the last time, by channel; channels without bytes are left out."""
        found: dict[Channel, bytes] = defaultdict(bytes)
        for message in self.messages():
            if message.opcode is Opcode.BINARY:
                channel, data = decode_message(message.payload)
                found[channel] += data
        return {channel: data for channel, data in found.items() if data}


class SpdyClient:
    """The client's end of a SPDY connection, on whatever carries its bytes."""

    def __init__(
        self, send: Callable[[bytes], None], take: Callable[[], bytes], lose: Callable[[], None] = lambda: None
    ) -> None:
        self._send = send
        self._take = take
        self.lose = lose
        self._encoder = Encoder()
        self._decoder = SpdyDecoder()
        self._next = 1
        self._kinds: dict[int, str] = {}

    def send(self, *frames: Frame) -> None:
        self._send(b"".join(self._encoder.encode(frame) for frame in frames))

    def open(self, streamtype: str, **headers: str) -> int:
        """A new stream; its id."""
        stream_id, self._next = self._next, self._next + 2
        self._kinds[stream_id] = streamtype
        self.send(SynStream(stream_id, (("streamtype", streamtype), *headers.items())))
        return stream_id

    def write(self, stream_id: int, data: bytes, *, fin: bool = False) -> None:
        self.send(Data(stream_id, data, fin))

    def frames(self) -> list[Frame]:
        return self._decoder.feed(self._take())

    def streams(self) -> tuple[dict[str, bytes], set[str], set[str]]:
        """
        What has come since the last time.

        @return: data by stream type (those with none left out), types of streams that ended, types of those reset.
        """
        data: dict[str, bytes] = defaultdict(bytes)
        ended, aborted = set(), set()
        for frame in self.frames():
            if isinstance(frame, Data):
                data[self._kinds[frame.stream_id]] += frame.data
                if frame.fin:
                    ended.add(self._kinds[frame.stream_id])
            elif isinstance(frame, RstStream):
                aborted.add(self._kinds[frame.stream_id])
        return {kind: value for kind, value in data.items() if value}, ended, aborted


def result_of(deferred: Deferred[Any]) -> Any:
    """The result it has already, or the exception; C{None} while it has none."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    if results and isinstance(results[0], Failure):
        results[0].raiseException()
    return results[0] if results else None
