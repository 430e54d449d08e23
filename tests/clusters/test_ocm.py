"""Tests for L{clustergateway.clusters.ocm}."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.clusters.ocm import WAIT, AwaitedApi, RegisteredClusters
from clustergateway.errors import UnknownCluster
from clustergateway.kube.cache import Informer
from clustergateway.model.gateway import TokenCredential, UnknownCredential
from clustergateway.model.ocm import MANAGED_CLUSTERS
from clustergateway.testing.hub import Answer, FakeHub, refuse, reply, status

from .test_secrets import DirectoryCase, managed, secret

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
        self.assertEqual(awaited.problems(), {})

    def test_not_served_yet(self) -> None:
        awaited = self.awaited(status(404, "NotFound"), reply(200, {"resources": []}), SERVED)
        self.assertTrue(awaited.absent)
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


class RegisteredClustersTests(DirectoryCase):
    managed = True

    def setUp(self) -> None:
        super().setUp()
        self.registered = RegisteredClusters(self.directory, self.clusters)
        self.synced()
        self.seen: list[tuple[str, str, str]] = []
        self.registered.subscribe(lambda event, g: self.seen.append((event, g.name, type(g.credential).__name__)))

    def test_a_life(self) -> None:
        self.clusters.changed("ADDED", managed(version=2))
        self.assertEqual(self.registered.get("east").credential, UnknownCredential())
        self.secrets.changed("ADDED", secret(version=3))
        self.assertEqual(self.registered.get("east").credential, TokenCredential("hunter2"))
        self.secrets.changed("DELETED", secret(version=4))
        self.clusters.changed("DELETED", managed(version=5))
        self.assertRaises(UnknownCluster, self.registered.get, "east")
        self.assertEqual(
            self.seen,
            [
                ("ADDED", "east", "UnknownCredential"),
                ("MODIFIED", "east", "TokenCredential"),
                ("MODIFIED", "east", "UnknownCredential"),
                ("DELETED", "east", "UnknownCredential"),
            ],
        )

    def test_with_a_secret_it_goes_once(self) -> None:
        self.secrets.changed("ADDED", secret(version=2))
        self.clusters.changed("ADDED", managed(version=3))
        self.clusters.changed("DELETED", managed(version=4))
        self.assertEqual([each[:2] for each in self.seen if each[0] == "DELETED"], [("DELETED", "east")])
        self.assertEqual(list(self.registered.all()), [])

    def test_all_sorted_each_once(self) -> None:
        for name in ("west", "east", "north"):
            self.clusters.changed("ADDED", managed(name))
        self.secrets.changed("ADDED", secret("north"))
        self.assertEqual([gateway.name for gateway in self.registered.all()], ["east", "north", "west"])

    def test_what_has_no_name(self) -> None:
        self.clusters.changed("ADDED", managed("Not A Name"))
        self.assertEqual((list(self.registered.all()), self.seen), ([], []))

    def test_nothing_new(self) -> None:
        self.clusters.changed("ADDED", managed())
        self.clusters.changed("MODIFIED", managed())
        self.assertEqual(len(self.seen), 1)
