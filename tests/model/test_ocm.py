"""Tests for L{clustergateway.model.ocm}."""

from __future__ import annotations

import base64
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.gateway import ClusterGateway, Endpoint, Health
from clustergateway.model.objects import virtual_cluster
from clustergateway.model.ocm import health, kubernetes_version, managed_only, merge
from clustergateway.model.soundness import warnings

from .pki import authority

CA = authority().certificate
OTHER_CA = authority("another").certificate


def secret(endpoint_type: str = "Const", **data: str) -> dict[str, Any]:
    labels = {
        "cluster.core.oam.dev/cluster-credential-type": "ServiceAccountToken",
        "cluster.core.oam.dev/cluster-endpoint-type": endpoint_type,
    }
    plain = {"token": "hunter2", "ca.crt": OTHER_CA.decode(), **data}
    return {"kind": "Secret", "metadata": {"name": "east", "labels": labels}, "stringData": plain}


def cluster(*urls: str, ca: bytes = CA, available: str = "True", accepted: bool = True) -> dict[str, Any]:
    configs = [{"url": url, "caBundle": base64.b64encode(ca).decode()} for url in urls]
    return {
        "metadata": {"name": "east"},
        "spec": {"managedClusterClientConfigs": configs, "hubAcceptsClient": accepted},
        "status": {"conditions": [{"type": "ManagedClusterConditionAvailable", "status": available}]},
    }


def merged(manifest: dict[str, Any], managed: dict[str, Any]) -> ClusterGateway:
    gateway = merge(manifest, managed)
    assert gateway is not None
    return gateway


class MergeTests(SynchronousTestCase):
    def test_no_gateway(self) -> None:
        self.assertIsNone(merge({"metadata": {"name": "east"}}, cluster()))

    def test_all_urls_before_the_secrets_own(self) -> None:
        gateway = merged(secret(endpoint="https://c.example"), cluster("https://a.example:6443", "https://b.example"))
        self.assertEqual(
            gateway.endpoints,
            (
                Endpoint("a.example", 6443, ca=CA),
                Endpoint("b.example", 443, ca=CA),
                Endpoint("c.example", 443, ca=OTHER_CA),
            ),
        )
        self.assertEqual(gateway.unroutable, "")

    def test_the_same_address_once(self) -> None:
        gateway = merged(secret(endpoint="https://a.example"), cluster("https://a.example"))
        self.assertEqual(gateway.endpoints, (Endpoint("a.example", 443, ca=CA),))

    def test_the_secrets_ca_and_proxy_serve_the_managed_clusters_urls(self) -> None:
        manifest = secret(**{"proxy-url": "http://proxy:3128"})
        gateway = merged(manifest, cluster("https://a.example", ca=b""))
        self.assertEqual(gateway.endpoints, (Endpoint("a.example", 443, ca=OTHER_CA, proxy_url="http://proxy:3128"),))

    def test_without_any_ca_the_systems(self) -> None:
        manifest = secret()
        del manifest["stringData"]["ca.crt"]
        endpoint = merged(manifest, cluster("https://a.example", ca=b"")).endpoints[0]
        self.assertEqual((endpoint.ca, endpoint.insecure), (None, False))

    def test_konnectivity_alone(self) -> None:
        gateway = merged(secret("ClusterProxy"), cluster("https://a.example"))
        self.assertEqual([endpoint.via_cluster_proxy for endpoint in gateway.endpoints], [True])

    def test_a_list_of_endpoints_alone(self) -> None:
        manifest = secret(endpoints="[{url: https://b.example}, {type: ClusterProxy}]")
        gateway = merged(manifest, cluster("https://a.example"))
        self.assertEqual(["b.example", "east"], [endpoint.host for endpoint in gateway.endpoints])

    def test_no_endpoint_at_all(self) -> None:
        gateway = merged(secret(), cluster())
        self.assertEqual(gateway.unroutable, "neither the ManagedCluster nor the Secret has an endpoint")

    def test_not_routed(self) -> None:
        managed = cluster("https://a.example", accepted=False)
        self.assertEqual(merged(secret(), managed).unroutable, "the hub has not accepted the ManagedCluster")
        managed["metadata"]["deletionTimestamp"] = "2024-01-02T03:04:05Z"
        self.assertEqual(merged(secret(), managed).unroutable, "the ManagedCluster is being deleted")

    def test_generation_follows_the_managed_cluster(self) -> None:
        first = merged(secret(), cluster("https://a.example"))
        self.assertNotEqual(first.generation, merged(secret(), cluster("https://b.example")).generation)
        self.assertEqual(first.generation, merged(secret(), cluster("https://a.example", available="False")).generation)

    def test_entries_that_cannot_be_used_are_left_out(self) -> None:
        managed = cluster("https://good.example")
        good = managed["spec"]["managedClusterClientConfigs"]
        bad_ca = base64.b64encode(b"hunter2").decode()
        for config, problem in (
            (7, "managedClusterClientConfigs[0] has no url"),
            ({"url": 7}, "managedClusterClientConfigs[0] has no url"),
            ({"url": "https://a", "caBundle": "%"}, "managedClusterClientConfigs[0].caBundle is not base64"),
            ({"url": "https://a", "caBundle": bad_ca}, "managedClusterClientConfigs[0].caBundle"),
            ({"url": "http://hunter2.example"}, "managedClusterClientConfigs[0].url"),
        ):
            managed["spec"]["managedClusterClientConfigs"] = [config, *good]
            gateway = merged(secret(), managed)
            self.assertEqual([endpoint.host for endpoint in gateway.endpoints], ["good.example"])
            self.assertEqual(gateway.unroutable, "")
            (warning,) = warnings(gateway, 0.0)
            self.assertIn(problem, warning)
            self.assertNotIn("hunter2", warning)

    def test_none_that_can_be_used(self) -> None:
        gateway = merged(secret(), cluster("http://a.example"))
        self.assertEqual(gateway.endpoints, ())
        self.assertIn("managedClusterClientConfigs[0].url", gateway.unroutable)

    def test_nothing_unverified_beside_what_is_verified(self) -> None:
        manifest = secret(endpoint="https://own.example")
        del manifest["stringData"]["ca.crt"]
        gateway = merged(manifest, cluster("https://a.example"))
        self.assertEqual([(each.host, each.insecure) for each in gateway.endpoints], [("a.example", False)])
        self.assertIn("the Secret's endpoint is left out", gateway.warnings[0])
        self.assertEqual([each.insecure for each in merged(manifest, cluster()).endpoints], [True])

    def test_nothing_unverified_in_the_place_of_what_cannot_be_verified(self) -> None:
        manifest = secret(endpoint="https://own.example")
        del manifest["stringData"]["ca.crt"]
        self.assertEqual(merged(manifest, cluster("https://a.example", ca=b"no PEM")).endpoints, ())


