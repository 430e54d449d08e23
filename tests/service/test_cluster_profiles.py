"""Tests for L{clustergateway.service.aggregated} with ClusterProfiles."""

from __future__ import annotations

from typing import Any

from clustergateway.clusters.ocm import WAIT
from clustergateway.errors import ConfigurationError, HubUnavailable, UnknownCluster
from clustergateway.model.gateway import ExecCredential, TokenCredential
from clustergateway.service.aggregated import Aggregated
from clustergateway.settings import FeatureGates, Settings
from clustergateway.testing.hub import Asked, reply, status

from ..model.test_clusterprofile import profile, provider
from .test_aggregated import FAULTS, AggregatedTestCase, HealthyHub, HubClients, listed

API = "/apis/multicluster.x-k8s.io/v1alpha1"
PROFILES = f"{API}/namespaces/inventory/clusterprofiles"
PROVIDERS = b"""
providers:
- name: cloud
  execConfig: {apiVersion: client.authentication.k8s.io/v1, command: cloud-token, interactiveMode: Never}
"""


def of(name: str, version: str = "6") -> dict[str, Any]:
    return profile(provider(), name=name, resourceVersion=version)


class Inventory(HealthyHub):
    """
    The hub, with ClusterProfiles.

    @ivar served: whether it knows them.
    """

    served = True

    def __init__(self) -> None:
        super().__init__()
        self.profiles = [of("east"), of("west")]

    def name(self, asked: Asked) -> str:
        if asked.path == API:
            return "discover profiles"
        if asked.path == PROFILES:
            return f"{'watch' if 'watch' in asked.query else 'list'} profiles"
        return "read profile" if asked.path.startswith(PROFILES) else super().name(asked)

    def discover_profiles(self, asked: Asked) -> Any:
        return (reply(200, {"resources": [{"name": "clusterprofiles"}]}) if self.served else status(404, "NotFound"))(
            asked
        )

    def list_profiles(self, asked: Asked) -> Any:
        return listed("9", *self.profiles)(asked)

    def watch_profiles(self, asked: Asked) -> Any:
        return super().watch_secrets(asked)

    def read_profile(self, asked: Asked) -> Any:
        wanted = [each for each in self.profiles if asked.path.endswith("/" + each["metadata"]["name"])]
        return (reply(200, wanted[0]) if wanted and self.served else status(404, "NotFound"))(asked)


class ClusterProfilesTests(AggregatedTestCase):
    hub: Inventory

    def setUp(self) -> None:
        super().setUp()
        self.hub = Inventory()
        self.providers = self.mktemp()
        with open(self.providers, "wb") as file:
            file.write(PROVIDERS)

    def source(self, **gates: bool) -> Aggregated:
        return self.begin(
            Settings(
                cluster_profile_namespace="inventory",
                cluster_profile_providers=self.providers,
                feature_gates=FeatureGates(**gates),
            )
        )

    def test_clusters_of_both(self) -> None:
        sources = self.source()
        self.assertEqual([each.name for each in sources.directory.all()], ["east", "west"])
        self.assertEqual(self.outcome(sources.find, "east").credential, TokenCredential("t"))
        self.assertEqual(self.outcome(sources.find, "west").credential, ExecCredential("cloud-token"))
        self.assertEqual((sources.version(), sources.heard()), (9, 7))

    def test_changes(self) -> None:
        sources = self.source()
        changed = profile(provider(server="https://elsewhere:1"), name="west", resourceVersion="10")
        self.hub.watches[PROFILES].event("MODIFIED", **changed)
        self.assertEqual(self.outcome(sources.find, "west").endpoints[0].host, "elsewhere")
        self.hub.watches[PROFILES].event("DELETED", **changed)
        self.assertIsInstance(self.outcome(sources.find, "west"), UnknownCluster)

    def test_hub_that_does_not_serve_them_keeps_nobody_waiting(self) -> None:
        self.hub.served = False
        sources = self.source()
        self.assertNotIn("the clusters are not read from the hub yet", list(sources.unready()))
        self.assertEqual(
            sources.problems(), {"hub, clusterprofiles": "the hub does not serve multicluster.x-k8s.io/v1alpha1 yet"}
        )
        self.assertIsInstance(self.outcome(sources.find, "west"), UnknownCluster)
        self.hub.served = True
        self.clock.advance(WAIT)
        self.assertEqual(self.outcome(sources.find, "west").name, "west")
        self.assertEqual(sources.problems(), {})

    def test_before_they_are_seen_nobody_says_that_one_is_unknown(self) -> None:
        """Without the right to see them a gateway is not ready, and says what it lacks."""
        self.hub.faults["list profiles"] = FAULTS["403"]
        sources = self.source()
        self.assertEqual(list(sources.unready()), ["the clusters are not read from the hub yet"])
        self.assertIsInstance(self.outcome(sources.find, "west"), HubUnavailable)
        self.assertEqual(self.outcome(sources.find, "east").name, "east")
        self.assertRaises(HubUnavailable, sources.version)
        self.assertIn("no", sources.problems()["hub, clusterprofiles"])

    def test_read_each_time(self) -> None:
        for gates in ({"SecretCache": False}, {"SecretCache": False, "OCMClusterCache": False}):
            sources = self.source(**gates)
            self.assertEqual(self.outcome(sources.find, "east").credential, TokenCredential("t"))
            self.assertEqual(self.outcome(sources.find, "west").credential, ExecCredential("cloud-token"))
            self.assertIsInstance(self.outcome(sources.find, "north"), UnknownCluster)
            self.hub.profiles = [profile(provider(server="https://elsewhere:1"), name="west")]
            self.assertEqual(self.outcome(sources.find, "west").endpoints[0].host, "elsewhere")
            self.hub.profiles = [of("east"), of("west")]

    def test_read_each_time_needs_no_list(self) -> None:
        self.hub.faults["list profiles"] = self.hub.faults["list secrets"] = FAULTS["403"]
        sources = self.source(SecretCache=False)
        self.assertEqual(list(sources.unready()), [])
        self.assertEqual(self.outcome(sources.find, "west").name, "west")

    def test_read_each_time_and_not_told(self) -> None:
        sources = self.source(SecretCache=False)
        for name in ("refused", "403", "500", "429", "truncated"):
            self.hub.faults["read profile"] = FAULTS[name]
            self.assertIsInstance(self.outcome(sources.find, "west"), HubUnavailable, name)
            self.assertEqual(self.outcome(sources.find, "east").name, "east", name)

    def test_file_that_cannot_be_used(self) -> None:
        for path, text in (("nowhere", b""), (self.providers, b"providers: 7")):
            if text:
                with open(path, "wb") as file:
                    file.write(text)
            settings = Settings(cluster_profile_namespace="inventory", cluster_profile_providers=path)
            with self.assertRaises(ConfigurationError) as refused:
                Aggregated(settings, self.clock, HubClients(self.hub, self.clock))
            self.assertIn("--cluster-profile-providers", refused.exception.message)
