from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import HubUnavailable
from clustergateway.model.ocm import MANAGED_CLUSTERS
from clustergateway.model.status import status

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

    def test_one_failure_proves_nothing(self) -> None:
        self.world.gateway.healthy["east"] = False
        before = len(self.world.gateway.probes)
        while len(self.world.gateway.probes) == before:
            self.world.settle(1)
        self.assertEqual(self.available(), ("True", "SuccessfullyProbedHealthz"))
        self.assertEqual(self.world.gateway.written["east"]["healthy"], True)
        self.world.settle(6)
        self.assertEqual(self.available(), ("False", "FailedProbingHealthz"))

    def test_two_failures_with_a_success_between_them(self) -> None:
        for healthy in (False, True, False):
            self.world.gateway.healthy["east"] = healthy
            before = len(self.world.gateway.probes)
            while len(self.world.gateway.probes) == before:
                self.world.settle(1)
        self.assertEqual(self.available(), ("True", "SuccessfullyProbedHealthz"))

    def answers(self, code: int, body: object) -> None:
        self.world.gateway.answers["east"] = code, body
        self.world.settle(130, 5)

    def test_any_answer_of_the_cluster_is_one(self) -> None:
        for code in (403, 404):
            self.answers(code, {"kind": "Status", "message": "no", "details": {}})
            self.assertEqual(self.available(), ("True", "SuccessfullyProbedHealthz"))
        self.assertEqual(self.world.gateway.written["east"]["healthy"], True)

    def test_unwell_by_its_own_word(self) -> None:
        self.answers(500, "[-]etcd failed")
        self.assertEqual(self.available(), ("False", "FailedProbingHealthz"))
        reason = "Unknown: the cluster's /healthz answered 500"
        self.assertEqual(self.world.gateway.written["east"], {"healthy": False, "healthyReason": reason})

    def test_the_hub_s_failure_says_nothing_of_the_cluster(self) -> None:
        self.answers(503, status(HubUnavailable("The hub does not answer.", hop="hub")))
        self.assertEqual(self.available(), ("Unknown", "GatewayUnreachable"))
        self.assertEqual(self.world.gateway.written["east"]["healthy"], True)

    def test_one_that_is_not_routed_to_is_not_probed(self) -> None:
        self.world.gateway.unroutable["east"] = "the Secret is broken"
        self.world.settle(70, 5)
        before = len(self.world.gateway.probes)
        self.world.settle(70, 5)
        self.assertEqual(self.available(), ("False", "NotRouted"))
        self.assertEqual(len(self.world.gateway.probes), before)
        self.assertEqual(self.world.gateway.written["east"]["healthy"], True)

    def accept(self, yes: bool) -> None:
        self.world.patch(MANAGED_CLUSTERS, "east", {"spec": {"hubAcceptsClient": yes}})
        self.world.settle(4)

    def test_accepted_again_it_is_probed_at_once(self) -> None:
        self.accept(False)
        self.assertEqual(self.available(), ("False", "NotRouted"))
        self.accept(True)
        self.assertEqual(self.available(), ("True", "SuccessfullyProbedHealthz"))
