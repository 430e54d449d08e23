from __future__ import annotations

import base64
import os

import yaml
from twisted.internet.task import Clock
from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.kube.address import KubeconfigHub, in_cluster, own_namespace
from clustergateway.model.gateway import TokenCredential, TokenFileCredential
from tests.authn.pki import authority

CA = authority("hub").pem
POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}


class InClusterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = self.mktemp()
        os.makedirs(self.directory)
        FilePath(self.directory).child("ca.crt").setContent(CA)
        FilePath(self.directory).child("namespace").setContent(b"vela-system\n")

    def test_service_account(self) -> None:
        hub = in_cluster(POD, self.directory)
        (endpoint,) = hub.endpoints
        self.assertEqual((endpoint.host, endpoint.port, endpoint.ca), ("10.0.0.1", 443, CA))
        self.assertEqual(hub.credential, TokenFileCredential(os.path.join(self.directory, "token")))

    def test_ipv6(self) -> None:
        hub = in_cluster({**POD, "KUBERNETES_SERVICE_HOST": "fd00::1"}, self.directory)
        self.assertEqual(hub.endpoints[0].host, "fd00::1")

    def test_no_pod(self) -> None:
        self.assertRaises(ConfigurationError, in_cluster, {}, self.directory)
        self.assertRaises(ConfigurationError, in_cluster, POD, self.mktemp())

    def test_namespace(self) -> None:
        self.assertEqual(own_namespace(self.directory), "vela-system")
        self.assertEqual(own_namespace(self.mktemp()), "")


class KubeconfigHubTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.path = FilePath(self.mktemp())

    def write(self, server: str = "https://hub:6443", **cluster: str) -> None:
        ca = base64.b64encode(CA).decode()
        fields = {"server": server, "certificate-authority-data": ca, **cluster}
        names = ("first", "second")
        document = {
            "current-context": "first",
            "clusters": [{"name": "hub", "cluster": fields}],
            "users": [{"name": name, "user": {"token": f"token-of-{name}"}} for name in names],
            "contexts": [{"name": name, "context": {"cluster": "hub", "user": name}} for name in names],
        }
        self.path.setContent(yaml.safe_dump(document).encode())

    def hub(self, context: str = "") -> KubeconfigHub:
        return KubeconfigHub(self.path.path, self.clock, context)

    def refused(self, context: str = "") -> str:
        error: ConfigurationError = self.assertRaises(ConfigurationError, self.hub, context)
        return error.message

    def test_current_and_named_context(self) -> None:
        self.write()
        self.assertEqual(self.hub().cluster().credential, TokenCredential("token-of-first"))
        self.assertEqual(self.hub("second").cluster().credential, TokenCredential("token-of-second"))
        self.assertEqual(self.hub().cluster().endpoints[0].host, "hub")

    def test_changed(self) -> None:
        self.write()
        hub = self.hub()
        self.write("https://other:6443")
        self.assertEqual(hub.cluster().endpoints[0].host, "hub")
        self.clock.advance(1)
        self.assertEqual(hub.cluster().endpoints[0].host, "other")

    def test_changed_certificate_file(self) -> None:
        other = FilePath(self.mktemp())
        other.setContent(CA)
        self.write(**{"certificate-authority": other.path, "certificate-authority-data": ""})
        hub = self.hub()
        other.setContent(authority("new").pem)
        self.clock.advance(1)
        self.assertNotEqual(hub.cluster().endpoints[0].ca, CA)

    def test_broken_change_leaves_the_last_good(self) -> None:
        self.write()
        hub = self.hub()
        for content in (b"{", b"{}"):
            self.path.setContent(content)
            self.clock.advance(1)
            self.assertEqual(hub.cluster().endpoints[0].host, "hub")
        self.path.remove()
        self.clock.advance(1)
        self.assertEqual(hub.cluster().endpoints[0].host, "hub")

    def test_unusable(self) -> None:
        self.assertIn("cannot be read", self.refused())
        for content, said in ((b"{", "not YAML"), (b"[]", "no current-context"), (b"{}", "no current-context")):
            self.path.setContent(content)
            self.assertIn(said, self.refused())
        self.write()
        self.assertIn("no context 'third'", self.refused("third"))
        self.write("http://hub")
        self.assertIn("'first'", self.refused())
        self.write(**{"proxy-url": "http://proxy:1"})
        self.assertIn("proxy-url", self.refused())
