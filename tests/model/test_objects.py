"""What is shown of a cluster, and what must not be."""

from __future__ import annotations

import json
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.gateway import (
    CertificateCredential,
    ClusterGateway,
    Credential,
    Endpoint,
    ExecCredential,
    Health,
    NoCredential,
    TokenCredential,
    TokenFileCredential,
)
from clustergateway.model.objects import (
    address,
    cluster_gateway,
    cluster_gateway_cells,
    credential_type,
    local_cluster,
    virtual_cluster,
    virtual_cluster_cells,
)
from clustergateway.model.x509 import DAY, issue_client, new_authority

SECRET = "s3cr3t"
EAST = ClusterGateway(
    name="east",
    endpoints=(
        Endpoint("10.0.0.1", 6443, "/base", ca=b"PEM", proxy_url=f"http://user:{SECRET}@proxy:3128/"),
        Endpoint("10.0.0.2", 6443),
    ),
    credential=TokenCredential(SECRET),
    provider="aws",
    labels={"env": "prod", "cluster.core.oam.dev/cluster-credential-type": "ServiceAccountToken"},
    annotations={
        "kubectl.kubernetes.io/last-applied-configuration": SECRET,
        "kapp.k14s.io/original": SECRET,
        "cluster.core.oam.dev/cluster-gateway-proxy-configuration": SECRET,
        "cluster.core.oam.dev/cluster-alias": "the east",
        "status.cluster.core.oam.dev/healthy": "true",
    },
    health=Health(True, "fine"),
    uid="u-1",
    resource_version="5",
    creation_timestamp="2026-01-01T00:00:00Z",
    alias="the east",
    proxy_configuration=SECRET,
)


class ClusterGatewayTests(SynchronousTestCase):
    def test_shape(self) -> None:
        self.assertEqual(
            cluster_gateway(EAST, 7),
            {
                "kind": "ClusterGateway",
                "apiVersion": "cluster.core.oam.dev/v1alpha1",
                "metadata": {
                    "name": "east",
                    "uid": "u-1",
                    "resourceVersion": "7",
                    "creationTimestamp": "2026-01-01T00:00:00Z",
                    "labels": {"env": "prod", "cluster.core.oam.dev/cluster-credential-type": "ServiceAccountToken"},
                    "annotations": {
                        "cluster.core.oam.dev/cluster-alias": "the east",
                        "status.cluster.core.oam.dev/healthy": "true",
                    },
                },
                "spec": {
                    "provider": "aws",
                    "access": {
                        "endpoint": {
                            "type": "Const",
                            "const": {
                                "address": "https://10.0.0.1:6443/base",
                                "caBundle": "UEVN",
                                "proxy-url": "http://proxy:3128",
                            },
                        },
                        "credential": {
                            "type": "ServiceAccountToken",
                            "fingerprint": "SHA256:4e738ca5563c06cfd0018299933d58db",
                        },
                    },
                },
                "status": {"healthy": True, "healthyReason": "fine"},
            },
        )

    def test_of_endpoints_of_several_kinds_the_first_is_shown(self) -> None:
        tunnelled = replace(EAST, endpoints=(Endpoint("east", 443, ca=b"PEM", via_cluster_proxy=True), *EAST.endpoints))
        self.assertEqual({"type": "ClusterProxy"}, cluster_gateway(tunnelled, 1)["spec"]["access"]["endpoint"])
        self.assertEqual("ClusterProxy", virtual_cluster(tunnelled, 1)["spec"]["endpoint"])
        mixed = replace(EAST, endpoints=(*EAST.endpoints, Endpoint("east", 443, via_cluster_proxy=True)))
        shown = cluster_gateway(mixed, 1)["spec"]["access"]["endpoint"]
        self.assertEqual(("Const", "http://proxy:3128"), (shown["type"], shown["const"]["proxy-url"]))

    def test_no_secret_is_shown(self) -> None:
        pair = issue_client(new_authority("ca", DAY), "u", ("g",), DAY)
        credentials: list[Credential] = [
            TokenCredential(SECRET),
            TokenFileCredential(f"/{SECRET}"),
            CertificateCredential(pair.certificate, pair.key),
            CertificateCredential(SECRET.encode(), SECRET.encode()),
            ExecCredential(SECRET, (SECRET,), ((SECRET, SECRET),), cluster_config={SECRET: SECRET}),
        ]
        for credential in credentials:
            gateway = replace(EAST, credential=credential)
            for shown in (cluster_gateway(gateway, 1), virtual_cluster(gateway, 1)):
                text = json.dumps(shown)
                self.assertNotIn(SECRET, text)
                self.assertNotIn("PRIVATE", text)
                for line in pair.key.decode().splitlines():
                    self.assertNotIn(line, text)

    def test_the_fingerprint_changes_with_the_credential(self) -> None:
        authority = new_authority("ca", DAY)
        pairs = [issue_client(authority, "u", ("g",), DAY) for _ in range(2)]
        certificates = [CertificateCredential(pair.certificate, pair.key) for pair in pairs]
        credentials: list[Credential] = [*certificates, TokenCredential("a"), TokenCredential("b")]
        fingerprints = {
            cluster_gateway(replace(EAST, credential=credential), 1)["spec"]["access"]["credential"]["fingerprint"]
            for credential in credentials
        }
        self.assertEqual(len(fingerprints), 4)

    def test_unreadable_proxy_urls_are_not_shown(self) -> None:
        for url, shown in [
            ("http://[a:b@c", ""),
            (f"http://{SECRET}@h:x", ""),
            ("socks5://u:p@[::1]:1", "socks5://[::1]:1"),
        ]:
            gateway = replace(EAST, endpoints=(Endpoint("h", 1, proxy_url=url),))
            self.assertEqual(cluster_gateway(gateway, 1)["spec"]["access"]["endpoint"]["const"]["proxy-url"], shown)

    def test_endpoints(self) -> None:
        for endpoint, shown in [
            (Endpoint("h", 443, insecure=True), {"type": "Const", "const": {"address": "https://h", "insecure": True}}),
            (Endpoint("east", 443, via_cluster_proxy=True), {"type": "ClusterProxy"}),
        ]:
            gateway = replace(EAST, endpoints=(endpoint,))
            self.assertEqual(cluster_gateway(gateway, 1)["spec"]["access"]["endpoint"], shown)
        broken = replace(EAST, endpoints=(), credential=NoCredential(), unroutable="data key endpoint is missing")
        shown = cluster_gateway(broken, 1)
        self.assertEqual(shown["spec"]["access"], {"endpoint": {"type": "Const"}})
        self.assertEqual(shown["status"]["unroutable"], "data key endpoint is missing")

    def test_address(self) -> None:
        self.assertEqual(address(Endpoint("::1", 8443, "/x")), "https://[::1]:8443/x")

    def test_deletion_and_age(self) -> None:
        gateway = replace(EAST, deletion_timestamp="2026-01-02T00:00:00Z", creation_timestamp="", uid="")
        metadata = cluster_gateway(gateway, 1)["metadata"]
        self.assertEqual(metadata["deletionTimestamp"], "2026-01-02T00:00:00Z")
        self.assertIs(metadata["creationTimestamp"], None)
        self.assertNotIn("uid", metadata)

    def test_cells(self) -> None:
        for gateway, cells in [
            (EAST, ["east", "aws", "ServiceAccountToken", "Const", "true"]),
            (replace(EAST, health=Health(False)), ["east", "aws", "ServiceAccountToken", "Const", "false"]),
            (
                replace(EAST, health=Health(), credential=NoCredential()),
                ["east", "aws", "<none>", "Const", "unknown"],
            ),
        ]:
            self.assertEqual(cluster_gateway_cells(cluster_gateway(gateway, 1)), cells)

    def test_credential_types(self) -> None:
        table: list[tuple[Credential, str]] = [
            (TokenFileCredential("/x"), "ServiceAccountToken"),
            (CertificateCredential(b"", b""), "X509Certificate"),
            (ExecCredential("x"), "Dynamic"),
            (NoCredential(), ""),
        ]
        for credential, expected in table:
            self.assertEqual(credential_type(credential), expected)


