from __future__ import annotations

import base64

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.addon import CONFIGURATIONS
from clustergateway.model.manifestwork import MANIFEST_WORKS, WORK
from clustergateway.model.ocm import MANAGED_CLUSTERS
from clustergateway.model.resourcetype import SECRETS
from clustergateway.testing.apiserver import status, to_path

from ..model.test_manifestwork import rule, ruled
from .world import ACCOUNTS, World, encoded


class DiscoveryTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.addCleanup(self.world.stop)

    def begin(self, **spec: object) -> None:
        self.world.install(**spec)
        self.world.manager()

    def token(self, name: str, namespace: str = "vela-system") -> str:
        return base64.b64decode(self.world.need(SECRETS, name, namespace)["data"]["token"]).decode()

    def registered(self, name: str) -> tuple[str, str]:
        addon = self.world.get(self.world.types.managed_addons, "cluster-gateway", name)
        return self.world.condition(addon, "ClusterGatewayRegistered")


class JoiningTests(DiscoveryTestCase):
    def test_one_that_joins_becomes_a_gateway(self) -> None:
        self.begin()
        self.world.join("east")
        self.world.settle()
        secret = self.world.need(SECRETS, "east", "vela-system")
        self.assertEqual(
            secret["metadata"]["labels"],
            {
                "app.kubernetes.io/managed-by": "cluster-gateway-addon-manager",
                "cluster.core.oam.dev/cluster-credential-type": "ServiceAccountToken",
                "cluster.core.oam.dev/cluster-endpoint-type": "Const",
            },
        )
        self.assertEqual(secret["data"], {"ca.crt": encoded("CA"), "token": encoded("t1")})
        owner = secret["metadata"]["ownerReferences"][0]
        self.assertEqual((owner["kind"], owner["name"]), ("ManagedCluster", "east"))
        self.assertEqual(self.registered("east"), ("True", "Registered"))

    def test_its_account_is_made(self) -> None:
        self.begin()
        self.world.join("east")
        self.world.settle()
        found = self.world.need(ACCOUNTS, "cluster-gateway", "east")
        self.assertEqual(found["spec"], {"rotation": {"enabled": True, "validity": "4320h0m0s"}})
        self.assertEqual(found["metadata"]["ownerReferences"][0]["kind"], "ManagedClusterAddOn")

    def test_those_that_were_there_before(self) -> None:
        self.world.join("east")
        self.world.join("west")
        self.begin()
        self.assertEqual((self.token("east"), self.token("west")), ("t1", "t1"))

    def test_without_the_addon_nothing(self) -> None:
        self.begin()
        self.world.join("east", addon=False)
        self.world.settle()
        self.assertIsNone(self.world.get(SECRETS, "east", "vela-system"))
        self.assertEqual(self.world.every(ACCOUNTS), [])

    def test_through_konnectivity(self) -> None:
        for name, keys in (("proxy-client", ("tls.crt", "tls.key")), ("proxy-server-ca", ("ca.crt",))):
            metadata = {"name": name, "namespace": "default"}
            self.world.create(SECRETS, {"metadata": metadata, "data": {key: encoded(key) for key in keys}})
        proxy = {"proxyServerHost": "proxy.test", "credentials": {"namespace": "default"}}
        self.world.join("east")
        self.begin(egress={"type": "ClusterProxy", "clusterProxy": proxy})
        labels = self.world.need(SECRETS, "east", "vela-system")["metadata"]["labels"]
        self.assertEqual(labels["cluster.core.oam.dev/cluster-endpoint-type"], "ClusterProxy")

    def test_token_not_there_yet(self) -> None:
        self.begin()
        self.world.join("east", token="")
        self.world.settle()
        self.assertEqual(self.registered("east"), ("False", "TokenMissing"))
        self.world.send_token("east", "t1")
        self.world.settle()
        self.assertEqual((self.token("east"), self.registered("east")[0]), ("t1", "True"))

    def test_rotated_token(self) -> None:
        self.begin()
        self.world.join("east")
        self.world.settle()
        self.world.patch(SECRETS, "east", {"metadata": {"annotations": {"kept": "yes"}}}, "vela-system")
        self.world.send_token("east", "t2")
        self.world.settle()
        self.assertEqual(self.token("east"), "t2")
        self.assertEqual(self.world.need(SECRETS, "east", "vela-system")["metadata"]["annotations"]["kept"], "yes")

    def test_another_s_secret_is_left_alone(self) -> None:
        self.begin()
        metadata = {"name": "east", "namespace": "vela-system"}
        self.world.create(SECRETS, {"metadata": metadata, "data": {"token": encoded("by hand")}})
        self.world.join("east")
        self.world.settle()
        self.assertEqual((self.token("east"), self.registered("east")), ("by hand", ("False", "SecretNotOurs")))
        self.world.leave("east")
        self.world.settle()
        self.assertEqual(self.token("east"), "by hand")

    def test_storm_of_conflicts(self) -> None:
        self.world.server.faults.add(to_path("/apis/addon", "PUT"), status(409, reason="Conflict"), times=6)
        self.begin()
        self.world.join("east")
        self.world.settle(60)
        self.assertEqual((self.token("east"), self.registered("east")), ("t1", ("True", "Registered")))

    def test_what_the_hub_refuses(self) -> None:
        self.world.server.faults.add(to_path("/apis/work", "PATCH"), status(403, reason="Forbidden"), times=6)
        self.begin()
        self.world.join("east")
        seen = set()
        for _ in range(40):
            self.world.settle(0.1, 0.05)
            seen.add(self.registered("east"))
        self.assertIn(("False", "Forbidden"), seen)
        self.world.settle(60)
        self.assertEqual(self.registered("east"), ("True", "Registered"))

    def test_rights_that_were_not_applied(self) -> None:
        self.begin()
        self.world.join("east")
        self.world.settle()
        for applied, expected in (("False", ("False", "PermissionsNotApplied")), ("True", ("True", "Registered"))):
            condition = {"type": "Applied", "status": applied, "message": "no"}
            self.world.patch(MANIFEST_WORKS, WORK, {"status": {"conditions": [condition]}}, "east", "status")
            self.world.settle()
            self.assertEqual(self.registered("east"), expected)
        self.assertEqual(self.token("east"), "t1")


