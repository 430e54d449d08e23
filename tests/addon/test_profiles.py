from __future__ import annotations

import base64
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.addon import CONFIGURATIONS
from clustergateway.model.clusterprofile import CLUSTER_PROFILES

from .world import NAMESPACES, World, encoded


class PublisherTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.addCleanup(self.world.stop)
        self.world.create(NAMESPACES, {"metadata": {"name": "inventory"}})
        for name in ("east", "west"):
            metadata = {"name": name, "namespace": "inventory"}
            self.world.create(CLUSTER_PROFILES, {"metadata": metadata, "spec": {"clusterManager": {"name": "ocm"}}})
        other = {"status": {"accessProviders": [{"name": "other", "cluster": {"server": "https://elsewhere"}}]}}
        self.world.patch(CLUSTER_PROFILES, "east", other, "inventory", "status")
        self.world.join("east")
        self.world.install(clusterProfiles={"server": "https://hub.test/", "caBundle": encoded("PEM")})
        self.world.manager()

    def providers(self, name: str) -> list[dict[str, Any]]:
        found = self.world.need(CLUSTER_PROFILES, name, "inventory")
        providers: list[dict[str, Any]] = found.get("status", {}).get("accessProviders", [])
        return sorted(providers, key=lambda each: str(each["name"]))

    def test_published_beside_others(self) -> None:
        path = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/east/proxy"
        ca = base64.b64encode(b"PEM").decode()
        self.assertEqual(
            self.providers("east"),
            [
                {
                    "name": "cluster-gateway",
                    "cluster": {"server": f"https://hub.test{path}", "certificate-authority-data": ca},
                },
                {"name": "other", "cluster": {"server": "https://elsewhere"}},
            ],
        )
        self.assertEqual(self.providers("west"), [])

    def test_withdrawn_when_the_cluster_leaves(self) -> None:
        self.world.leave("east")
        self.world.settle()
        self.assertEqual([each["name"] for each in self.providers("east")], ["other"])

    def test_withdrawn_when_not_wanted_any_more(self) -> None:
        self.world.patch(CONFIGURATIONS, "cluster-gateway", {"spec": {"clusterProfiles": None}})
        self.world.settle()
        self.assertEqual([each["name"] for each in self.providers("east")], ["other"])

    def test_published_when_the_cluster_joins(self) -> None:
        self.world.join("west")
        self.world.settle()
        self.assertEqual([each["name"] for each in self.providers("west")], ["cluster-gateway"])
