"""From an empty hub to a gateway that follows the clusters of Open Cluster Management by itself."""

from __future__ import annotations

import base64
import json

from twisted.trial.unittest import SynchronousTestCase

from ..contracts.hub_processes import NAMESPACE, PATH, ROOT, SECONDS, eventually
from .addon import AddonWorld

CONFIGURATION = ("clustergatewayconfiguration", "cluster-gateway")
PROXY = "open-cluster-management-addon"
LEASE = 20
"""Seconds after which somebody else's Lease is over."""
ADDON = ("managedclusteraddon", "cluster-gateway", "-n", "east")


class Lifecycle(SynchronousTestCase):
    """One story, told once: each step needs the one before."""

    def make_world(self) -> AddonWorld:
        raise NotImplementedError

    def setUp(self) -> None:
        self.world = self.make_world()
        self.addCleanup(self.world.close)

    def gone(self, *what: str) -> None:
        eventually(lambda: self.world.kubectl("get", *what).code != 0, f"{what} is gone")

    def token(self, name: str) -> str:
        secret = self.world.get("secret", name, "-n", NAMESPACE)
        return base64.b64decode(secret["data"]["token"]).decode()

    def test_it(self) -> None:
        self.install()
        self.join()
        self.rotate()
        self.dies_and_comes_back()
        self.take_over()
        self.upgrade()
        self.through_konnectivity()
        self.leave()
        self.uninstall()

    def install(self) -> None:
        world = self.world
        world.start_manager()
        world.wait_for("True Deployed", "ClusterGatewayDeployed", *CONFIGURATION)
        self.gateway = world.run_deployment()
        world.wait_until_available()
        world.must("api-resources", "--api-group=cluster.core.oam.dev")

    def join(self) -> None:
        world = self.world
        world.join("east")
        world.wait_for(
            "False TokenMissing", "ClusterGatewayRegistered", "managedclusteraddon", "cluster-gateway", "-n", "east"
        )
        registered = world.get("virtualcluster", "east")
        self.assertEqual(
            (registered["spec"]["credential-type"], registered["spec"]["accepted"]), ("ManagedCluster", True)
        )
        world.do_work("east")
        self.first = world.send_token("east")
        world.wait_for(
            "True SuccessfullyProbedHealthz", "Available", "managedclusteraddon", "cluster-gateway", "-n", "east"
        )
        eventually(lambda: self.healthy("east") is True, "east is healthy")
        found = world.must(
            "get", "--raw", f"{PATH}/clustergateways/east/proxy/api/v1/namespaces/default/configmaps"
        ).out
        self.assertIn("ConfigMapList", found)

    def healthy(self, name: str) -> object:
        return self.world.get("clustergateway", name).get("status", {}).get("healthy")

    def rotate(self) -> None:
        fresh = self.world.send_token("east")
        self.assertNotEqual(fresh, self.first)
        eventually(lambda: self.token("east") == fresh, "the fresh token is copied")

    def dies_and_comes_back(self) -> None:
        self.world.managed.go_away()
        self.world.wait_for("False FailedProbingHealthz", "Available", *ADDON)
        eventually(lambda: self.healthy("east") is False, "east is unhealthy")
        self.world.managed.come_back()
        self.world.wait_for("True SuccessfullyProbedHealthz", "Available", *ADDON)
        eventually(lambda: self.healthy("east") is True, "east is healthy again")

    def take_over(self) -> None:
        """The one that leads is killed; another, which waited, goes on."""
        self.world.start_manager()
        self.world.managers[0].kill()

    def upgrade(self) -> None:
        self.world.must("patch", *CONFIGURATION, "--type=merge", "-p", '{"spec":{"image":"cluster-gateway:9"}}')

        def rolled_out() -> bool:
            found = self.world.get("deployment", "gateway-deployment", "-n", NAMESPACE)
            return bool(found["spec"]["template"]["spec"]["containers"][0]["image"] == "cluster-gateway:9")

        eventually(rolled_out, "the second manager follows and upgrades", LEASE + SECONDS)
        self.world.wait_for("True Deployed", "ClusterGatewayDeployed", *CONFIGURATION)

    def through_konnectivity(self) -> None:
        """With the rights of C{rbac-cluster-proxy.yaml}; what is rotated there is copied before the next resync."""
        world = self.world
        world.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": PROXY}})
        world.must("apply", "--server-side", "-f", str(ROOT / "k8s" / "addon-manager" / "rbac-cluster-proxy.yaml"))
        egress = {"type": "ClusterProxy", "clusterProxy": {"proxyServerHost": "proxy.test"}}
        world.must("patch", *CONFIGURATION, "--type=merge", "-p", json.dumps({"spec": {"egress": egress}}))
        world.wait_for("False ProxySecretMissing", "ClusterGatewayDeployed", *CONFIGURATION)
        self.send_proxy_secret("proxy-server-ca", "ca.crt", "ca")
        for key in ("first", "rotated"):
            self.send_proxy_secret("proxy-client", "tls.key", key)
            eventually(lambda key=key: self.copied("tls.key") == key, f"the {key} key is copied")  # type: ignore[misc]
        world.wait_for("True Deployed", "ClusterGatewayDeployed", *CONFIGURATION)

    def send_proxy_secret(self, name: str, key: str, value: str) -> None:
        data = {key: base64.b64encode(value.encode()).decode()}
        metadata = {"name": name, "namespace": PROXY}
        self.world.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})

    def copied(self, key: str) -> str:
        done = self.world.kubectl("get", "secret", "cluster-gateway-proxy-client", "-n", NAMESPACE, "-o", "json")
        return base64.b64decode(json.loads(done.out)["data"].get(key, "")).decode() if done.code == 0 else ""

    def leave(self) -> None:
        self.world.leave("east")
        self.gone("secret", "east", "-n", NAMESPACE)
        self.gone("clustergateway", "east")
        self.gone("manifestwork", "cluster-gateway-permissions", "-n", "east")

    def uninstall(self) -> None:
        self.world.must("delete", *CONFIGURATION, "--timeout=60s")
        for what in (
            ("apiservice", "v1alpha1.cluster.core.oam.dev"),
            ("deployment", "gateway-deployment", "-n", NAMESPACE),
            ("secret", "cluster-gateway-tls-cert", "-n", NAMESPACE),
            ("clusterrole", "open-cluster-management:cluster-gateway"),
        ):
            self.gone(*what)
        files = [
            f"-f={ROOT}/k8s/addon-manager/{name}.yaml" for name in ("clustermanagementaddon", "deployment", "rbac")
        ]
        self.world.must("delete", "--ignore-not-found", "--wait=false", *files)
        self.assertNotIn("deletionTimestamp", self.world.get("namespace", NAMESPACE)["metadata"])
        self.assertEqual(self.gateway.stop(), 0)
        self.assertEqual(self.world.managers[-1].stop(), 0)
