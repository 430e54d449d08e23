"""Tests for L{clustergateway.model.kubeconfig}."""

from __future__ import annotations

import base64
import contextlib
import errno
from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.gateway import (
    CertificateCredential,
    ClusterGateway,
    Endpoint,
    ExecCredential,
    NoCredential,
    TokenCredential,
    TokenFileCredential,
)
from clustergateway.model.kubeconfig import Contexts, admin_kubeconfig, cluster_name, parse_kubeconfig
from clustergateway.model.secrets import is_cluster_name

from .pki import authority, client

CA = authority().certificate
FILES = {
    "/home/me/ca.pem": CA,
    "/home/me/pki/me.crt": client().certificate,
    "/etc/me.key": client().key,
    "/home/me/latin.pem": b"\xff",
}


def read(path: str) -> bytes:
    if path not in FILES:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")
    return FILES[path]


def encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def config(cluster: Mapping[str, Any] | None = None, user: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://east.example:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": {**(user or {})}}],
        "contexts": [{"name": "east", "context": {"cluster": "c", "user": "u", "namespace": "x"}}],
        "current-context": "east",
    }


def parse(document: object) -> Contexts:
    return parse_kubeconfig(document, "/home/me", read)


def only(document: object) -> ClusterGateway:
    contexts = parse(document)
    assert not contexts.problems, contexts.problems
    (gateway,) = contexts.gateways
    return gateway


class ClusterTests(SynchronousTestCase):
    def test_plain(self) -> None:
        gateway = only(config())
        self.assertEqual(gateway.name, "east")
        self.assertEqual(gateway.endpoints, (Endpoint("east.example", 6443),))
        self.assertEqual((gateway.alias, dict(gateway.annotations)), ("", {}))
        self.assertNotEqual(gateway.generation, "")

    def test_everything(self) -> None:
        cluster = {
            "certificate-authority-data": encode(CA),
            "tls-server-name": "kubernetes",
            "proxy-url": "http://proxy:3128",
        }
        expected = Endpoint("east.example", 6443, ca=CA, server_name="kubernetes", proxy_url="http://proxy:3128")
        self.assertEqual(only(config(cluster)).endpoints, (expected,))

    def test_ca_file_beside_the_kubeconfig(self) -> None:
        self.assertEqual(only(config({"certificate-authority": "ca.pem"})).endpoints[0].ca, CA)

    def test_data_before_file(self) -> None:
        cluster = {"certificate-authority": "missing.pem", "certificate-authority-data": encode(CA)}
        self.assertEqual(only(config(cluster)).endpoints[0].ca, CA)

    def test_insecure(self) -> None:
        endpoint = only(config({"insecure-skip-tls-verify": True})).endpoints[0]
        self.assertEqual((endpoint.insecure, endpoint.ca), (True, None))

    def test_without_ca_verified_by_the_system(self) -> None:
        self.assertFalse(only(config()).endpoints[0].insecure)


class UserTests(SynchronousTestCase):
    def test_nobody(self) -> None:
        document = config()
        del document["contexts"][0]["context"]["user"]
        self.assertEqual(only(document).credential, NoCredential())
        self.assertEqual(only(config()).credential, NoCredential())

    def test_certificate_data(self) -> None:
        pair = client()
        user = {"client-certificate-data": encode(pair.certificate), "client-key-data": encode(pair.key)}
        self.assertEqual(only(config(user=user)).credential, CertificateCredential(pair.certificate, pair.key))

    def test_certificate_files(self) -> None:
        user = {"client-certificate": "pki/me.crt", "client-key": "/etc/me.key"}
        self.assertEqual(only(config(user=user)).credential, CertificateCredential(client().certificate, client().key))

    def test_token(self) -> None:
        self.assertEqual(only(config(user={"token": "hunter2"})).credential, TokenCredential("hunter2"))

    def test_token_file_wins(self) -> None:
        user = {"token": "hunter2", "tokenFile": "run/token"}
        self.assertEqual(only(config(user=user)).credential, TokenFileCredential("/home/me/run/token"))

    def test_exec(self) -> None:
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "aws"}
        self.assertEqual(only(config(user={"exec": plugin})).credential, ExecCredential("aws"))

    def test_exec_beside_the_kubeconfig(self) -> None:
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./bin/login"}
        self.assertEqual(only(config(user={"exec": plugin})).credential, ExecCredential("/home/me/./bin/login"))


