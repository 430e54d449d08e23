"""Managed clusters are treated by what the gateway runs with, not by what it is to run with some day."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.addon import CONFIGURATIONS
from clustergateway.model.addonobjects import API_SERVICE, API_SERVICES
from clustergateway.model.clusterprofile import CLUSTER_PROFILES
from clustergateway.model.resourcetype import SECRETS

from .world import NAMESPACES, World, encoded

PROXY_NAMESPACE = "open-cluster-management-addon"
PROXIED = {"type": "ClusterProxy", "clusterProxy": {"proxyServerHost": "proxy.test"}}
STUCK = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}


class InForceTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.addCleanup(self.world.stop)
        self.world.install()
        self.world.join("east")
        self.world.manager()
        self.world.roll_out()

    def configure(self, **spec: Any) -> None:
        self.world.patch(CONFIGURATIONS, "cluster-gateway", {"spec": spec})
        self.world.settle()

    def proxy_secrets(self) -> None:
        self.world.create(NAMESPACES, {"metadata": {"name": PROXY_NAMESPACE}})
        for name, keys in (("proxy-client", ("tls.crt", "tls.key")), ("proxy-server-ca", ("ca.crt",))):
            metadata = {"name": name, "namespace": PROXY_NAMESPACE}
            self.world.create(SECRETS, {"metadata": metadata, "data": {key: encoded(key) for key in keys}})

    def endpoint(self) -> str:
        labels = self.world.need(SECRETS, "east", "vela-system")["metadata"]["labels"]
        return str(labels["cluster.core.oam.dev/cluster-endpoint-type"])

    def start_again(self) -> None:
        self.world.managers[-1].stop()
        self.world.manager()


class InForceTests(InForceTestCase):
    def test_refused(self) -> None:
        self.configure(egress=PROXIED)
        self.assertEqual((self.world.configured()[1], self.endpoint()), ("ProxySecretMissing", "Const"))
        self.start_again()
        self.assertEqual((self.world.configured()[1], self.endpoint()), ("ProxySecretMissing", "Const"))
        self.world.send_token("east", "t2")
        self.world.settle()
        self.assertEqual(self.world.need(SECRETS, "east", "vela-system")["data"]["token"], encoded("t2"))

    def test_applied_but_not_rolled_out(self) -> None:
        self.proxy_secrets()
        self.configure(egress=PROXIED)
        self.assertEqual((self.world.configured(), self.endpoint()), (("True", "Deployed"), "Const"))
        self.world.roll_out(updatedReplicas=1)
        self.start_again()
        self.assertEqual(self.endpoint(), "Const")
        self.world.roll_out()
        self.assertEqual(self.endpoint(), "ClusterProxy")

    def test_what_the_gateway_that_runs_needs_is_kept(self) -> None:
        self.proxy_secrets()
        self.configure(egress=PROXIED)
        self.world.roll_out()
        self.configure(egress={"type": "Direct"})
        self.assertIn("cluster-gateway-proxy-client", self.world.names(SECRETS, "vela-system"))
        self.world.roll_out()
        self.assertNotIn("cluster-gateway-proxy-client", self.world.names(SECRETS, "vela-system"))
        self.assertEqual(self.endpoint(), "Const")

    def test_back_to_what_runs(self) -> None:
        self.proxy_secrets()
        self.configure(egress=PROXIED)
        self.world.roll_out(updatedReplicas=1, conditions=[STUCK])
        self.configure(egress={"type": "Direct"}, secretManagement={"managedServiceAccount": {"name": "other"}})
        self.world.send_token("east", "t9", "other")
        self.world.settle()
        self.assertEqual(self.world.need(SECRETS, "east", "vela-system")["data"]["token"], encoded("t9"))

    def test_installed_anew_is_in_force_at_once(self) -> None:
        """No gateway runs that could be disturbed."""
        self.proxy_secrets()
        self.world.delete(CONFIGURATIONS, "cluster-gateway")
        self.world.settle()
        self.world.create(
            CONFIGURATIONS,
            {"metadata": {"name": "cluster-gateway"}, "spec": {"image": "gateway:1", "egress": PROXIED}},
        )
        self.world.settle()
        self.assertEqual(self.endpoint(), "ClusterProxy")


class AvailabilityTests(InForceTestCase):
    def setUp(self) -> None:
        super().setUp()
        up = {"status": {"conditions": [{"type": "Available", "status": "True"}]}}
        self.world.patch(API_SERVICES, API_SERVICE, up, sub="status")
        self.world.settle()
        self.assertEqual(self.world.configured("Available"), ("True", "GatewayAvailable"))
        self.configure(image="nosuch:1")

    def test_rolling_out(self) -> None:
        self.assertEqual(self.world.configured("Available"), ("Unknown", "RollingOut"))
        self.world.roll_out(updatedReplicas=1)
        self.assertEqual(self.world.configured("Available"), ("Unknown", "RollingOut"))
        self.world.roll_out()
        self.assertEqual(self.world.configured("Available"), ("True", "GatewayAvailable"))

    def test_stuck(self) -> None:
        conditions = [{"type": "Available", "status": "True"}, STUCK]
        self.world.roll_out(updatedReplicas=1, conditions=conditions)
        self.assertEqual(self.world.configured("Available"), ("False", "RolloutStuck"))
        self.assertEqual(self.world.configured(), ("True", "Deployed"))


class ProfilesTests(SynchronousTestCase):
    def test_seen_only_where_they_are_published(self) -> None:
        world = World()
        self.addCleanup(world.stop)
        asked: list[str] = []

        def note(request: Any) -> bool:
            if "clusterprofiles" in request.uri.decode():
                asked.append(request.uri.decode())
            return False

        world.server.server.before.append(note)
        world.install()
        world.join("east")
        world.manager()
        self.assertEqual(asked, [])
        change = {"spec": {"clusterProfiles": {"server": "https://hub.test"}}}
        world.patch(CONFIGURATIONS, "cluster-gateway", change)
        world.settle()
        self.assertIn(CLUSTER_PROFILES.resource, asked[0])
