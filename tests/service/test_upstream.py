from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.clusters.breaker import Breakers
from clustergateway.credentials.static import FixedEntry
from clustergateway.errors import ConfigurationError, GatewayError
from clustergateway.model.gateway import ClusterGateway, Endpoint, NoCredential
from clustergateway.service.upstream import PoolBuilder
from clustergateway.settings import Settings
from clustergateway.transport.endpoints.route import RouteConfig, Routes
from clustergateway.transport.pool import Pool

DIRECT = Endpoint("10.0.0.1", 6443, insecure=True)
TUNNELLED = Endpoint("east", 443, insecure=True, via_cluster_proxy=True)


class Waiting:
    """Wants a connection."""

    def take(self, outbound: Any) -> None: ...

    def connect_failed(self, error: GatewayError) -> None: ...


class PoolBuilderTests(SynchronousTestCase):
    """With endpoints of several kinds; there is no konnectivity here."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        routes = Routes(self.reactor, RouteConfig())
        breakers = Breakers(self.reactor, lambda: 0.5)
        self.builder = PoolBuilder(self.reactor, Settings(), routes, "merged", breakers)

    def build(self, *endpoints: Endpoint) -> Pool:
        return self.builder.build(ClusterGateway("east", endpoints, NoCredential()), FixedEntry())

    def dialled(self, pool: Pool) -> list[tuple[str, int]]:
        pool.acquire(Waiting())
        return [(host, port) for host, port, *_ in self.reactor.tcpClients]

    def test_the_preferred_one_is_dialled(self) -> None:
        self.assertEqual([("10.0.0.1", 6443)], self.dialled(self.build(DIRECT, Endpoint("10.0.0.2", 6443))))

    def test_one_that_cannot_be_used_here_is_passed_over(self) -> None:
        self.assertEqual([("10.0.0.1", 6443)], self.dialled(self.build(TUNNELLED, DIRECT)))

    def test_none_can_be_used_here(self) -> None:
        error = self.assertRaises(ConfigurationError, self.build, TUNNELLED, TUNNELLED)
        self.assertIn("no --proxy-host is set", error.message)
