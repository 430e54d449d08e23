"""A manager that is killed after any of its writes is followed by one that finishes: no duplicate, no leak."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.addon import CONFIGURATIONS
from clustergateway.model.manifestwork import MANIFEST_WORKS
from clustergateway.model.ocm import MANAGED_CLUSTERS

from .test_installer import EVERYTHING
from .world import ACCOUNTS, World


class RestartTests(SynchronousTestCase):
    def state(self, world: World) -> Any:
        addons = (world.types.cluster_addons, world.types.managed_addons)
        kinds = (*EVERYTHING, ACCOUNTS, MANIFEST_WORKS, CONFIGURATIONS, *addons, MANAGED_CLUSTERS)
        return sorted(
            (
                kind.kind,
                each["metadata"].get("namespace", ""),
                each["metadata"]["name"],
                sorted(each["metadata"].get("finalizers", ())),
                sorted((one["type"], one["status"]) for one in each.get("status", {}).get("conditions", ())),
                sorted(each.get("data") or ()),
            )
            for kind in kinds
            for each in world.every(kind)
        )

    def run_with_death(self, prepare: Any, step: int | None) -> tuple[Any, int]:
        """
        @param step: the first manager dies when it has written so often; C{None}: it lives.
        @return: what there is at the end, and how often the first wrote.
        """
        world = World()
        world.gateway.healthy = {"east": True}
        prepare(world)
        first = world.manager(dies_after=step, seconds=5)
        if step is not None:
            first.stop()
            world.manager(seconds=5)
        world.settle(60, 20)
        found = self.state(world)
        world.stop()
        return found, world.clients[-1 if step is None else -2].writes

    def check(self, prepare: Any) -> Any:
        """
        @return: what there is at the end, whichever write was a manager's last.
        """
        expected, writes = self.run_with_death(prepare, None)
        self.assertGreater(writes, 10)
        for step in range(writes):
            found, done = self.run_with_death(prepare, step)
            self.assertEqual((found, done), (expected, step))
        return expected

    def test_installing_and_joining(self) -> None:
        def prepare(world: World) -> None:
            world.install()
            world.join("east")

        self.assertIn(("Secret", "vela-system", "east", [], [], ["ca.crt", "token"]), self.check(prepare))

    def test_leaving(self) -> None:
        def prepare(world: World) -> None:
            world.install()
            world.join("east")
            world.manager()
            world.managers[-1].stop()
            world.delete(CONFIGURATIONS, "cluster-gateway")
            world.leave("east")

        gone = ("Deployment", "APIService", "ManagedServiceAccount", "ManifestWork", "ClusterGatewayConfiguration")
        left = [each[:3] for each in self.check(prepare) if each[0] in gone]
        self.assertEqual([each for each in left if each[2].endswith("gateway-deployment")], [])
        self.assertEqual([each for each in left if "gateway" in each[2] and each[0] != "APIService"], [])