class LeavingTests(DiscoveryTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.begin()
        self.world.join("east")
        self.world.join("west")
        self.world.settle()

    def assert_only_west(self) -> None:
        self.world.settle()
        for kind in (ACCOUNTS, MANIFEST_WORKS):
            self.assertEqual([each["metadata"]["namespace"] for each in self.world.every(kind)], ["west"])
        self.assertIsNone(self.world.get(SECRETS, "east", "vela-system"))
        self.assertEqual(self.token("west"), "t1")

    def test_cluster_leaves(self) -> None:
        self.world.leave("east")
        self.assert_only_west()

    def test_addon_disabled(self) -> None:
        self.world.delete(self.world.types.managed_addons, "cluster-gateway", "east")
        self.assert_only_west()

    def test_cluster_gone_while_the_addon_is_still_there(self) -> None:
        self.world.delete(MANAGED_CLUSTERS, "east")
        self.assert_only_west()

    def conditions(self, name: str) -> list[tuple[str, str]]:
        addon = self.world.get(self.world.types.managed_addons, "cluster-gateway", name)
        return [self.world.condition(addon, each) for each in ("ClusterGatewayRegistered", "Available")]

    def test_uninstalled(self) -> None:
        self.world.delete(CONFIGURATIONS, "cluster-gateway")
        self.world.settle()
        for name in ("east", "west"):
            self.assertEqual(self.conditions(name), [("False", "Uninstalled"), ("Unknown", "Uninstalled")])

    def test_stopped_is_not_uninstalled(self) -> None:
        self.world.managers[0].stop()
        self.world.settle()
        self.assertEqual(self.conditions("east")[0], ("True", "Registered"))

    def test_left_while_no_manager_ran(self) -> None:
        self.world.managers[0].stop()
        self.world.leave("east")
        self.world.manager()
        self.assert_only_west()


class ConfiguredTests(DiscoveryTestCase):
    def test_manual(self) -> None:
        self.begin(secretManagement={"type": "Manual"})
        metadata = {"name": "east", "namespace": "vela-system"}
        self.world.create(SECRETS, {"metadata": metadata, "data": {"token": encoded("by hand")}})
        self.world.join("east")
        self.world.settle()
        self.assertEqual((self.token("east"), self.registered("east")), ("by hand", ("True", "Manual")))
        self.assertEqual((self.world.every(ACCOUNTS), self.world.every(MANIFEST_WORKS)), ([], []))

    def manually(self) -> None:
        self.begin()
        self.world.join("east")
        self.world.settle()
        self.world.patch(CONFIGURATIONS, "cluster-gateway", {"spec": {"secretManagement": {"type": "Manual"}}})
        self.world.settle()

    def test_manual_from_now_on(self) -> None:
        self.manually()
        metadata = self.world.need(SECRETS, "east", "vela-system")["metadata"]
        self.assertNotIn("app.kubernetes.io/managed-by", metadata["labels"])
        self.assertIn("cluster.core.oam.dev/cluster-credential-type", metadata["labels"])
        self.assertEqual((metadata.get("annotations") or {}, metadata.get("ownerReferences") or []), ({}, []))
        self.assertEqual((self.token("east"), self.registered("east")), ("t1", ("True", "Manual")))
        self.world.send_token("east", "t2")
        self.world.settle()
        self.assertEqual(self.token("east"), "t1")

    def test_what_is_people_s_outlives_us(self) -> None:
        self.manually()
        self.world.delete(CONFIGURATIONS, "cluster-gateway")
        self.world.settle()
        self.assertEqual(self.token("east"), "t1")
        self.assertEqual(self.world.every(ACCOUNTS), [])

    def test_another_account(self) -> None:
        self.begin()
        self.world.join("east")
        self.world.settle()
        named = {"managedServiceAccount": {"name": "other"}}
        self.world.patch(CONFIGURATIONS, "cluster-gateway", {"spec": {"secretManagement": named}})
        self.world.settle()
        self.assertEqual(self.world.names(ACCOUNTS, "east"), ["other"])
        self.world.send_token("east", "t9", "other")
        self.world.settle()
        self.assertEqual(self.token("east"), "t9")

    def test_another_secret_namespace(self) -> None:
        self.begin()
        self.world.join("east")
        self.world.settle()
        self.world.patch(CONFIGURATIONS, "cluster-gateway", {"spec": {"secretNamespace": "clusters"}})
        self.world.settle()
        self.assertEqual(self.token("east"), "t1")  # for the gateway that still runs
        self.world.roll_out()
        self.assertEqual(self.token("east", "clusters"), "t1")
        self.assertIsNone(self.world.get(SECRETS, "east", "vela-system"))

    def manifests(self) -> list[tuple[str, str]]:
        work = self.world.need(MANIFEST_WORKS, WORK, "east")
        found = work["spec"]["workload"]["manifests"]
        return [(each["kind"], each.get("roleRef", {}).get("name", "")) for each in found]

    def test_least_rights_by_default(self) -> None:
        self.begin()
        self.world.join("east")
        self.world.settle()
        self.assertEqual(self.manifests(), [("ClusterRoleBinding", "view")])

    def test_whom_the_cluster_s_own_rules_name(self) -> None:
        self.begin()
        self.world.join("east")
        self.world.settle()
        annotations = ruled(rule("ann", user="dev"))["metadata"]["annotations"]
        self.world.patch(SECRETS, "east", {"metadata": {"annotations": annotations}}, "vela-system")
        self.world.settle()
        own = "open-cluster-management:cluster-gateway"
        self.assertEqual(
            self.manifests(), [("ClusterRoleBinding", "view"), ("ClusterRole", ""), ("ClusterRoleBinding", own)]
        )
        rules = self.world.need(MANIFEST_WORKS, WORK, "east")["spec"]["workload"]["manifests"][1]["rules"]
        dev = {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["dev"]}
        self.assertEqual(rules, [dev])

    def test_full_rights_when_asked_for(self) -> None:
        self.begin(managedClusterPermissions="Full")
        self.world.join("east")
        self.world.settle()
        self.assertEqual(self.manifests(), [("ClusterRoleBinding", "cluster-admin")])

    def test_service_account_where_the_agent_makes_it(self) -> None:
        self.begin()
        self.world.join("east")
        agent = {"metadata": {"name": "managed-serviceaccount", "namespace": "east"}}
        self.world.create(self.world.types.managed_addons, {**agent, "spec": {"installNamespace": "agents"}})
        self.world.settle()
        binding = self.world.need(MANIFEST_WORKS, WORK, "east")["spec"]["workload"]["manifests"][0]
        self.assertEqual(
            binding["subjects"], [{"kind": "ServiceAccount", "name": "cluster-gateway", "namespace": "agents"}]
        )
