"""Tests for L{clustergateway.model.secrets}."""

from __future__ import annotations

import base64
import contextlib
import json
from dataclasses import replace
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
    Health,
    TokenCredential,
)
from clustergateway.model.secrets import broken_gateway, gateway_from_secret, health_from_annotations, is_cluster_name

from .pki import authority, client

LABEL = "cluster.core.oam.dev/cluster-credential-type"
CA = authority().certificate


def secret(
    kind: str | None = "ServiceAccountToken", endpoint_type: str | None = None, **metadata: Any
) -> dict[str, Any]:
    labels = {"team": "a"}
    if kind is not None:
        labels[LABEL] = kind
    if endpoint_type is not None:
        labels["cluster.core.oam.dev/cluster-endpoint-type"] = endpoint_type
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "east", "labels": labels, **metadata}}


def data(**values: bytes | str) -> dict[str, str]:
    """Secret data; C{_} in a key stands for a dot, C{__} for a dash."""
    encoded = {}
    for key, value in values.items():
        raw = value if isinstance(value, bytes) else value.encode()
        encoded[key.replace("__", "-").replace("_", ".")] = base64.b64encode(raw).decode()
    return encoded


def token_data(**values: bytes | str) -> dict[str, str]:
    return data(**{"endpoint": "https://east.example:6443", "token": "hunter2", "ca_crt": CA, **values})


def parse(manifest: dict[str, Any], **values: Any) -> ClusterGateway:
    gateway = gateway_from_secret({**manifest, **values})
    assert gateway is not None
    return gateway


class SecretTests(SynchronousTestCase):
    def test_no_label_no_gateway(self) -> None:
        self.assertIsNone(gateway_from_secret(secret(None)))
        self.assertIsNone(gateway_from_secret({"metadata": {"name": "east"}, "data": {"token": "%"}}))

    def test_token(self) -> None:
        gateway = parse(secret(), data=token_data(endpoint="https://east.example:6443\n", token="hunter2\n"))
        self.assertEqual(gateway.name, "east")
        self.assertEqual(gateway.credential, TokenCredential("hunter2"))
        self.assertEqual(gateway.endpoints, (Endpoint("east.example", 6443, ca=CA),))
        self.assertEqual(gateway.unroutable, "")
        self.assertNotEqual(gateway.generation, "")

    def test_certificate(self) -> None:
        values = data(
            endpoint="https://east.example/k8s/", tls_crt=client().certificate, tls_key=client().key, ca_crt=CA
        )
        for kind in ("X509", "X509Certificate"):
            gateway = parse(secret(kind), data=values)
            self.assertEqual(gateway.credential, CertificateCredential(client().certificate, client().key))
            self.assertEqual(gateway.endpoints[0].base_path, "/k8s")

    def test_exec(self) -> None:
        config = json.dumps(
            {"apiVersion": "client.authentication.k8s.io/v1", "command": "aws", "interactiveMode": "Never"}
        )
        gateway = parse(secret("Dynamic"), data=data(endpoint="https://east.example", exec=config))
        self.assertEqual(gateway.credential, ExecCredential("aws"))

    def test_ca_under_its_other_name(self) -> None:
        values = token_data()
        values["ca"] = values.pop("ca.crt")
        self.assertEqual(parse(secret(), data=values).endpoints[0].ca, CA)

    def test_ca_crt_wins(self) -> None:
        gateway = parse(secret(), data=token_data(ca=authority("another").certificate))
        self.assertEqual(gateway.endpoints[0].ca, CA)

    def test_without_ca_insecure(self) -> None:
        values = token_data()
        del values["ca.crt"]
        endpoint = parse(secret(), data=values).endpoints[0]
        self.assertEqual((endpoint.ca, endpoint.insecure), (None, True))

    def test_with_ca_not_insecure(self) -> None:
        self.assertFalse(parse(secret(), data=token_data()).endpoints[0].insecure)

    def test_proxy(self) -> None:
        gateway = parse(secret(), data=token_data(proxy__url="socks5://me:hunter2@proxy:1080\n"))
        self.assertEqual(gateway.endpoints[0].proxy_url, "socks5://me:hunter2@proxy:1080")

    def test_string_data_wins(self) -> None:
        gateway = parse(secret(), data=token_data(), stringData={"token": "plain"})
        self.assertEqual(gateway.credential, TokenCredential("plain"))

    def test_folded_base64(self) -> None:
        values = token_data()
        values["ca.crt"] = "\n".join(values["ca.crt"][i : i + 64] for i in range(0, len(values["ca.crt"]), 64))
        self.assertEqual(parse(secret(), data=values).endpoints[0].ca, CA)

    def test_generation_follows_the_credential_only(self) -> None:
        first = parse(secret(), data=token_data())
        self.assertEqual(parse(secret(resourceVersion="8"), data=token_data()).generation, first.generation)
        self.assertNotEqual(parse(secret(), data=token_data(token="hunter3")).generation, first.generation)

    def test_nothing_shows_the_token(self) -> None:
        gateway = parse(secret(), data=token_data(proxy__url="http://me:hunter2@proxy"))
        self.assertNotIn("hunter2", repr(gateway))


