from __future__ import annotations

import base64
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.addon import CONFIGURATIONS
from clustergateway.model.addonobjects import (
    API_SERVICES,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    DEPLOYMENTS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from clustergateway.model.resourcetype import SECRETS
from clustergateway.model.x509 import DAY, issued_by, server_names
from clustergateway.testing.apiserver import status, to_path

from .world import NAMESPACES, OWN, World, encoded

API_SERVICE = "v1alpha1.cluster.core.oam.dev"
EVERYTHING = (
    API_SERVICES,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    DEPLOYMENTS,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    SERVICES,
    SECRETS,
)
PROXY = {"type": "ClusterProxy", "clusterProxy": {"proxyServerHost": "proxy.test"}}


class InstallerTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = self.make_world()
        self.addCleanup(self.world.stop)
        self.before = self.inventory()

    def make_world(self) -> World:
        return World()

    def inventory(self) -> list[tuple[str, str, str]]:
        """Everything that an installer could make."""
        return sorted(
            (kind.kind, each["metadata"].get("namespace", ""), each["metadata"]["name"])
            for kind in EVERYTHING
            for each in self.world.every(kind)
        )

    def made(self) -> list[tuple[str, str, str]]:
        return [each for each in self.inventory() if each not in self.before]

    def container(self, namespace: str = "vela-system") -> Any:
        found = self.world.need(DEPLOYMENTS, "gateway-deployment", namespace)
        return found["spec"]["template"]["spec"]["containers"][0]

    def pem(self, name: str, key: str, namespace: str) -> bytes:
        return base64.b64decode(self.world.need(SECRETS, name, namespace)["data"][key])

    def bundle(self) -> bytes:
        return base64.b64decode(self.world.need(API_SERVICES, API_SERVICE)["spec"]["caBundle"])


class InstallTests(InstallerTestCase):
    def test_from_nothing(self) -> None:
        self.world.install()
        self.world.manager()
        self.assertEqual(self.world.configured(), ("True", "Deployed"))
        self.assertEqual(
            self.made(),
            [
                ("APIService", "", API_SERVICE),
                ("ClusterRole", "", "open-cluster-management:cluster-gateway"),
                ("ClusterRoleBinding", "", "open-cluster-management:cluster-gateway"),
                ("Deployment", "vela-system", "gateway-deployment"),
                ("Role", "vela-system", "cluster-gateway"),
                ("RoleBinding", "kube-system", "cluster-gateway:extension-apiserver-authentication-reader"),
                ("RoleBinding", "vela-system", "cluster-gateway"),
                ("Secret", OWN, "cluster-gateway-signer"),
                ("Secret", "vela-system", "cluster-gateway-tls-cert"),
                ("Service", "vela-system", "cluster-gateway"),
                ("ServiceAccount", "vela-system", "cluster-gateway"),
            ],
        )
        addon = self.world.need(self.world.types.cluster_addons, "cluster-gateway")
        for kind, namespace, name in self.made():
            if name == "cluster-gateway-signer":
                continue
            found = next(k for k in EVERYTHING if k.kind == kind)
            owners = self.world.need(found, name, namespace)["metadata"]["ownerReferences"]
            self.assertEqual([owner["uid"] for owner in owners], [addon["metadata"]["uid"]], name)

    def test_what_runs(self) -> None:
        self.world.install(secretNamespace="clusters")
        self.world.manager()
        container = self.container()
        self.assertEqual(container["image"], "gateway:1")
        self.assertEqual(
            container["args"],
            [
                "--secure-port=9443",
                "--secret-namespace=clusters",
                "--ocm-integration=true",
                "--tls-cert-file=/etc/cluster-gateway/tls/tls.crt",
                "--tls-private-key-file=/etc/cluster-gateway/tls/tls.key",
                "--feature-gates=HealthinessCheck=true,SecretCache=true,OCMClusterCache=true",
            ],
        )
        self.assertIn("clusters", self.world.names(NAMESPACES))

    def test_certificate_is_the_service_s(self) -> None:
        self.world.install()
        self.world.manager()
        certificate = self.pem("cluster-gateway-tls-cert", "tls.crt", "vela-system")
        self.assertTrue(issued_by(certificate, self.bundle()))
        self.assertIn("cluster-gateway.vela-system.svc", server_names(certificate))

    def test_availability_follows_deployment_and_api_service(self) -> None:
        self.world.install()
        self.world.manager()
        self.assertEqual(self.world.configured("Available"), ("Unknown", "DeploymentNotAvailable"))
        self.world.roll_out()
        self.assertEqual(self.world.configured("Available")[1], "APIServiceNotAvailable")
        up = {"status": {"conditions": [{"type": "Available", "status": "True"}]}}
        self.world.patch(API_SERVICES, API_SERVICE, up, sub="status")
        self.world.settle()
        self.assertEqual(self.world.configured("Available"), ("True", "GatewayAvailable"))

    def test_nothing_without_the_addon(self) -> None:
        self.world.create(CONFIGURATIONS, {"metadata": {"name": "cluster-gateway"}, "spec": {"image": "gateway:1"}})
        self.world.manager()
        self.assertEqual(self.made(), [])
        self.assertEqual(self.world.configured(), ("False", "ClusterManagementAddOnMissing"))

    def test_egress_without_its_secrets_then_with_them(self) -> None:
        self.world.install(egress=PROXY)
        self.world.manager()
        self.assertEqual(self.world.configured(), ("False", "ProxySecretMissing"))
        self.world.create(NAMESPACES, {"metadata": {"name": "open-cluster-management-addon"}})
        for name, keys in (("proxy-client", ("tls.crt", "tls.key")), ("proxy-server-ca", ("ca.crt",))):
            data = {key: encoded(key) for key in keys}
            metadata = {"name": name, "namespace": "open-cluster-management-addon"}
            self.world.create(SECRETS, {"metadata": metadata, "data": data})
        self.world.settle(700, 50)
        self.assertEqual(self.world.configured(), ("True", "Deployed"))
        self.assertIn("--proxy-host=proxy.test", self.container()["args"])
        self.assertEqual(self.pem("cluster-gateway-proxy-client", "tls.key", "vela-system"), b"tls.key")
        self.world.patch(CONFIGURATIONS, "cluster-gateway", {"spec": {"egress": {"type": "Direct"}}})
        self.world.settle()
        self.world.roll_out()
        self.assertNotIn("cluster-gateway-proxy-client", self.world.names(SECRETS, "vela-system"))

    def proxy_secrets(self, namespace: str = "open-cluster-management-addon") -> None:
        self.world.create(NAMESPACES, {"metadata": {"name": namespace}})
        for name, keys in (("proxy-client", ("tls.crt", "tls.key")), ("proxy-server-ca", ("ca.crt",))):
            data = {key: encoded(key) for key in keys}
            self.world.create(SECRETS, {"metadata": {"name": name, "namespace": namespace}, "data": data})

    def test_egress_secrets_are_heard_of_when_they_come_and_when_they_are_rotated(self) -> None:
        """Within seconds, not at the next resync."""
        self.world.install(egress=PROXY)
        self.world.manager()
        self.assertEqual(self.world.configured(), ("False", "ProxySecretMissing"))
        self.proxy_secrets()
        self.world.settle(5)
        self.assertEqual(self.world.configured(), ("True", "Deployed"))
        for name, key, copy in (
            ("proxy-client", "tls.key", "cluster-gateway-proxy-client"),
            ("proxy-server-ca", "ca.crt", "cluster-gateway-proxy-ca"),
        ):
            change = {"data": {key: encoded("rotated")}}
            self.world.patch(SECRETS, name, change, "open-cluster-management-addon")
            self.world.settle(2)
            self.assertEqual(self.pem(copy, key, "vela-system"), b"rotated", name)

    def test_egress_secrets_are_followed_to_where_the_configuration_has_them(self) -> None:
        self.proxy_secrets()
        self.world.install(egress=PROXY)
        self.world.manager()
        credentials = {"namespace": "elsewhere", "proxyClientSecretName": "proxy-client"}
        change = {"egress": {**PROXY, "clusterProxy": {"proxyServerHost": "proxy.test", "credentials": credentials}}}
        self.world.patch(CONFIGURATIONS, "cluster-gateway", {"spec": change})
        self.world.settle(5)
        self.assertEqual(self.world.configured(), ("False", "ProxySecretMissing"))
        self.proxy_secrets("elsewhere")
        self.world.patch(SECRETS, "proxy-client", {"data": {"tls.key": encoded("else")}}, "elsewhere")
        self.world.settle(5)
        self.assertEqual(self.pem("cluster-gateway-proxy-client", "tls.key", "vela-system"), b"else")

    def test_waits_for_the_apis(self) -> None:
        world = World(install_definitions=False)
        self.addCleanup(world.stop)
        manager = world.manager()
        self.assertIn("does not serve", manager.problem)
        world.define()
        world.install()
        world.settle()
        self.assertEqual((manager.problem, world.configured()), ("", ("True", "Deployed")))

    def test_newer_addon_api(self) -> None:
        world = World("v1beta1", "v1alpha1")
        self.addCleanup(world.stop)
        world.install()
        world.manager()
        self.assertEqual(world.configured(), ("True", "Deployed"))
        owner = world.need(DEPLOYMENTS, "gateway-deployment", "vela-system")["metadata"]["ownerReferences"][0]
        self.assertEqual(owner["apiVersion"], "addon.open-cluster-management.io/v1beta1")


class ChangeTests(InstallerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.world.install()
        self.world.manager()

    def configure(self, **spec: Any) -> None:
        self.world.patch(CONFIGURATIONS, "cluster-gateway", {"spec": spec})
        self.world.settle()

    def test_upgrade(self) -> None:
        self.configure(image="gateway:2")
        found = self.world.need(DEPLOYMENTS, "gateway-deployment", "vela-system")
        self.assertEqual(self.container()["image"], "gateway:2")
        self.assertEqual(found["metadata"]["labels"]["proxy.open-cluster-management.io/configuration-generation"], "2")
        self.assertEqual(self.world.need(CONFIGURATIONS, "cluster-gateway")["status"]["lastObservedGeneration"], 2)

    def test_another_namespace_leaves_nothing_in_the_former(self) -> None:
        self.configure(installNamespace="gateway", secretNamespace="clusters")
        self.world.roll_out("gateway")
        self.assertEqual([each for each in self.made() if each[1] == "vela-system"], [])
        self.assertEqual(self.container("gateway")["image"], "gateway:1")
        subject = self.world.need(CLUSTER_ROLE_BINDINGS, "open-cluster-management:cluster-gateway")["subjects"][0]
        self.assertEqual(subject["namespace"], "gateway")
        certificate = self.pem("cluster-gateway-tls-cert", "tls.crt", "gateway")
        self.assertIn("cluster-gateway.gateway.svc", server_names(certificate))

    def test_deployment_config(self) -> None:
        self.world.create(
            self.world.types.deployment_configs,
            {
                "metadata": {"name": "small", "namespace": OWN},
                "spec": {
                    "nodePlacement": {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"operator": "Exists"}]},
                    "registries": [{"source": "gateway", "mirror": "mirror.test/gateway"}],
                    "resourceRequirements": [
                        {"containerID": "*:*:gateway", "resources": {"limits": {"memory": "2Gi"}}}
                    ],
                    "customizedVariables": [
                        {"name": "Image", "value": "gateway/it:7"},
                        {"name": "Replicas", "value": "5"},
                    ],
                },
            },
        )
        named = {"group": "addon.open-cluster-management.io", "resource": "addondeploymentconfigs"}
        config = {**named, "defaultConfig": {"namespace": OWN, "name": "small"}}
        self.world.patch(self.world.types.cluster_addons, "cluster-gateway", {"spec": {"supportedConfigs": [config]}})
        self.world.settle()
        found = self.world.need(DEPLOYMENTS, "gateway-deployment", "vela-system")["spec"]
        pod = found["template"]["spec"]
        self.assertEqual((found["replicas"], pod["nodeSelector"]), (5, {"disk": "ssd"}))
        self.assertEqual(pod["tolerations"], [{"operator": "Exists"}])
        self.assertEqual(self.container()["image"], "mirror.test/gateway/it:7")
        self.assertEqual(self.container()["resources"]["limits"], {"memory": "2Gi"})
        self.world.patch(self.world.types.deployment_configs, "small", {"spec": {"nodePlacement": None}}, OWN)
        self.world.settle()
        pod = self.world.need(DEPLOYMENTS, "gateway-deployment", "vela-system")["spec"]["template"]["spec"]
        self.assertFalse(pod.get("nodeSelector"))
        self.world.delete(self.world.types.deployment_configs, "small", OWN)
        self.world.settle()
        self.assertEqual(self.world.configured(), ("False", "DeploymentConfigMissing"))

    def test_what_somebody_changes_is_put_right(self) -> None:
        bundle = self.bundle()
        self.world.patch(API_SERVICES, API_SERVICE, {"spec": {"caBundle": encoded("nonsense")}})
        self.world.delete(DEPLOYMENTS, "gateway-deployment", "vela-system")
        self.world.settle()
        self.assertEqual(self.bundle(), bundle)
        self.assertEqual(self.container()["image"], "gateway:1")

    def test_nothing_is_written_when_all_is_well(self) -> None:
        self.world.settle(700, 50)
        before = self.world.clients[-1].writes
        self.world.settle(2000, 100)
        self.assertEqual(self.world.clients[-1].writes, before)

    def test_another_s_deployment_of_the_same_name(self) -> None:
        """Its selector cannot be changed: it is made anew."""
        self.configure(installNamespace="elsewhere")
        self.world.roll_out("elsewhere")
        container = {"name": "old", "image": "old"}
        template = {"metadata": {"labels": {"old": "yes"}}, "spec": {"containers": [container]}}
        spec = {"selector": {"matchLabels": {"old": "yes"}}, "template": template}
        metadata = {"name": "gateway-deployment", "namespace": "vela-system"}
        self.world.create(DEPLOYMENTS, {"metadata": metadata, "spec": spec})
        self.configure(installNamespace="vela-system")
        self.assertEqual(self.world.configured(), ("True", "Deployed"))
        self.assertEqual(self.container()["image"], "gateway:1")

    def test_hub_that_refuses(self) -> None:
        self.world.server.faults.add(to_path("/apis/apps/v1/namespaces/vela-system/deployments", "PATCH"), status(500))
        self.configure(image="gateway:3")
        self.assertEqual(self.world.configured(), ("False", "ServiceUnavailable"))
        self.world.server.faults.clear()
        self.world.settle(40)
        self.assertEqual(self.world.configured(), ("True", "Deployed"))

    def test_storm_of_conflicts(self) -> None:
        self.world.server.faults.add(to_path("/apis/proxy", "PUT"), status(409, reason="Conflict"), times=8)
        self.configure(image="gateway:4")
        self.world.settle(60)
        self.assertEqual(self.world.configured(), ("True", "Deployed"))
        self.assertEqual(self.world.need(CONFIGURATIONS, "cluster-gateway")["status"]["lastObservedGeneration"], 2)


