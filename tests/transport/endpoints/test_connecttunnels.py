from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ServiceUnavailable, UpstreamRefused
from clustergateway.model.connectproxy import KonnectivityConnect
from clustergateway.testing.wires import MemoryEndpoint, Network
from clustergateway.transport.endpoints.connecttunnels import ConnectTunnels
from clustergateway.transport.endpoints.preamble import PreambleEndpoint

from .test_preamble import Client, Scripted


class ConnectTunnelsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.network = Network()
        self.answer = b"HTTP/1.1 200 Connection established\r\n\r\n"
        self.tunnels = ConnectTunnels(2)
        self.way = MemoryEndpoint(self.network, lambda: Scripted(self.answer))
        tunnel = PreambleEndpoint(
            self.clock, self.way, "the proxy-server", lambda: KonnectivityConnect("c1", 443), 10, self.tunnels
        )
        self.endpoint = self.tunnels.limited(tunnel)

    def connect(self, pump: bool = True) -> Deferred[IProtocol]:
        connecting: Deferred[IProtocol] = self.endpoint.connect(Factory.forProtocol(Client))
        if pump:
            self.network.pump()
        return connecting

    def client(self) -> Client:
        client = self.successResultOf(self.connect())
        assert isinstance(client, Client)
        return client

    def counts(self) -> tuple[int, int, int, int, int]:
        now = self.tunnels
        return now.tunnels, now.unconnected, now.connections, now.dials, now.failures

    def test_a_life(self) -> None:
        connecting = self.connect(pump=False)
        self.assertEqual(self.counts(), (0, 1, 0, 1, 0))
        self.network.pump()
        client = self.successResultOf(connecting)
        self.assertEqual(self.counts(), (1, 0, 1, 1, 0))
        assert isinstance(client, Client) and client.transport is not None
        client.transport.loseConnection()
        self.network.pump()
        self.assertTrue(client.lost)
        self.assertEqual(self.counts(), (0, 0, 0, 1, 0))

    def test_cut(self) -> None:
        client = self.client()
        self.way.wires[0].cut()
        self.assertTrue(client.lost)
        self.assertEqual(self.counts(), (0, 0, 0, 1, 0))

    def test_so_many(self) -> None:
        client = self.client()
        self.client()
        error = self.failureResultOf(self.connect(), ServiceUnavailable).value
        assert isinstance(error, ServiceUnavailable)
        self.assertEqual((error.hop, error.retry_after), ("tunnel", 1))
        self.assertEqual((self.counts(), self.way.attempts), ((2, 0, 2, 3, 1), 2))
        assert client.transport is not None
        client.transport.loseConnection()
        self.network.pump()
        self.client()

    def test_those_being_dialled_count(self) -> None:
        self.answer = b""
        self.connect()
        waiting = self.connect()
        self.failureResultOf(self.connect(), ServiceUnavailable)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertEqual(self.counts(), (0, 1, 0, 3, 2))
        self.assertNoResult(self.connect())

    def test_refused(self) -> None:
        self.answer = b"HTTP/1.1 502 Bad Gateway\r\n\r\n"
        self.failureResultOf(self.connect(), UpstreamRefused)
        self.assertEqual(self.counts(), (0, 0, 0, 1, 1))