class MetadataTests(SynchronousTestCase):
    def test_taken_over(self) -> None:
        gateway = parse(
            secret(
                uid="u",
                resourceVersion="7",
                creationTimestamp="2024-01-02T03:04:05Z",
                annotations={
                    "cluster.core.oam.dev/cluster-alias": "Ost",
                    "cluster.core.oam.dev/cluster-gateway-proxy-configuration": "spec: {}",
                    "status.cluster.core.oam.dev/healthy": "false",
                    "status.cluster.core.oam.dev/healthy-reason": "ConnectionTimeout",
                },
            ),
            data=token_data(),
        )
        self.assertEqual((gateway.uid, gateway.resource_version), ("u", "7"))
        self.assertEqual(gateway.creation_timestamp, "2024-01-02T03:04:05Z")
        self.assertEqual(gateway.alias, "Ost")
        self.assertEqual(gateway.proxy_configuration, "spec: {}")
        self.assertEqual(gateway.health, Health(False, "ConnectionTimeout"))
        self.assertEqual(gateway.labels["team"], "a")

    def test_last_applied_configuration_is_dropped(self) -> None:
        applied = {"kubectl.kubernetes.io/last-applied-configuration": "{token: hunter2}", "other": "x"}
        gateway = parse(secret(annotations=applied), data=token_data())
        self.assertEqual(dict(gateway.annotations), {"other": "x"})

    def test_being_deleted(self) -> None:
        gateway = parse(secret(deletionTimestamp="2024-01-02T03:04:05Z"), data=token_data())
        self.assertEqual(gateway.unroutable, "the cluster is being deleted")

    def test_health(self) -> None:
        key = "status.cluster.core.oam.dev/healthy"
        for text, healthy in (("true", True), ("1", True), ("F", False), ("yes", None), ("", None)):
            self.assertIs(health_from_annotations({key: text}).healthy, healthy)
        self.assertEqual(health_from_annotations({}), Health())

    def test_names(self) -> None:
        for name in ("east", "a", "a.b-c.d", "0"):
            self.assertTrue(is_cluster_name(name), name)
        names: tuple[object, ...] = ("", "East", "a_b", "-a", "a-", "a..b", "a" * 254, "a/b", "a\n", None, 7)
        for wrong in names:
            self.assertFalse(is_cluster_name(wrong), wrong)