class RotationTests(InstallerTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.world.install()
        self.world.manager()

    def pass_days(self, days: float) -> None:
        self.world.clock.advance(days * DAY)
        self.world.settle(700, 50)

    def serving(self) -> bytes:
        return self.pem("cluster-gateway-tls-cert", "tls.crt", "vela-system")

    def test_serving_certificate_at_four_fifths_of_its_life(self) -> None:
        first = self.serving()
        self.pass_days(143)
        self.assertEqual(self.serving(), first)
        self.pass_days(2)
        self.assertNotEqual(self.serving(), first)
        self.assertTrue(issued_by(self.serving(), self.bundle()))

    def test_authorities_overlap(self) -> None:
        first = self.bundle()
        for _ in range(10):
            self.pass_days(140)
        self.assertEqual(self.bundle(), first)
        self.pass_days(70)  # beyond 1460 of 1825 days
        both = self.bundle()
        self.assertTrue(both.endswith(first))
        self.assertEqual(both.count(b"BEGIN CERTIFICATE"), 2)
        self.assertTrue(issued_by(self.serving(), both))
        self.pass_days(360)
        self.assertEqual(self.bundle().count(b"BEGIN CERTIFICATE"), 1)
        self.assertTrue(both.startswith(self.bundle()))

    def test_lost_or_spoiled_signer(self) -> None:
        self.world.patch(SECRETS, "cluster-gateway-signer", {"data": {"ca.key": encoded("nonsense")}}, OWN)
        self.world.settle(700, 50)
        self.assertTrue(issued_by(self.serving(), self.bundle()))
        self.world.delete(SECRETS, "cluster-gateway-signer", OWN)
        self.world.settle(700, 50)
        self.assertEqual(self.bundle(), self.pem("cluster-gateway-signer", "ca.crt", OWN))
        self.assertTrue(issued_by(self.serving(), self.bundle()))


class JoinedTestCase(InstallerTestCase):
    """The add-on is installed, and a cluster has joined."""

    def setUp(self) -> None:
        super().setUp()
        self.world.install()
        self.world.join("east")
        self.world.manager()
        self.world.settle()


class RemovalTests(JoinedTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.assertIsNotNone(self.world.get(SECRETS, "east", "vela-system"))

    def assert_gone(self) -> None:
        self.assertEqual(self.made(), [("Secret", "east", "cluster-gateway")])

    def test_configuration_deleted(self) -> None:
        self.world.delete(CONFIGURATIONS, "cluster-gateway")
        self.world.settle()
        self.assertIsNone(self.world.get(CONFIGURATIONS, "cluster-gateway"))
        self.assert_gone()

    def test_addon_deleted(self) -> None:
        self.world.delete(self.world.types.cluster_addons, "cluster-gateway")
        self.world.settle()
        self.assertIsNone(self.world.get(self.world.types.cluster_addons, "cluster-gateway"))
        self.assert_gone()
        self.assertEqual(self.world.configured(), ("False", "ClusterManagementAddOnMissing"))

    def test_installed_again(self) -> None:
        self.world.delete(CONFIGURATIONS, "cluster-gateway")
        self.world.settle()
        self.world.create(CONFIGURATIONS, {"metadata": {"name": "cluster-gateway"}, "spec": {"image": "gateway:2"}})
        self.world.settle()
        self.assertEqual(self.world.configured(), ("True", "Deployed"))
        self.assertIsNotNone(self.world.get(SECRETS, "east", "vela-system"))

    def test_another_configuration_takes_over(self) -> None:
        self.world.create(
            CONFIGURATIONS,
            {"metadata": {"name": "other"}, "spec": {"image": "gateway:9", "installNamespace": "other"}},
        )
        named = {"spec": {"addOnConfiguration": {"crName": "other"}}}
        self.world.patch(self.world.types.cluster_addons, "cluster-gateway", named)
        self.world.settle()
        self.world.roll_out("other")
        self.assertEqual(self.world.configured(), ("False", "NotInForce"))
        self.assertEqual(self.container("other")["image"], "gateway:9")
        self.assertEqual(self.world.names(DEPLOYMENTS), ["gateway-deployment"])
        self.assertEqual(self.world.need(CONFIGURATIONS, "cluster-gateway")["metadata"].get("finalizers", []), [])
