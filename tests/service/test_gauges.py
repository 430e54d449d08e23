"""Tests for L{clustergateway.service.gauges}."""

from __future__ import annotations

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.service.gauges import tunnel_readings
from clustergateway.transport.endpoints.route import ProxyMode, RouteConfig, Routes

MODES: tuple[ProxyMode, ...] = ("grpc", "http-connect")


class TunnelTests(SynchronousTestCase):
    def test_the_same_in_both_modes(self) -> None:
        found = []
        for mode in MODES:
            routes = Routes(MemoryReactorClock(), RouteConfig((("proxy", 8090),), mode))
            assert routes.tunnels is not None
            found.append(list(tunnel_readings(routes.tunnels)))
        self.assertEqual(found[0], found[1])
        self.assertEqual(
            [name for name, *_ in found[0]],
            [
                "clustergateway_tunnels",
                "clustergateway_tunnels_unconnected",
                "clustergateway_proxy_server_connections",
                "clustergateway_tunnel_dials",
                "clustergateway_tunnel_dial_failures",
            ],
        )