class ProblemTests(SynchronousTestCase):
    def test_named(self) -> None:
        pair = client()
        certificate = {"client-certificate-data": encode(pair.certificate), "client-key-data": encode(pair.key)}
        cases: list[tuple[dict[str, Any], dict[str, Any], str]] = [
            ({"server": ""}, {}, "no server"),
            ({"server": "http://east.example"}, {}, "server must be an https URL"),
            ({"certificate-authority": "missing.pem"}, {}, "certificate-authority names cannot be read: No such file"),
            ({"certificate-authority": "latin.pem"}, {}, "certificate-authority is not a PEM"),
            ({"certificate-authority-data": "hunter2!"}, {}, "certificate-authority-data is not base64"),
            ({"certificate-authority": "ca.pem", "insecure-skip-tls-verify": True}, {}, "keep one"),
            ({"insecure-skip-tls-verify": "true"}, {}, "insecure-skip-tls-verify is neither"),
            ({"tls-server-name": "a b"}, {}, "tls-server-name"),
            ({"proxy-url": "ftp://hunter2"}, {}, "proxy-url"),
            ({}, {"username": "me", "password": "hunter2"}, "username and password"),
            ({}, {"auth-provider": {"name": "gcp"}}, "use exec"),
            ({}, {"token": "hunter2", "as": "admin"}, "impersonate"),
            ({}, {"token": "hunter2", "as-groups": ["system:masters"]}, "impersonate"),
            ({}, {"token": "hunter2 \n"}, "token holds characters"),
            ({}, {"token": ["hunter2"]}, "token is not a string"),
            ({}, {**certificate, "token": "hunter2"}, "more than one of"),
            ({}, {**certificate, "client-key-data": ""}, "only one of"),
            ({}, {**certificate, "client-key-data": encode(client("john").key)}, "client-key does not belong"),
            ({}, {"exec": {"command": "hunter2"}}, "exec must have apiVersion"),
            ({}, {"exec": "hunter2"}, "exec is not an object"),
        ]
        for cluster, user, why in cases:
            contexts = parse(config(cluster, user))
            self.assertEqual(contexts.gateways, ())
            self.assertIn(why, contexts.problems["east"])
            self.assertNotIn("hunter2", contexts.problems["east"])

    def test_missing_references(self) -> None:
        for key, why in (("cluster", "there is no cluster 'x'"), ("user", "there is no user 'x'")):
            document = config()
            document["contexts"][0]["context"][key] = "x"
            self.assertEqual(parse(document).problems["east"], why)

    def test_one_hides_no_other(self) -> None:
        document = config(user={"token": "hunter2"})
        document["contexts"].insert(0, {"name": "west", "context": {"cluster": "nowhere", "user": "u"}})
        contexts = parse(document)
        self.assertEqual([gateway.name for gateway in contexts.gateways], ["east"])
        self.assertEqual(list(contexts.problems), ["west"])

    def test_no_kubeconfig(self) -> None:
        no_entry: object = {"users": [{"user": {}}]}
        documents: tuple[object, ...] = (None, [], "hunter2", {"kind": "Secret"}, {"contexts": "x"}, no_entry)
        for document in documents:
            self.assertRaises(ConfigurationError, parse, document)

    def test_empty(self) -> None:
        self.assertEqual(parse({}).gateways, ())

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.binary(max_size=3),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["name", "cluster", "user", "context", "server", "token", "exec"]), inner
                )
            ),
        )
    )
    def test_fails_in_no_other_way(self, noise: Any) -> None:
        documents = (
            noise,
            {"contexts": noise, "clusters": noise, "users": noise},
            config({"server": noise}, {"token": noise}),
            config({"certificate-authority": noise}, {"client-key-data": noise, "exec": noise}),
        )
        for document in documents:
            with contextlib.suppress(ConfigurationError):
                parse(document)


class NameTests(SynchronousTestCase):
    def test_kept(self) -> None:
        self.assertEqual(cluster_name("east.example"), "east.example")

    def test_made(self) -> None:
        for context, name in (
            ("East", "east"),
            ("kubernetes-admin@prod", "kubernetes-admin-prod"),
            ("arn:aws:eks:eu-west-1:1234:cluster/prod", "arn-aws-eks-eu-west-1-1234-cluster-prod"),
            ("_a_", "a"),
            ("a-.-b", "a.b"),
        ):
            self.assertEqual(cluster_name(context), name)

    def test_taken(self) -> None:
        name = cluster_name("East", frozenset(["east"]))
        self.assertRegex(name, r"\Aeast-[0-9a-f]{8}\Z")
        self.assertEqual(name, cluster_name("East", frozenset(["east", "west"])))

    def test_in_a_kubeconfig(self) -> None:
        document = config()
        context = document["contexts"][0]["context"]
        document["contexts"] = [{"name": name, "context": context} for name in ("East", "east", "EAST", "***")]
        contexts = parse(document)
        names = [gateway.name for gateway in contexts.gateways]
        self.assertEqual(len(set(names)), 4)
        self.assertEqual(names[1], "east")
        self.assertEqual(set(contexts.renamed), {"East", "EAST", "***"})
        self.assertEqual([gateway.alias for gateway in contexts.gateways], ["East", "", "EAST", "***"])

    @given(st.text(max_size=300), st.booleans())
    def test_always_a_name(self, context: str, crowded: bool) -> None:
        first = cluster_name(context)
        self.assertTrue(is_cluster_name(first), first)
        if crowded and first != context:
            self.assertTrue(is_cluster_name(cluster_name(context, frozenset([first]))))


class AdminKubeconfigTests(SynchronousTestCase):
    def test_read_back(self) -> None:
        pair = client()
        document = admin_kubeconfig("https://localhost:9443", CA, pair.certificate, pair.key, ["east", "west"])
        gateways = {gateway.name: gateway for gateway in parse(document).gateways}
        self.assertEqual(set(gateways), {"cluster-gateway", "east", "west"})
        east = gateways["east"]
        self.assertEqual(east.endpoints[0].base_path, "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/east/proxy")
        self.assertEqual(
            (east.endpoints[0].host, east.endpoints[0].port, east.endpoints[0].ca), ("localhost", 9443, CA)
        )
        self.assertEqual(east.credential, CertificateCredential(pair.certificate, pair.key))
        self.assertEqual(gateways["cluster-gateway"].endpoints[0].base_path, "")

    def test_current_context(self) -> None:
        for wanted, current in (("east", "east"), ("gone", "cluster-gateway"), ("", "cluster-gateway")):
            document = admin_kubeconfig("https://localhost", CA, b"", b"", ["east"], wanted)
            self.assertEqual(document["current-context"], current)

    def test_cluster_named_as_the_gateway(self) -> None:
        document = admin_kubeconfig("https://localhost", CA, b"", b"", ["cluster-gateway"])
        names = [context["name"] for context in document["contexts"]]
        self.assertEqual(names, ["cluster-gateway", "cluster-gateway-cluster"])
