"""Tests for L{clustergateway.model.endpoint}."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.endpoint import (
    check_proxy_url,
    check_server_name,
    cluster_proxy_endpoint,
    endpoint_url,
    parse_endpoint,
)
from clustergateway.model.gateway import Endpoint

LABELS = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join) | st.ip_addresses().map(str)
PATHS = st.lists(st.from_regex(r"[A-Za-z0-9_~-]{1,9}|%2[fF]", fullmatch=True), max_size=4).map(
    lambda parts: "".join(f"/{part}" for part in parts)
)


class EndpointTests(SynchronousTestCase):
    def test_plain(self) -> None:
        self.assertEqual(parse_endpoint("https://east.example:6443", "it"), Endpoint("east.example", 6443))

    def test_default_port(self) -> None:
        self.assertEqual(parse_endpoint("https://east.example", "it").port, 443)

    def test_surroundings(self) -> None:
        self.assertEqual(parse_endpoint(" https://east.example:6443\n", "it").port, 6443)

    def test_path(self) -> None:
        endpoint = parse_endpoint("https://rancher.example/k8s/clusters/c-1%2F2/", "it")
        self.assertEqual(endpoint.base_path, "/k8s/clusters/c-1%2F2")

    def test_ipv6(self) -> None:
        self.assertEqual(parse_endpoint("https://[fd00::1]:6443", "it"), Endpoint("fd00::1", 6443))

    def test_case_of_the_host(self) -> None:
        self.assertEqual(parse_endpoint("HTTPS://East.Example", "it").host, "east.example")

    def test_refused(self) -> None:
        for url, why in (
            ("", "an https URL"),
            ("http://east.example", "an https URL"),
            ("east.example:6443", "an https URL"),
            ("https://", "no host"),
            ("https://user:hunter2@east.example", "user or password"),
            ("https://east.example?a=b", "query or fragment"),
            ("https://east.example/#", "query or fragment"),
            ("https://east.example:0", "port"),
            ("https://east.example:65536", "port"),
            ("https://east.example:x", "port"),
            ("https://fd00::1", "port"),
            ("https://[east.example]", "URL"),
            ("https://[::1", "URL"),
            ("https://-east.example", "no host"),
            ("https://east..example", "no host"),
            ("https://east.example/a b", "characters"),
            ("https://east.example/a\tb", "characters"),
            ("https://éast.example", "characters"),
            ("https://east.example/a/../b", "path"),
            ("https://east.example/a\\b", "path"),
            ("https://east.example/%zz", "path"),
        ):
            error = self.assertRaises(ConfigurationError, parse_endpoint, url, "data key endpoint")
            self.assertIn("data key endpoint", error.message)
            self.assertIn(why, error.message, url)
            self.assertNotIn("hunter2", error.message)

    @given(HOSTS, st.integers(1, 65535), PATHS)
    def test_round_trip(self, host: str, port: int, path: str) -> None:
        endpoint = Endpoint(host, port, path)
        self.assertEqual(parse_endpoint(endpoint_url(endpoint), "it"), endpoint)

    @given(st.text(max_size=60), st.text(max_size=20))
    @example("[", "")
    @example("a]@[", "")
    def test_fails_in_no_other_way(self, text: str, more: str) -> None:
        for url in (text, f"https://{text}", f"https://a.example/{text}?{more}"):
            try:
                endpoint = parse_endpoint(url, "it")
            except ConfigurationError:
                continue
            self.assertTrue(endpoint.host.isascii() and endpoint.host.isprintable())
            self.assertTrue(endpoint.base_path.isascii() and endpoint.base_path.isprintable())
            self.assertNotIn(" ", endpoint.base_path)


class ClusterProxyTests(SynchronousTestCase):
    def test_verified(self) -> None:
        endpoint = cluster_proxy_endpoint("east", b"pem")
        self.assertEqual((endpoint.host, endpoint.port, endpoint.via_cluster_proxy), ("east", 443, True))
        self.assertEqual((endpoint.server_name, endpoint.insecure), ("kubernetes.default.svc", False))

    def test_unverified(self) -> None:
        endpoint = cluster_proxy_endpoint("east", None)
        self.assertEqual((endpoint.server_name, endpoint.insecure), ("", True))


class ProxyUrlTests(SynchronousTestCase):
    def test_accepted(self) -> None:
        for url in ("http://proxy:3128", "https://me:hunter2@proxy.example/", "socks5://[::1]:1080"):
            self.assertEqual(check_proxy_url(f"{url}\n", "it"), url)

    def test_refused_without_repeating_it(self) -> None:
        for url in ("ftp://me:hunter2@proxy", "http://me:hunter2@", "http://me:hunter2@proxy/path", "http://hunter2 x"):
            error = self.assertRaises(ConfigurationError, check_proxy_url, url, "data key proxy-url")
            self.assertIn("proxy-url", error.message)
            self.assertNotIn("hunter2", error.message)


class ServerNameTests(SynchronousTestCase):
    def test_accepted(self) -> None:
        for name in ("kubernetes.default.svc", "10.0.0.1", "fd00::1"):
            self.assertEqual(check_server_name(name, "it"), name)

    def test_refused(self) -> None:
        for name in ("", "a b", "https://x", "a:b"):
            self.assertRaises(ConfigurationError, check_server_name, name, "it")