class VirtualClusterTests(SynchronousTestCase):
    def test_shape(self) -> None:
        self.assertEqual(
            virtual_cluster(EAST, 7),
            {
                "kind": "VirtualCluster",
                "apiVersion": "cluster.core.oam.dev/v1alpha1",
                "metadata": {
                    "name": "east",
                    "uid": "u-1",
                    "resourceVersion": "7",
                    "creationTimestamp": "2026-01-01T00:00:00Z",
                    "labels": {"env": "prod", "cluster.core.oam.dev/control-plane": "false"},
                },
                "spec": {
                    "alias": "the east",
                    "accepted": True,
                    "endpoint": "https://10.0.0.1:6443/base",
                    "credential-type": "ServiceAccountToken",
                },
            },
        )

    def test_endpoints(self) -> None:
        tunnel = replace(EAST, endpoints=(Endpoint("east", 443, via_cluster_proxy=True),))
        self.assertEqual(virtual_cluster(tunnel, 1)["spec"]["endpoint"], "ClusterProxy")
        self.assertEqual(virtual_cluster(replace(EAST, endpoints=()), 1)["spec"]["endpoint"], "-")

    def test_cells(self) -> None:
        self.assertEqual(
            virtual_cluster_cells(virtual_cluster(EAST, 1)),
            [
                "east",
                "the east",
                "ServiceAccountToken",
                "https://10.0.0.1:6443/base",
                True,
                "cluster.core.oam.dev/control-plane=false,env=prod",
                "2026-01-01T00:00:00Z",
            ],
        )
        self.assertEqual(
            virtual_cluster_cells(local_cluster(1)),
            ["local", "", "Internal", "-", True, "cluster.core.oam.dev/control-plane=true", None],
        )
