from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError, NoProtocol
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import (
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamReset,
    UpstreamTimeout,
    UpstreamUnresolvable,
)
from clustergateway.model.connectproxy import Connect
from clustergateway.model.socks5 import Socks5
from clustergateway.testing.wires import MemoryEndpoint, Network
from clustergateway.transport.endpoints.preamble import PreambleEndpoint


class Scripted(Protocol):
    """A proxy that has its answers ready."""

    def __init__(self, *answers: bytes) -> None:
        self.heard: list[bytes] = []
        self.lost = False
        self._answers = list(answers)

    def dataReceived(self, data: bytes) -> None:
        self.heard.append(data)
        if self._answers:
            assert self.transport is not None
            self.transport.write(self._answers.pop(0))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True


class Client(Protocol):
    def __init__(self) -> None:
        self.got = b""
        self.lost = False

    def dataReceived(self, data: bytes) -> None:
        self.got += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = True


class PreambleEndpointTests(SynchronousTestCase):
    """Through a proxy that follows a script."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.network = Network()

    def script(self, *answers: bytes) -> None:
        self.proxy = Scripted(*answers)
        self.way = MemoryEndpoint(self.network, lambda: self.proxy)

    def endpoint(self, host: str = "c1") -> IStreamClientEndpoint:
        endpoint: IStreamClientEndpoint = PreambleEndpoint(
            self.clock, self.way, "http proxy p:3128", lambda: Connect(host, 443, b"Basic secret"), 10
        )
        return endpoint

    def connect(self) -> Deferred[IProtocol]:
        connected = self.endpoint().connect(Factory.forProtocol(Client))
        self.network.pump()
        return connected

    def test_the_connection_is_given_away(self) -> None:
        self.script(b"HTTP/1.1 200 OK\r\n\r\n", b"answer")
        client = self.successResultOf(self.connect())
        assert isinstance(client, Client) and client.transport is not None
        client.transport.write(b"question")
        self.network.pump()
        self.assertEqual(([b"question"], b"answer"), (self.proxy.heard[1:], client.got))
        self.assertEqual([], self.clock.getDelayedCalls())
        client.transport.loseConnection()
        self.network.pump()
        self.assertTrue(client.lost)

    def test_bytes_behind_the_answer(self) -> None:
        self.script(b"HTTP/1.1 200 OK\r\n\r\nearly")
        client = self.successResultOf(self.connect())
        assert isinstance(client, Client)
        self.assertEqual(b"early", client.got)

    def test_several_rounds(self) -> None:
        self.script(b"\x05\x02", b"\x01\x00", b"\x05\x00\x00\x01\0\0\0\0\0\0")
        endpoint = PreambleEndpoint(self.clock, self.way, "p", lambda: Socks5("c1", 443, b"u", b"p"), 10)
        connected = endpoint.connect(Factory.forProtocol(Client))
        self.network.pump()
        self.successResultOf(connected)
        self.assertEqual(3, len(self.proxy.heard))

    def test_refused(self) -> None:
        self.script(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        error = self.failureResultOf(self.connect(), UpstreamRefused).value
        self.assertIn("http proxy p:3128", str(error))
        self.assertNotIn("secret", str(error))
        self.assertTrue(self.proxy.lost)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_nonsense(self) -> None:
        self.script(b"SSH-2.0-OpenSSH")
        self.failureResultOf(self.connect(), UpstreamMalformed)
        self.assertTrue(self.proxy.lost)

    def test_hung_up(self) -> None:
        self.script()
        connected = self.connect()
        self.way.wires[0].cut()
        error = self.failureResultOf(connected, UpstreamReset).value
        self.assertEqual("proxy", error.hop)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_no_proxy(self) -> None:
        self.script()
        self.way.refusal = ConnectionRefusedError()
        error = self.failureResultOf(self.connect(), UpstreamRefused).value
        self.assertEqual("proxy", error.hop)
        self.assertIn("http proxy p:3128", str(error))

    def test_a_proxy_that_does_not_connect(self) -> None:
        self.script()
        self.way.silent = True
        connected = self.connect()
        self.clock.advance(10)
        self.failureResultOf(connected, UpstreamTimeout)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_a_proxy_that_does_not_answer(self) -> None:
        self.script()
        connected = self.connect()
        self.clock.advance(9.9)
        self.assertNoResult(connected)
        self.clock.advance(0.1)
        self.failureResultOf(connected, UpstreamTimeout)
        self.network.pump()
        self.assertTrue(self.proxy.lost)

    def test_cancelled(self) -> None:
        self.script()
        connected = self.connect()
        connected.cancel()
        self.failureResultOf(connected, CancelledError)
        self.network.pump()
        self.assertTrue(self.proxy.lost)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_a_name_that_cannot_be_asked_for(self) -> None:
        self.script()
        connected = self.endpoint("a b").connect(Factory.forProtocol(Client))
        self.failureResultOf(connected, UpstreamUnresolvable)
        self.assertEqual(0, self.way.attempts)

    def test_a_factory_that_changes_its_mind(self) -> None:
        self.script(b"HTTP/1.1 200 OK\r\n\r\n")
        refusing = Factory()
        refusing.buildProtocol = lambda addr: None  # type: ignore[method-assign]
        connected = self.endpoint().connect(refusing)
        self.network.pump()
        self.failureResultOf(connected, NoProtocol)
        self.assertTrue(self.proxy.lost)
