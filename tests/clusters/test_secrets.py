"""Tests for L{clustergateway.clusters.secrets}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.clusters.secrets import SecretDirectory, SecretReader
from clustergateway.errors import HubUnavailable, NotFound, UnknownCluster
from clustergateway.model.gateway import TokenCredential


def secret(name: str = "east", version: int = 1, token: str = "hunter2", labelled: bool = True) -> dict[str, Any]:
    labels = {"cluster.core.oam.dev/cluster-credential-type": "ServiceAccountToken"} if labelled else {}
    return {
        "metadata": {"name": name, "resourceVersion": str(version), "labels": labels},
        "stringData": {"endpoint": f"https://{name}.example", "token": token},
    }


def managed(name: str = "east", version: int = 1, accepted: bool = True) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "resourceVersion": str(version)},
        "spec": {"hubAcceptsClient": accepted, "managedClusterClientConfigs": [{"url": f"https://{name}.managed"}]},
    }


class DirectoryCase(SynchronousTestCase):
    managed = False

    def setUp(self) -> None:
        self.synced = True
        self.directory = SecretDirectory(lambda: self.synced, self.managed)
        self.events: list[tuple[str, str, str]] = []
        self.directory.subscribe(lambda event, g: self.events.append((event, g.name, g.resource_version)))


class SecretDirectoryTests(DirectoryCase):
    def test_a_life(self) -> None:
        self.directory.secret_changed(secret(version=5))
        self.directory.secret_changed(secret(version=6, token="hunter3"))
        self.assertEqual(self.directory.get("east").credential, TokenCredential("hunter3"))
        self.directory.secret_deleted(secret(version=7))
        self.assertRaises(UnknownCluster, self.directory.get, "east")
        self.assertEqual(self.events, [("ADDED", "east", "5"), ("MODIFIED", "east", "6"), ("DELETED", "east", "7")])

    def test_sorted(self) -> None:
        for name in ("west", "east"):
            self.directory.secret_changed(secret(name))
        self.assertEqual([gateway.name for gateway in self.directory.all()], ["east", "west"])

    def test_seen_again(self) -> None:
        self.directory.secret_changed(secret())
        self.directory.secret_changed(secret())
        self.assertEqual(len(self.events), 1)

    def test_other_secrets(self) -> None:
        self.directory.secret_changed(secret(labelled=False))
        self.directory.secret_deleted(secret(labelled=False))
        self.assertEqual(self.events, [])

    def test_label_taken_away(self) -> None:
        self.directory.secret_changed(secret(version=5))
        self.directory.secret_changed(secret(version=6, labelled=False))
        self.assertEqual(self.events[1:], [("DELETED", "east", "6")])

    def test_broken_is_listed_but_not_routed(self) -> None:
        self.directory.secret_changed(secret(version=5))
        self.directory.secret_changed(secret(version=6, token=""))
        self.assertEqual(self.directory.get("east").unroutable, "data key token is missing")
        self.assertEqual(dict(self.directory.problems()), {"east": "data key token is missing"})
        self.directory.secret_changed(secret(version=7))
        self.assertEqual((self.directory.get("east").unroutable, dict(self.directory.problems())), ("", {}))

    def test_problem_goes_with_the_secret(self) -> None:
        self.directory.secret_changed(secret(token=""))
        self.directory.secret_deleted(secret(token=""))
        self.assertEqual(dict(self.directory.problems()), {})

    def test_before_everything_is_read(self) -> None:
        self.synced = False
        self.directory.secret_changed(secret("east"))
        self.assertEqual(self.directory.get("east").name, "east")
        error = self.assertRaises(HubUnavailable, self.directory.get, "west")
        self.assertEqual((error.code, error.retry_after), (503, 1))


class ManagedClusterTests(DirectoryCase):
    managed = True

    def test_filtered_until_both_are_there(self) -> None:
        self.directory.secret_changed(secret(version=5))
        self.assertRaises(UnknownCluster, self.directory.get, "east")
        self.directory.managed_cluster_changed(managed(version=7))
        self.assertEqual(self.events, [("ADDED", "east", "7")])
        self.assertEqual([e.host for e in self.directory.get("east").endpoints], ["east.managed", "east.example"])

    def test_managed_cluster_without_a_secret(self) -> None:
        self.directory.managed_cluster_changed(managed())
        self.directory.managed_cluster_deleted(managed())
        self.assertEqual(self.events, [])

    def test_changes_of_either_have_the_newer_version(self) -> None:
        self.directory.managed_cluster_changed(managed(version=9))
        self.directory.secret_changed(secret(version=10))
        self.directory.managed_cluster_changed(managed(version=11, accepted=False))
        self.assertEqual(self.events, [("ADDED", "east", "10"), ("MODIFIED", "east", "11")])
        self.assertIn("not accepted", self.directory.get("east").unroutable)

    def test_managed_cluster_goes(self) -> None:
        self.directory.secret_changed(secret(version=5))
        self.directory.managed_cluster_changed(managed(version=7))
        self.directory.managed_cluster_deleted(managed(version=8))
        self.assertEqual(self.events[1:], [("DELETED", "east", "8")])
        self.assertRaises(UnknownCluster, self.directory.get, "east")


class SecretReaderTests(SynchronousTestCase):
    def reader(self, *secrets: Mapping[str, Any]) -> SecretReader:
        def read(name: str) -> Deferred[Mapping[str, Any]]:
            found = [each for each in secrets if each["metadata"]["name"] == name]
            return succeed(found[0]) if found else fail(NotFound("no such Secret"))

        return SecretReader(read)

    def test_found(self) -> None:
        gateway = self.successResultOf(self.reader(secret(version=5)).find("east"))
        self.assertEqual((gateway.name, gateway.resource_version), ("east", "5"))

    def test_not_there(self) -> None:
        self.failureResultOf(self.reader().find("east"), UnknownCluster)
        self.failureResultOf(self.reader(secret(labelled=False)).find("east"), UnknownCluster)

    def test_broken(self) -> None:
        gateway = self.successResultOf(self.reader(secret(token="")).find("east"))
        self.assertEqual(gateway.unroutable, "data key token is missing")

    def test_hub_away(self) -> None:
        reader = SecretReader(lambda name: fail(HubUnavailable("away")))
        self.failureResultOf(reader.find("east"), HubUnavailable)

    def test_with_managed_clusters(self) -> None:
        reader = SecretReader(lambda name: succeed(secret()), lambda name: succeed(managed()))
        self.assertEqual(self.successResultOf(reader.find("east")).endpoints[0].host, "east.managed")
        reader = SecretReader(lambda name: succeed(secret()), lambda name: fail(NotFound("none")))
        self.failureResultOf(reader.find("east"), UnknownCluster)
