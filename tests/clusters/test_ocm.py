"""Tests for L{clustergateway.clusters.ocm}."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.clusters.ocm import WAIT, AwaitedApi
from clustergateway.kube.cache import Informer
from clustergateway.model.ocm import MANAGED_CLUSTERS
from clustergateway.testing.hub import Answer, FakeHub, refuse, reply, status

SERVED = reply(200, {"resources": [{"name": "managedclusters"}]})


class AwaitedApiTests(SynchronousTestCase):
    def awaited(self, *answers: Answer) -> AwaitedApi:
        self.clock = Clock()
        self.hub = FakeHub(*answers)
        client = self.hub.client(self.clock)
        awaited = AwaitedApi(client, Informer(client, MANAGED_CLUSTERS, self.clock, lambda: 0.0), self.clock)
        self.addCleanup(awaited.stop)
        awaited.start()
        return awaited

    def paths(self) -> list[str]:
        return [asked.path.rpartition("/")[2] for asked in self.hub.asked]

    def test_served(self) -> None:
        awaited = self.awaited(SERVED)
        self.assertEqual((awaited.absent, self.paths()), (False, ["v1", "managedclusters"]))
        self.assertEqual((awaited.problems(), awaited.synced), ({}, False))

    def test_not_served_yet(self) -> None:
        awaited = self.awaited(status(404, "NotFound"), reply(200, {"resources": []}), SERVED)
        self.assertTrue(awaited.absent and awaited.synced)
        self.assertEqual(
            awaited.problems(), {"managedclusters": "the hub does not serve cluster.open-cluster-management.io/v1 yet"}
        )
        self.clock.advance(WAIT)
        self.assertEqual(self.paths(), ["v1", "v1"])
        self.clock.advance(WAIT)
        self.assertEqual((awaited.absent, self.paths()), (False, ["v1", "v1", "v1", "managedclusters"]))

    def test_nobody_can_tell(self) -> None:
        """Then the informer begins, whose patience has no end."""
        awaited = self.awaited(refuse)
        self.assertEqual((awaited.absent, self.paths()), (False, ["v1", "managedclusters"]))

    def test_stopped_while_waiting(self) -> None:
        awaited = self.awaited(status(404, "NotFound"))
        awaited.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopped_while_looking(self) -> None:
        awaited = self.awaited()
        awaited.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
