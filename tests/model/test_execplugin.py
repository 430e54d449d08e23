"""Tests for L{clustergateway.model.execplugin}."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.execplugin import (
    API_VERSIONS,
    PluginResult,
    exec_info,
    parse_exec_config,
    parse_exec_result,
)
from clustergateway.model.gateway import Endpoint, ExecCredential

from .pki import client

V1, V1BETA1 = API_VERSIONS
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["command", "args", "env", "name", "value", "status", "token", "expirationTimestamp"]),
            inner,
        )
    ),
)


def result(api_version: str = V1, kind: str = "ExecCredential", **status: Any) -> bytes:
    return json.dumps({"apiVersion": api_version, "kind": kind, "status": status}).encode()


class ConfigTests(SynchronousTestCase):
    def test_everything(self) -> None:
        config = {
            "apiVersion": V1BETA1,
            "command": "aws",
            "args": ["eks", "get-token"],
            "env": [{"name": "AWS_PROFILE", "value": "dev"}, {"name": "EMPTY"}],
            "installHint": "install it",
            "provideClusterInfo": True,
            "interactiveMode": "Never",
            "config": {"a": [1]},
        }
        self.assertEqual(
            parse_exec_config(config, "exec"),
            ExecCredential(
                "aws",
                ("eks", "get-token"),
                (("AWS_PROFILE", "dev"), ("EMPTY", "")),
                V1BETA1,
                True,
                "install it",
                {"a": [1]},
            ),
        )

    def test_least(self) -> None:
        nulls = dict.fromkeys(("args", "env", "installHint", "provideClusterInfo", "interactiveMode", "config"))
        self.assertEqual(
            parse_exec_config({"apiVersion": V1, "command": "x", **nulls}, "exec"), ExecCredential("x", api_version=V1)
        )

    def test_refused(self) -> None:
        good = {"apiVersion": V1, "command": "x"}
        for change, why in (
            ({"command": ""}, "no command"),
            ({"command": 7}, "command is not a string"),
            ({"command": "a\0b"}, "no command"),
            ({"command": "\ud800"}, "command is not a string"),
            ({"apiVersion": "client.authentication.k8s.io/v1alpha1"}, "apiVersion"),
            ({"apiVersion": None}, "apiVersion"),
            ({"interactiveMode": "Always"}, "terminal"),
            ({"provideClusterInfo": "yes"}, "provideClusterInfo"),
            ({"args": "hunter2"}, "args"),
            ({"args": ["hunter2\0"]}, "args"),
            ({"env": {"A": "hunter2"}}, "env"),
            ({"env": [{"name": "A", "value": 7}]}, "env"),
            ({"env": [{"name": "A=B", "value": "hunter2"}]}, "env"),
            ({"env": ["hunter2"]}, "env"),
            ({"config": {"a": b"hunter2"}}, "config"),
            ({"config": {1: 1, "a": 1}}, "config"),
        ):
            error = self.assertRaises(ConfigurationError, parse_exec_config, {**good, **change}, "data key exec")
            self.assertIn("data key exec", error.message)
            self.assertIn(why, error.message)
            self.assertNotIn("hunter2", error.message)

    @given(JSON)
    def test_fails_in_no_other_way(self, noise: Any) -> None:
        for config in (noise, {"apiVersion": V1, "command": "x", "args": noise, "env": noise, "config": noise}):
            with contextlib.suppress(ConfigurationError):
                parse_exec_config(config, "exec")


class InfoTests(SynchronousTestCase):
    endpoint = Endpoint("east.example", 6443, "/k8s", b"pem", server_name="kubernetes", proxy_url="http://proxy:3128")

    def test_without_cluster(self) -> None:
        info = json.loads(exec_info(ExecCredential("x", api_version=V1BETA1), self.endpoint))
        self.assertEqual(info, {"apiVersion": V1BETA1, "kind": "ExecCredential", "spec": {"interactive": False}})

    def test_with_cluster(self) -> None:
        credential = ExecCredential("x", provide_cluster_info=True, cluster_config={"audience": "a"})
        cluster = json.loads(exec_info(credential, self.endpoint))["spec"]["cluster"]
        self.assertEqual(
            cluster,
            {
                "server": "https://east.example:6443/k8s",
                "tls-server-name": "kubernetes",
                "certificate-authority-data": base64.b64encode(b"pem").decode(),
                "proxy-url": "http://proxy:3128",
                "config": {"audience": "a"},
            },
        )

    def test_insecure(self) -> None:
        endpoint = Endpoint("fd00::1", 443, insecure=True)
        cluster = json.loads(exec_info(ExecCredential("x", provide_cluster_info=True), endpoint))["spec"]["cluster"]
        self.assertEqual(cluster, {"server": "https://[fd00::1]", "insecure-skip-tls-verify": True, "config": None})


class ResultTests(SynchronousTestCase):
    def test_token(self) -> None:
        self.assertEqual(parse_exec_result(result(token="hunter2"), V1), PluginResult("hunter2"))

    def test_certificate(self) -> None:
        pair = client()
        output = result(clientCertificateData=pair.certificate.decode(), clientKeyData=pair.key.decode())
        self.assertEqual(parse_exec_result(output, V1), PluginResult("", pair.certificate, pair.key))

    def test_expiration(self) -> None:
        for text, seconds in (
            ("2024-01-02T03:04:05Z", 1704164645.0),
            ("2024-01-02T03:04:05.999999999Z", 1704164645.0),
            ("2024-01-02t04:04:05+01:00", 1704164645.0),
            ("", None),
            (None, None),
        ):
            self.assertEqual(parse_exec_result(result(token="x", expirationTimestamp=text), V1).expires, seconds)

    def test_refused(self) -> None:
        pair = client()
        for output, why in (
            (b"", "not JSON"),
            (b"hunter2", "not JSON"),
            (b"[" * 50000, "not JSON"),
            (b"[]", "not an ExecCredential"),
            (result(kind="Secret"), "not an ExecCredential"),
            (result(api_version=V1BETA1, token="hunter2"), "apiVersion"),
            (json.dumps({"apiVersion": V1, "kind": "ExecCredential"}).encode(), "no status"),
            (result(), "no credential"),
            (result(token=7), "token is not a string"),
            (result(token="hunter2\r\nX-Remote-User: admin"), "token holds characters"),
            (result(token="hunter2\ud800"), "token is not text"),
            (result(clientCertificateData=pair.certificate.decode()), "only one of"),
            (result(clientCertificateData="hunter2", clientKeyData="hunter2"), "clientCertificateData"),
            (
                result(clientCertificateData=pair.certificate.decode(), clientKeyData=client("john").key.decode()),
                "does not belong",
            ),
            (result(token="hunter2", expirationTimestamp="tomorrow"), "expirationTimestamp"),
            (result(token="hunter2", expirationTimestamp=7), "expirationTimestamp"),
            (result(token="hunter2", expirationTimestamp="2024-13-45T99:99:99Z"), "expirationTimestamp"),
            (result(token="hunter2", expirationTimestamp="0001-01-01T00:00:00+23:59"), "expirationTimestamp"),
        ):
            error = self.assertRaises(ConfigurationError, parse_exec_result, output, V1)
            self.assertIn(why, error.message)
            self.assertNotIn("hunter2", error.message)

    @given(JSON, st.binary(max_size=30))
    def test_fails_in_no_other_way(self, noise: Any, raw: bytes) -> None:
        for output in (
            raw,
            json.dumps(noise).encode(),
            result(token=noise),
            result(token="x", expirationTimestamp=noise),
        ):
            with contextlib.suppress(ConfigurationError):
                parse_exec_result(output, V1)

    def test_repr_shows_no_secret(self) -> None:
        self.assertNotIn("hunter2", repr(PluginResult("hunter2", b"", b"hunter2")))
