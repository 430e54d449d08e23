from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.addon.prober import reason
from clustergateway.errors import Forbidden, GatewayError, HubUnavailable

from .world import World


class ProberTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.addCleanup(self.world.stop)
        self.world.gateway.healthy = {"east": True}
        self.world.install()
        self.world.join("east")
        self.world.manager()

    def available(self, name: str = "east") -> tuple[str, str]:
        addon = self.world.get(self.world.types.managed_addons, "cluster-gateway", name)
        return self.world.condition(addon, "Available")

    def test_healthy(self) -> None:
        self.assertEqual(self.available(), ("True", "SuccessfullyProbedHealthz"))
        self.assertEqual(self.world.gateway.written, {"east": {"healthy": True, "healthyReason": ""}})

    def test_ocm_expects_no_lease(self) -> None:
        addon = self.world.need(self.world.types.managed_addons, "cluster-gateway", "east")
        self.assertEqual(addon["status"]["healthCheck"], {"mode": "Customized"})

    def test_dies_and_comes_back(self) -> None:
        self.world.gateway.healthy["east"] = False
        self.world.settle(70, 5)
        self.assertEqual(self.available(), ("False", "FailedProbingHealthz"))
        self.assertEqual(self.world.gateway.written["east"], {"healthy": False, "healthyReason": "ConnectionTimeout"})
        self.world.gateway.healthy["east"] = True
        self.world.settle(70, 5)
        self.assertEqual(self.available(), ("True", "SuccessfullyProbedHealthz"))
        self.assertEqual(self.world.gateway.written["east"]["healthy"], True)

    def test_unchanged_health_is_not_written_again(self) -> None:
        self.world.gateway.written["east"]["healthyReason"] = ""
        marked = self.world.gateway.written["east"]
        self.world.settle(200, 10)
        self.assertGreater(len(self.world.gateway.probes), 3)
        self.assertIs(self.world.gateway.written["east"], marked)

    def test_gateway_away_says_nothing_of_the_cluster(self) -> None:
        self.world.gateway.away = True
        self.world.settle(70, 5)
        self.assertEqual(self.available(), ("Unknown", "GatewayUnreachable"))
        self.assertEqual(self.world.gateway.written["east"]["healthy"], True)

    def test_no_gateway_of_the_name(self) -> None:
        self.world.join("west")
        self.world.settle()
        self.assertEqual(self.available("west"), ("False", "ClusterGatewayNotRegistered"))

    def test_one_that_left_is_not_probed(self) -> None:
        self.world.leave("east")
        self.world.settle()
        before = len(self.world.gateway.probes)
        self.world.settle(200, 10)
        self.assertEqual(len(self.world.gateway.probes), before)


class ReasonTests(SynchronousTestCase):
    def test_known_ones(self) -> None:
        for problem, expected in (
            (HubUnavailable("TLS handshake failed"), "CertificateMismatch"),
            (HubUnavailable("The hub did not answer within 10 s."), "ConnectionTimeout"),
            (HubUnavailable("refused"), "Unknown: refused"),
            (Forbidden("no"), "Unknown: the gateway may not read /healthz: no"),
            (GatewayError("odd"), "Unknown: odd"),
        ):
            self.assertEqual(reason(problem), expected)
