from __future__ import annotations

from clustergateway.sandbox.seed import create, example
from clustergateway.sandbox.server import SandboxConfig
from clustergateway.testing.apiserver import in_memory

from .serving import HERE, ServerTestCase


class SeedTests(ServerTestCase):
    config = SandboxConfig(name="east", objects=example("east"))

    def test_shown(self) -> None:
        self.clock.pump([0.0] * 20 + [0.5] + [0.0] * 20)
        pods = {item["metadata"]["name"]: item["status"]["phase"] for item in self.get(f"{HERE}/pods")["items"]}
        self.assertEqual((pods["box"], len(pods)), ("Running", 4))
        self.assertEqual([n["metadata"]["name"] for n in self.get("/api/v1/nodes")["items"]], ["east-node"])
        self.assertEqual(self.get(f"{HERE}/configmaps/about")["data"]["cluster"], "east")

    def test_clusters_differ(self) -> None:
        """So that one sees which one answers."""
        west = in_memory(SandboxConfig(name="west", objects=example("west"))).server.store
        east = self.server.store
        for resource in ("nodes", "namespaces", "configmaps"):
            self.assertNotEqual(
                [(one["metadata"]["name"], one.get("data")) for one in east.listed("", resource)],
                [(one["metadata"]["name"], one.get("data")) for one in west.listed("", resource)],
            )

    def test_unknown_kind(self) -> None:
        self.assertRaises(LookupError, create, self.server.registry, {"apiVersion": "v9", "kind": "X"})
