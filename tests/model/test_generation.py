"""Tests for L{clustergateway.model.generation}."""

from __future__ import annotations

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
from clustergateway.model.generation import credential_version, with_generation

EAST = ClusterGateway("east", (Endpoint("east.example", 6443),), TokenCredential("hunter2"))


class GenerationTests(SynchronousTestCase):
    def test_depends_on_endpoints_and_credential(self) -> None:
        variants = [
            EAST,
            replace(EAST, credential=TokenCredential("hunter3")),
            replace(EAST, endpoints=(Endpoint("east.example", 6443, ca=b"pem"),)),
            replace(EAST, endpoints=(Endpoint("east.example", 6443, insecure=True),)),
            replace(EAST, endpoints=(*EAST.endpoints, Endpoint("east2.example", 6443))),
            replace(EAST, endpoints=(Endpoint("east.example", 6443, proxy_url="http://proxy"),)),
        ]
        generations = [with_generation(variant).generation for variant in variants]
        self.assertEqual(len(set(generations)), len(variants))

    def test_depends_on_nothing_else(self) -> None:
        other = replace(EAST, labels={"a": "b"}, health=Health(True), resource_version="7", unroutable="no")
        self.assertEqual(with_generation(other).generation, with_generation(EAST).generation)

    def test_credentials_of_different_kinds_differ(self) -> None:
        credentials: list[Credential] = [
            TokenCredential("x"),
            TokenFileCredential("x"),
            CertificateCredential(b"x", b"y"),
            CertificateCredential(b"xy", b""),
            ExecCredential("x"),
            ExecCredential("x", ("y",)),
            ExecCredential("x", env=(("y", ""),)),
            ExecCredential("x", cluster_config={"a": [1]}),
            NoCredential(),
        ]
        versions = {credential_version(credential) for credential in credentials}
        self.assertEqual(len(versions), len(credentials))

    def test_does_not_show_the_credential(self) -> None:
        version = credential_version(TokenCredential("hunter2"))
        self.assertRegex(version, r"\A[0-9a-f]{32}\Z")
