from __future__ import annotations

import base64
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.addon import Publication
from clustergateway.model.clusterprofile import (
    broken_profile,
    cluster_of_profile,
    gateway_from_profile,
    parse_providers,
    provider_of,
    published,
    withdrawn,
)
from clustergateway.model.gateway import Endpoint, ExecCredential, Health

from .pki import authority
from .test_addon import JSON

CA = authority().certificate
PLUGINS = {"cloud": ExecCredential("cloud-token")}


def profile(*providers: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": "east", "namespace": "inventory", **metadata},
        "spec": {"displayName": "The East", "clusterManager": {"name": "ocm"}},
        "status": {
            "accessProviders": list(providers),
            "conditions": [{"type": "ControlPlaneHealthy", "status": "False"}],
        },
    }


def provider(name: str = "cloud", **cluster: Any) -> dict[str, Any]:
    return {"name": name, "cluster": {"server": "https://east.example:6443", **cluster}}


class SourceTests(SynchronousTestCase):
    def test_a_cluster(self) -> None:
        extension = {"name": "client.authentication.k8s.io/exec", "extension": {"cluster": "east-1"}}
        found = gateway_from_profile(
            profile(
                provider("other"),
                provider(
                    **{"certificate-authority-data": base64.b64encode(CA).decode(), "tls-server-name": "k8s"},
                    extensions=[extension],
                ),
                labels={"env": "prod"},
            ),
            PLUGINS,
        )
        assert found is not None
        self.assertEqual(found.endpoints, (Endpoint("east.example", 6443, ca=CA, server_name="k8s"),))
        self.assertEqual(found.credential, ExecCredential("cloud-token", cluster_config={"cluster": "east-1"}))
        self.assertEqual((found.alias, dict(found.labels)), ("The East", {"env": "prod"}))
        self.assertEqual(found.health, Health(False, "Unknown: ControlPlaneHealthy is False"))

    def test_nobody_knows_how(self) -> None:
        self.assertIsNone(gateway_from_profile(profile(provider("other")), PLUGINS))

    def test_older_list(self) -> None:
        old = {**profile(), "status": {"credentialProviders": [provider()]}}
        self.assertIsNotNone(gateway_from_profile(old, PLUGINS))

    def test_being_deleted(self) -> None:
        found = gateway_from_profile(profile(provider(), deletionTimestamp="2026-01-01T00:00:00Z"), PLUGINS)
        assert found is not None
        self.assertEqual(found.unroutable, "the ClusterProfile is being deleted")

    def test_broken(self) -> None:
        for broken in (
            profile(provider(server="ftp://x")),
            profile(provider(server="")),
            profile(provider(**{"certificate-authority-data": "%"})),
            profile(provider(), name="No Name"),
        ):
            self.assertRaises(ConfigurationError, gateway_from_profile, broken, PLUGINS)
        listed = broken_profile(profile(), "it is broken")
        assert listed is not None
        self.assertEqual((listed.name, listed.unroutable), ("east", "it is broken"))
        self.assertIsNone(broken_profile({}, "x"))

    @given(st.dictionaries(st.sampled_from(("metadata", "spec", "status")), JSON), JSON)
    def test_fails_in_no_other_way(self, content: dict[str, Any], cluster: Any) -> None:
        shaped = profile({"name": "cloud", "cluster": cluster})
        for each in (content, {**shaped, **content}, shaped):
            self.read(each)

    def read(self, content: dict[str, Any]) -> None:
        try:
            gateway_from_profile(content, PLUGINS)
        except ConfigurationError:
            return


class ProvidersTests(SynchronousTestCase):
    def test_file(self) -> None:
        text = b"""
        providers:
        - name: cloud
          execConfig: {apiVersion: client.authentication.k8s.io/v1, command: cloud-token, interactiveMode: Never}
        - name: other
          execConfig: {apiVersion: client.authentication.k8s.io/v1, command: other, interactiveMode: Never}
        """
        self.assertEqual(
            [(name, plugin.command) for name, plugin in parse_providers(text).items()],
            [("cloud", "cloud-token"), ("other", "other")],
        )

    def test_unusable(self) -> None:
        exec_config = "{apiVersion: client.authentication.k8s.io/v1, command: c, interactiveMode: Never}"
        for text in (
            "",
            "[]",
            "providers: {}",
            "providers: [x]",
            "providers: [{name: a}]",
            f"providers: [{{name: a, execConfig: {exec_config}}}, {{name: a, execConfig: {exec_config}}}]",
            "a: [",
        ):
            self.assertRaises(ConfigurationError, parse_providers, text.encode())

    @given(st.binary(max_size=40))
    def test_fails_in_no_other_way(self, text: bytes) -> None:
        try:
            parse_providers(text)
        except ConfigurationError:
            return

    def test_what_cannot_be_used_is_listed(self) -> None:
        found = cluster_of_profile(profile(provider(server="ftp://x")), PLUGINS)
        assert found is not None
        self.assertIn("accessProviders[].cluster.server", found.unroutable)


class PublicationTests(SynchronousTestCase):
    def test_published_and_withdrawn(self) -> None:
        ours = published("east", Publication("https://hub.test"))
        self.assertEqual(
            ours["cluster"],
            {"server": "https://hub.test/apis/cluster.core.oam.dev/v1alpha1/clustergateways/east/proxy"},
        )
        both = profile(provider(), ours)
        self.assertEqual(provider_of(both, "cluster-gateway"), ours)
        self.assertEqual(withdrawn(both), profile(provider())["status"])
