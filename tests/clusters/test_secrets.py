"""Tests for L{clustergateway.clusters.secrets}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.clusters.secrets import SecretDirectory, SecretReader
from clustergateway.errors import HubUnavailable, NotFound, UnknownCluster
from clustergateway.kube.cache import Informer
from clustergateway.model.gateway import TokenCredential
from clustergateway.model.ocm import MANAGED_CLUSTERS
from clustergateway.model.resourcetype import SECRETS
from clustergateway.model.x509 import DAY
from clustergateway.testing.hub import FakeHub

from ..model.pki import NOW, authority


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
        clock = self.clock = Clock()
        client = FakeHub().client(clock)
        self.secrets = Informer(client, SECRETS, clock, lambda: 0.0, "vela-system")
        self.clusters = Informer(client, MANAGED_CLUSTERS, clock, lambda: 0.0)
        self.directory = SecretDirectory(self.secrets, clock, self.clusters if self.managed else None)
        self.events: list[tuple[str, str, str]] = []
        self.directory.subscribe(lambda event, g: self.events.append((event, g.name, g.resource_version)))

    def synced(self) -> None:
        for informer in (self.secrets, self.clusters):
            informer.replaced([], "1")


class SecretDirectoryTests(DirectoryCase):
    def test_a_life(self) -> None:
        self.synced()
        self.secrets.changed("ADDED", secret(version=5))
        self.secrets.changed("MODIFIED", secret(version=6, token="hunter3"))
        self.assertEqual(self.directory.get("east").credential, TokenCredential("hunter3"))
        self.secrets.changed("DELETED", secret(version=7))
        self.assertRaises(UnknownCluster, self.directory.get, "east")
        self.assertEqual(self.events, [("ADDED", "east", "5"), ("MODIFIED", "east", "6"), ("DELETED", "east", "7")])

    def test_what_the_informer_has_already(self) -> None:
        self.secrets.replaced([secret("east")], "9")
        self.assertEqual(SecretDirectory(self.secrets, self.clock).get("east").name, "east")

    def test_gone_from_a_list(self) -> None:
        self.secrets.replaced([secret(version=5)], "9")
        self.secrets.replaced([], "20")
        self.assertEqual(self.events, [("ADDED", "east", "5"), ("DELETED", "east", "20")])

    def test_sorted(self) -> None:
        self.secrets.replaced([secret("west"), secret("east")], "9")
        self.assertEqual([gateway.name for gateway in self.directory.all()], ["east", "west"])

    def test_nothing_new(self) -> None:
        self.secrets.changed("ADDED", secret())
        self.secrets.changed("MODIFIED", secret())
        self.assertEqual(len(self.events), 1)

    def test_other_secrets(self) -> None:
        self.secrets.changed("ADDED", secret(labelled=False))
        self.secrets.changed("DELETED", secret(labelled=False))
        self.assertEqual(self.events, [])

    def test_label_taken_away(self) -> None:
        self.secrets.changed("ADDED", secret(version=5))
        self.secrets.changed("MODIFIED", secret(version=6, labelled=False))
        self.assertEqual(self.events[1:], [("DELETED", "east", "6")])

    def test_broken_is_listed_but_not_routed(self) -> None:
        self.secrets.changed("ADDED", secret(version=5))
        self.secrets.changed("MODIFIED", secret(version=6, token=""))
        self.assertEqual(self.directory.get("east").unroutable, "data key token is missing")
        self.assertEqual(dict(self.directory.problems()), {"east": "data key token is missing"})
        self.secrets.changed("MODIFIED", secret(version=7))
        self.assertEqual((self.directory.get("east").unroutable, dict(self.directory.problems())), ("", {}))

    def test_a_broken_list_of_endpoints_hides_no_other_cluster(self) -> None:
        broken = secret("west")
        broken["stringData"] = {"token": "hunter2", "endpoints": "[{url: https://one, proxy: http://me:hunter2@p}]"}
        self.secrets.replaced([secret("east"), broken], "9")
        self.assertEqual(["east", "west"], [gateway.name for gateway in self.directory.all()])
        problem = self.directory.problems()["west"]
        self.assertIn("data key endpoints[0] has an unknown key proxy;", problem)
        self.assertNotIn("hunter2", problem)
        self.assertEqual("", self.directory.get("east").unroutable)

    def test_expired(self) -> None:
        ca = {"ca.crt": authority().certificate.decode()}
        self.secrets.changed("ADDED", secret() | {"stringData": secret()["stringData"] | ca})
        self.assertEqual(dict(self.directory.problems()), {})
        self.clock.advance(NOW + 4000 * DAY)
        self.assertEqual(dict(self.directory.problems()), {"east": "every certificate of the CA bundle expired"})

    def test_problem_goes_with_the_secret(self) -> None:
        self.secrets.changed("ADDED", secret(token=""))
        self.secrets.changed("DELETED", secret(token=""))
        self.assertEqual(dict(self.directory.problems()), {})

    def test_before_everything_is_read(self) -> None:
        self.secrets.changed("ADDED", secret("east"))
        self.assertEqual(self.directory.get("east").name, "east")
        error = self.assertRaises(HubUnavailable, self.directory.get, "west")
        self.assertEqual((error.code, error.retry_after), (503, 1))


class ManagedClusterTests(DirectoryCase):
    managed = True

    def test_filtered_until_both_are_there(self) -> None:
        self.synced()
        self.secrets.changed("ADDED", secret(version=5))
        self.assertRaises(UnknownCluster, self.directory.get, "east")
        self.clusters.changed("ADDED", managed(version=7))
        self.assertEqual(self.events, [("ADDED", "east", "7")])
        # The Secret's own endpoint has no CA.
        self.assertEqual([e.host for e in self.directory.get("east").endpoints], ["east.managed"])
        self.assertIn("is left out", self.directory.problems()["east"])

    def test_before_both_are_read(self) -> None:
        self.secrets.replaced([secret()], "5")
        self.assertRaises(HubUnavailable, self.directory.get, "east")

    def test_managed_cluster_without_a_secret(self) -> None:
        self.clusters.changed("ADDED", managed())
        self.clusters.changed("DELETED", managed())
        self.assertEqual(self.events, [])

    def test_changes_of_either_have_the_newer_version(self) -> None:
        self.clusters.changed("ADDED", managed(version=9))
        self.secrets.changed("ADDED", secret(version=10))
        self.clusters.changed("MODIFIED", managed(version=11, accepted=False))
        self.assertEqual(self.events, [("ADDED", "east", "10"), ("MODIFIED", "east", "11")])
        self.assertIn("not accepted", self.directory.get("east").unroutable)

    def test_managed_cluster_goes(self) -> None:
        self.synced()
        self.secrets.changed("ADDED", secret(version=5))
        self.clusters.changed("ADDED", managed(version=7))
        self.clusters.changed("DELETED", managed(version=8))
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
