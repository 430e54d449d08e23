"""The real kubectl, through the gateway, to the sandbox's clusters: everything but streams."""

from __future__ import annotations

import json
import subprocess
from typing import Any, ClassVar

import yaml
from twisted.trial.unittest import SynchronousTestCase

from .world import NO_KUBECTL, World, shared_world

CONFIGMAP = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "made"}, "data": {"a": "1"}}


class KubectlTests(SynchronousTestCase):
    """On the gateway's own TLS transport."""

    skip = NO_KUBECTL
    arguments: ClassVar[tuple[str, ...]] = ()

    def setUp(self) -> None:
        self.world = shared_world(*self.arguments)

    def run_kubectl(self, *arguments: str, context: str = "east", stdin: str = "") -> str:
        done = self.world.kubectl(*arguments, context=context, stdin=stdin)
        self.assertEqual((done.returncode, done.stderr if done.returncode else ""), (0, ""), arguments)
        return done.stdout

    def fail_kubectl(self, *arguments: str, context: str = "east") -> str:
        done = self.world.kubectl(*arguments, context=context)
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    # the gateway's own API

    def test_clustergateways(self) -> None:
        table = self.run_kubectl("get", "clustergateways", context="cluster-gateway").splitlines()
        self.assertEqual(table[0].split(), ["NAME", "PROVIDER", "CREDENTIAL-TYPE", "ENDPOINT-TYPE", "HEALTHY"])
        self.assertEqual([line.split()[0] for line in table[1:]], ["east", "west"])
        self.assertIn("ServiceAccountToken", table[1])

    def test_virtual_clusters(self) -> None:
        """Without a hub there is none called local."""
        names = self.run_kubectl("get", "vc", "-o", "name", context="cluster-gateway").split()
        self.assertEqual([name.rpartition("/")[2] for name in names], ["east", "west"])

    def test_no_credential_is_shown(self) -> None:
        secret = json.loads((self.world.folder / "s" / "clusters" / "east.yaml").read_text())["stringData"]["token"]
        key = json.loads((self.world.folder / "s" / "clusters" / "west.yaml").read_text())["stringData"]["tls.key"]
        shown = self.run_kubectl("get", "clustergateways", "-o", "yaml", context="cluster-gateway")
        self.assertIn("west", shown)
        self.assertNotIn(secret, shown)
        self.assertNotIn(key.splitlines()[2], shown)

    def test_explain(self) -> None:
        text = self.run_kubectl("explain", "clustergateway.spec.access", context="cluster-gateway")
        self.assertIn("credential", text)
        self.assertIn("endpoint", text)

    def test_create_is_refused_and_a_mistake_is_found_before(self) -> None:
        """kubectl validates by C{/openapi/v2}, which it asks for as protobuf and nothing else."""
        endpoint = {"type": "Const", "const": {"address": "https://a.test"}}
        manifest = {
            "apiVersion": "cluster.core.oam.dev/v1alpha1",
            "kind": "ClusterGateway",
            "metadata": {"name": "north"},
            "spec": {"provider": "", "access": {"endpoint": endpoint}},
        }
        self.assertIn("(MethodNotAllowed)", self.create(manifest))
        error = self.create({**manifest, "spec": {"provider": "", "access": {"endpont": endpoint}}})
        self.assertIn('unknown field "endpont"', error)
        self.assertIn('missing required field "endpoint"', error)

    def create(self, manifest: Any) -> str:
        done = self.world.kubectl("create", "-f", "-", context="cluster-gateway", stdin=yaml.safe_dump(manifest))
        self.assertNotEqual(done.returncode, 0)
        return done.stderr

    def test_api_resources(self) -> None:
        text = self.run_kubectl("api-resources", "--api-group=cluster.core.oam.dev", context="cluster-gateway")
        self.assertIn("clustergateways", text)
        self.assertIn("virtualclusters", text)

    def test_raw_through_the_gateway(self) -> None:
        path = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/west/proxy/healthz"
        self.assertEqual(self.run_kubectl("get", "--raw", path, context="cluster-gateway"), "ok")

    def test_an_unknown_cluster(self) -> None:
        path = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/north/proxy/healthz"
        error = self.fail_kubectl("get", "--raw", path, context="cluster-gateway")
        self.assertIn("NotFound", error)
        self.assertIn("north", error)

    # a cluster

    def test_each_cluster_answers_for_itself(self) -> None:
        for context in ("east", "west"):
            self.assertEqual(self.world.get("configmap", "about", context=context)["data"]["cluster"], context)

    def test_apply_patch_delete(self) -> None:
        self.run_kubectl("apply", "-f", "-", stdin=yaml.safe_dump(CONFIGMAP))
        self.run_kubectl("apply", "-f", "-", stdin=yaml.safe_dump({**CONFIGMAP, "data": {"a": "2"}}))
        self.assertEqual(self.world.get("configmap", "made")["data"], {"a": "2"})
        self.run_kubectl("patch", "configmap", "made", "--type=merge", "-p", '{"data":{"b":"3"}}')
        self.assertEqual(self.world.get("configmap", "made")["data"], {"a": "2", "b": "3"})
        self.run_kubectl("label", "configmap", "made", "x=y")
        self.run_kubectl("delete", "configmap", "made")
        self.assertIn("NotFound", self.fail_kubectl("get", "configmap", "made"))

    def test_server_side_apply_and_dry_run(self) -> None:
        manifest = yaml.safe_dump({**CONFIGMAP, "metadata": {"name": "dry"}})
        self.run_kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=manifest)
        self.assertIn("NotFound", self.fail_kubectl("get", "configmap", "dry"))
        self.run_kubectl("apply", "--server-side", "-f", "-", stdin=manifest)
        self.run_kubectl("delete", "configmap", "dry")

    def test_watch(self) -> None:
        watching = self.world.start_kubectl("get", "configmaps", "-w", "--no-headers")
        assert watching.stdout is not None
        try:
            self.assertIn("about", watching.stdout.readline())
            self.run_kubectl("create", "configmap", "watched", "--from-literal=a=1")
            self.assertIn("watched", watching.stdout.readline())
            self.run_kubectl("delete", "configmap", "watched")
        finally:
            watching.kill()
            watching.communicate()

    def test_wait_and_rollout(self) -> None:
        self.run_kubectl("create", "deployment", "rolling", "--image=example/one", "--replicas=2")
        self.run_kubectl("rollout", "status", "deployment/rolling", "--timeout=30s")
        self.run_kubectl("wait", "--for=condition=Available", "deployment/rolling", "--timeout=30s")
        self.run_kubectl("scale", "deployment/rolling", "--replicas=1")
        self.run_kubectl("delete", "deployment", "rolling")

    def test_explain_and_api_resources_of_a_cluster(self) -> None:
        self.assertIn("containers", self.run_kubectl("explain", "pod.spec"))
        self.assertIn("deployments", self.run_kubectl("api-resources"))

    def test_a_large_body_both_ways(self) -> None:
        text = "0123456789abcdef" * 40_000
        manifest = {**CONFIGMAP, "metadata": {"name": "large"}, "data": {"text": text}}
        self.run_kubectl("create", "-f", "-", stdin=yaml.safe_dump(manifest))
        self.assertEqual(self.world.get("configmap", "large")["data"]["text"], text)
        self.run_kubectl("delete", "configmap", "large")


class StockTlsTests(KubectlTests):
    """The same on Twisted's TLS."""

    arguments = ("--tls-transport", "twisted")


class NobodyTests(SynchronousTestCase):
    """Clients without a credential."""

    skip = NO_KUBECTL

    def test_only_health_is_open(self) -> None:
        world = World()
        self.addCleanup(world.close)
        server = json.loads(world.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]

        def status(path: str, *more: str) -> str:
            command = ["curl", "-sk", "-o", "/dev/null", "-w", "%{http_code}", *more, server + path]
            return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout

        for path in ("/healthz", "/livez", "/readyz"):
            self.assertEqual(status(path), "200", path)
        for path in (
            "/",
            "/apis",
            "/metrics",
            "/version",
            "/openapi/v2",
            "/no-such-thing",
            "/apis/cluster.core.oam.dev/v1alpha1/clustergateways",
            "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/east/proxy/healthz",
            "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/north/proxy/healthz",
        ):
            self.assertEqual(status(path), "401", path)
        self.assertEqual(status("/", "-X", "OPTIONS", "--request-target", "*"), "401")