class ClusterProxyTests(SynchronousTestCase):
    def test_without_endpoint(self) -> None:
        gateway = parse(secret(endpoint_type="ClusterProxy"), data=data(token="hunter2", ca_crt=CA))
        expected = Endpoint("east", 443, ca=CA, server_name="kubernetes.default.svc", via_cluster_proxy=True)
        self.assertEqual(gateway.endpoints, (expected,))

    def test_with_endpoint(self) -> None:
        gateway = parse(secret(endpoint_type="ClusterProxy"), data=token_data(endpoint="https://10.96.0.1"))
        self.assertEqual(gateway.endpoints, (Endpoint("10.96.0.1", 443, ca=CA, via_cluster_proxy=True),))

    def test_without_ca(self) -> None:
        endpoint = parse(secret(endpoint_type="ClusterProxy"), data=data(token="hunter2")).endpoints[0]
        self.assertTrue(endpoint.insecure)


class EndpointsTests(SynchronousTestCase):
    LIST = "- url: https://one.example\n- type: ClusterProxy\n- url: https://two\n  proxy-url: http://me:hunter2@proxy"

    def listed(self, endpoint_type: str | None = None, **values: bytes | str) -> ClusterGateway:
        plain: dict[str, bytes | str] = {"token": "hunter2", "ca_crt": CA, "endpoints": self.LIST}
        return parse(secret(endpoint_type=endpoint_type), data=data(**{**plain, **values}))

    def test_kinds_mixed(self) -> None:
        gateway = self.listed()
        expected = (
            Endpoint("one.example", 443, ca=CA),
            Endpoint("east", 443, ca=CA, server_name="kubernetes.default.svc", via_cluster_proxy=True),
            Endpoint("two", 443, ca=CA, proxy_url="http://me:hunter2@proxy"),
        )
        self.assertEqual(gateway.endpoints, expected)
        self.assertNotIn("hunter2", repr(gateway))

    def test_generation_follows_the_list(self) -> None:
        self.assertNotEqual(self.listed().generation, self.listed(endpoints="- url: https://one.example").generation)

    def test_the_label_says_what_the_first_is(self) -> None:
        self.assertEqual(self.listed("Const"), replace(self.listed(), labels=self.listed("Const").labels))
        tunnelled = self.listed("ClusterProxy", endpoints="[{type: ClusterProxy}, {url: https://one}]")
        self.assertEqual([True, False], [endpoint.via_cluster_proxy for endpoint in tunnelled.endpoints])
        for kind in ("ClusterProxy", "Magic"):
            error = self.assertRaises(ConfigurationError, self.listed, kind)
            self.assertIn("cluster-endpoint-type is not the first endpoint's type, Const", error.message)

    def test_not_beside_the_keys_for_one_way(self) -> None:
        one: dict[str, str]
        for one in ({"endpoint": "https://hunter2"}, {"proxy__url": "http://hunter2"}):
            error = self.assertRaises(ConfigurationError, self.listed, **one)
            self.assertEqual("data key endpoints says all of it; leave endpoint and proxy-url out", error.message)

    def test_a_broken_list_is_named(self) -> None:
        for text, complaint in (
            ("", "data key endpoints is not a list"),
            ("- url: https://one\n- hunter2: x", "data key endpoints[1] has an unknown key"),
            (b"\xffhunter2", "data key 'endpoints' is not text"),
        ):
            values: dict[str, Any] = {"endpoints": text}
            error = self.assertRaises(ConfigurationError, self.listed, **values)
            self.assertIn(complaint, error.message)