class HealthTests(SynchronousTestCase):
    def test_merged(self) -> None:
        bad = Health(False, "CertificateMismatch")
        down = Health(False, "Unknown: ManagedClusterConditionAvailable is False")
        lost = Health(None, "Unknown: ManagedClusterConditionAvailable is Unknown")
        for own, available, expected in (
            (Health(), "True", Health(True)),
            (Health(True), "True", Health(True)),
            (bad, "True", bad),
            (bad, "Unknown", bad),
            (Health(), "Unknown", lost),
            (Health(True), "Unknown", lost),
            (Health(True), "False", down),
            (Health(), "False", down),
        ):
            self.assertEqual(health(own, cluster(available=available)), expected)

    def test_no_condition(self) -> None:
        self.assertEqual(health(Health(True), {"status": {"conditions": "x"}}), Health(True))


class VersionTests(SynchronousTestCase):
    def test_versions(self) -> None:
        for said, version in (("v1.36.0+k3s1", (1, 36)), ("1.9", (1, 9)), ("v2", (0, 0)), (7, (0, 0)), (None, (0, 0))):
            self.assertEqual(kubernetes_version({"status": {"version": {"kubernetes": said}}}), version)
        self.assertEqual(kubernetes_version({}), (0, 0))


class LabelsTests(SynchronousTestCase):
    def claimed(self) -> dict[str, Any]:
        found = cluster("https://a.example")
        found["metadata"]["labels"] = {"env": "prod", "cluster.core.oam.dev/cluster-endpoint-type": "Else"}
        found["status"]["clusterClaims"] = [
            {"name": "kubeversion.open-cluster-management.io", "value": "v1.30.1+k3s1"},
            {"name": "region.open-cluster-management.io", "value": "eu-1"},
            {"name": "other.example", "value": "not shown"},
            {"name": "product.open-cluster-management.io"},
            "nonsense",
        ]
        return found

    def test_labels_and_claims(self) -> None:
        shown = merged(secret(), self.claimed()).labels
        self.assertEqual(
            {key: value for key, value in shown.items() if not key.startswith("cluster.core.oam.dev")},
            {
                "env": "prod",
                "kubeversion.open-cluster-management.io": "v1.30.1_k3s1",
                "region.open-cluster-management.io": "eu-1",
            },
        )

    def test_the_secrets_own_count_more(self) -> None:
        self.assertEqual(merged(secret(), self.claimed()).labels["cluster.core.oam.dev/cluster-endpoint-type"], "Const")

    def test_accepted(self) -> None:
        self.assertTrue(merged(secret(), cluster("https://a.example")).accepted)
        self.assertFalse(merged(secret(), cluster("https://a.example", accepted=False)).accepted)


class ManagedOnlyTests(SynchronousTestCase):
    def test_shown_and_not_entered(self) -> None:
        gateway = managed_only(cluster("https://a.example", accepted=False))
        assert gateway is not None
        shown = virtual_cluster(gateway, 7)
        self.assertEqual(
            shown["spec"], {"accepted": False, "endpoint": "https://a.example", "credential-type": "ManagedCluster"}
        )
        self.assertEqual(gateway.unroutable, "the hub has not accepted the ManagedCluster")

    def test_why_it_is_not_entered(self) -> None:
        gateway = managed_only(cluster())
        assert gateway is not None
        self.assertEqual(
            (gateway.unroutable, gateway.endpoints),
            ("no Secret says with what the ManagedCluster is entered", ()),
        )

    def test_endpoints_that_cannot_be_used(self) -> None:
        gateway = managed_only(cluster("ftp://a.example"))
        assert gateway is not None
        self.assertEqual(gateway.endpoints, ())

    def test_without_a_name(self) -> None:
        self.assertIsNone(managed_only({}))