class BrokenTests(SynchronousTestCase):
    def broken(self, manifest: dict[str, Any], **values: Any) -> str:
        error = self.assertRaises(ConfigurationError, gateway_from_secret, {**manifest, **values})
        message: str = error.message
        self.assertNotIn("hunter2", message)
        return message

    def test_names_the_key(self) -> None:
        pair = {"tls_crt": client().certificate, "tls_key": client().key}
        for kind, values, key in (
            ("ServiceAccountToken", {"token": ""}, "data key token is missing"),
            ("ServiceAccountToken", {"token": "hunter2 hunter2"}, "data key token holds characters"),
            ("ServiceAccountToken", {"token": b"hunter2\xff"}, "data key 'token' is not text"),
            ("ServiceAccountToken", {"endpoint": ""}, "data key endpoint is missing"),
            ("ServiceAccountToken", {"endpoint": "http://hunter2"}, "data key endpoint must be"),
            ("ServiceAccountToken", {"ca_crt": ""}, "data key ca.crt is empty"),
            ("ServiceAccountToken", {"ca_crt": "hunter2"}, "data key ca.crt is not a PEM"),
            ("ServiceAccountToken", {"proxy__url": "hunter2"}, "proxy-url"),
            ("X509", {}, "data key tls.crt is missing"),
            ("X509", {"tls_crt": client().certificate}, "data key tls.key is missing"),
            ("X509", {**pair, "tls_key": client("john").key}, "data key tls.key does not belong"),
            ("X509", {**pair, "tls_crt": "hunter2"}, "data key tls.crt is not"),
            ("Dynamic", {}, "data key exec is missing"),
            ("Dynamic", {"exec": "hunter2"}, "data key exec is not JSON"),
            ("Dynamic", {"exec": "{}"}, "data key exec names no command"),
            ("Password", {}, f"label {LABEL} must be"),
        ):
            self.assertIn(key, self.broken(secret(kind), data=token_data(**values)))

    def test_endpoint_type(self) -> None:
        self.assertIn("cluster-endpoint-type must be", self.broken(secret(endpoint_type="Magic"), data=token_data()))

    def test_base64(self) -> None:
        self.assertIn("'token' is not base64", self.broken(secret(), data={**token_data(), "token": "hunter2!"}))

    def test_shape(self) -> None:
        for field in ("data", "stringData"):
            self.assertIn(field, self.broken(secret(), **{field: ["hunter2"]}))
            self.assertIn(field, self.broken(secret(), **{field: {"token": 7}}))
        self.assertIn("metadata", self.broken({"kind": "Secret"}))
        self.assertIn("metadata.name", self.broken(secret(name="East/../hunter2"), data=token_data()))
        self.assertIn("metadata.uid", self.broken(secret(uid=7), data=token_data()))

    def test_several_endpoints_in_order(self) -> None:
        urls = "https://one.example:6443\nhttps://two.example\n"
        gateway = parse(secret(), data=token_data(endpoint=urls))
        self.assertEqual([(e.host, e.port) for e in gateway.endpoints], [("one.example", 6443), ("two.example", 443)])
        tunnelled = parse(secret(endpoint_type="ClusterProxy"), data=token_data(endpoint=urls))
        self.assertTrue(all(endpoint.via_cluster_proxy for endpoint in tunnelled.endpoints))

    def test_endpoint_from_elsewhere(self) -> None:
        manifest = {**secret(), "data": data(token="hunter2", ca_crt=CA)}
        gateway = gateway_from_secret(manifest, endpoint_required=False)
        assert gateway is not None
        self.assertEqual(gateway.endpoints, ())

    def test_broken_gateway(self) -> None:
        gateway = broken_gateway(secret(resourceVersion="7"), "data key token is missing")
        assert gateway is not None
        self.assertEqual((gateway.name, gateway.resource_version), ("east", "7"))
        self.assertEqual(gateway.unroutable, "data key token is missing")
        self.assertIsNone(broken_gateway({"metadata": {}}, "it has no name"))

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=12),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["name", "labels", LABEL, "data", "token", "endpoint", "annotations", "exec"]),
                    inner,
                )
            ),
        ),
        st.sampled_from(["ServiceAccountToken", "X509", "Dynamic"]),
        st.dictionaries(
            st.sampled_from(["token", "endpoint", "endpoints", "exec", "ca", "tls.crt", "proxy-url"]), st.text()
        ),
    )
    def test_fails_in_no_other_way(self, noise: Any, kind: str, text: dict[str, str]) -> None:
        for manifest in (
            {"metadata": noise},
            {"metadata": {"name": "east", "labels": noise}},
            {**secret(kind), "data": noise},
            {**secret(kind), "data": token_data(), "stringData": text},
        ):
            with contextlib.suppress(ConfigurationError):
                gateway_from_secret(manifest)
