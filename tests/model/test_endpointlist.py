"""Tests for L{clustergateway.model.endpointlist}."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.endpoint import endpoint_url
from clustergateway.model.endpointlist import MOST_CHARACTERS, MOST_ENDPOINTS, parse_endpoint_list
from clustergateway.model.gateway import Endpoint

from .pki import authority

CA = authority().certificate
OTHER_CA = authority("another").certificate

SEVERAL = f"""
- url: https://10.0.0.1:6443
- url: https://far.example
  proxy-url: http://me:hunter2@proxy:3128
- url: https://[fd00::1]:6443
  proxy-url: socks5://proxy
  tls-server-name: far.example
- type: ClusterProxy
- type: ClusterProxy
  url: https://10.96.0.1
  ca: |
{"".join(f"    {line}" for line in OTHER_CA.decode().splitlines(keepends=True))}
"""


def parse(text: str, ca: bytes | None = CA) -> tuple[Endpoint, ...]:
    return parse_endpoint_list(text, "list", "east", ca)


class ListTests(SynchronousTestCase):
    def test_every_kind_in_order(self) -> None:
        self.assertEqual(
            parse(SEVERAL),
            (
                Endpoint("10.0.0.1", 6443, ca=CA),
                Endpoint("far.example", 443, ca=CA, proxy_url="http://me:hunter2@proxy:3128"),
                Endpoint("fd00::1", 6443, ca=CA, server_name="far.example", proxy_url="socks5://proxy"),
                Endpoint("east", 443, ca=CA, server_name="kubernetes.default.svc", via_cluster_proxy=True),
                Endpoint("10.96.0.1", 443, ca=OTHER_CA, via_cluster_proxy=True),
            ),
        )

    def test_json(self) -> None:
        self.assertEqual(parse('[{"url": "https://one"}]\n'), (Endpoint("one", 443, ca=CA),))

    def test_a_name_of_its_own_behind_konnectivity(self) -> None:
        endpoint = parse('[{"type": "ClusterProxy", "tls-server-name": "inner"}]')[0]
        self.assertEqual((endpoint.host, endpoint.server_name), ("east", "inner"))

    def test_none_is_verified(self) -> None:
        endpoints = parse('[{"url": "https://one"}, {"type": "ClusterProxy"}]', ca=None)
        self.assertEqual([(None, True), (None, True)], [(each.ca, each.insecure) for each in endpoints])

    def test_each_with_a_ca_of_its_own(self) -> None:
        entries = [{"url": "https://one", "ca": CA.decode()}, {"url": "https://two", "ca": OTHER_CA.decode()}]
        endpoints = parse(json.dumps(entries), ca=None)
        self.assertEqual([(CA, False), (OTHER_CA, False)], [(each.ca, each.insecure) for each in endpoints])

    def test_some_verified_and_some_not(self) -> None:
        entries = [{"url": "https://one", "ca": CA.decode()}, {"url": "https://two"}]
        for order in (entries, entries[::-1]):
            error = self.assertRaises(ConfigurationError, parse, json.dumps(order), ca=None)
            self.assertIn("some have a ca and others none", error.message)

    def test_the_same_path_for_all(self) -> None:
        self.assertEqual("/k8s", parse('[{"url": "https://one/k8s"}, {"url": "https://two/k8s/"}]')[1].base_path)
        error = self.assertRaises(ConfigurationError, parse, '[{"url": "https://one/k8s"}, {"type": "ClusterProxy"}]')
        self.assertIn("list[1].url has another path", error.message)

    def test_refused(self) -> None:
        for text, complaint in (
            ("", "list is not a list"),
            ("[]", "list is not a list"),
            ("url: https://one", "list is not a list"),
            ("[{url: https://one}]\n---\n[{url: https://hunter2}]", "list is not a list"),
            ("[{hunter2", "list: it is not valid YAML"),
            ("- hunter2", "list[0] is not a mapping"),
            ("- url: https://one\n- url: hunter2", "list[1].url must be an https URL"),
            ("- url: https://one https://hunter2", "list[0].url holds characters"),
            ("- proxy-url: http://hunter2", "list[0].url is missing"),
            ("- url: https://one\n  proxyURL: http://hunter2", "list[0] has an unknown key proxyURL; known are url,"),
            ("[{url: https://one, proxy-url:http://me:hunter2@proxy: x}]", "list[0] has an unknown key; known"),
            ("- url: https://one\n  proxy-url: ftp://hunter2", "list[0]: proxy-url: the scheme"),
            ("- url: https://one\n  proxy-url:", "list[0].proxy-url is not a text"),
            ("- url: https://one\n  ca: ''", "list[0].ca is not a text, or empty"),
            ("- url: https://one\n  ca: hunter2", "list[0].ca is not a PEM"),
            ('- url: https://one\n  ca: "\\ud800"', "list[0].ca is not a PEM"),
            ("- url: https://one\n  tls-server-name: hunter2/", "list[0].tls-server-name is not a host name"),
            ("- url: https://one\n  type: hunter2", "list[0].type must be Const or ClusterProxy"),
            ("- type: ClusterProxy\n  proxy-url: http://hunter2", "list[0] has a proxy-url, but"),
            ("- url: https://one\n" * (MOST_ENDPOINTS + 1), f"list holds more than {MOST_ENDPOINTS}"),
            ("#" * (MOST_CHARACTERS + 1), f"list is longer than {MOST_CHARACTERS}"),
        ):
            error = self.assertRaises(ConfigurationError, parse, text)
            self.assertIn(complaint, error.message)
            self.assertNotIn("hunter2", error.message)

    def test_nothing_shows_a_password(self) -> None:
        self.assertNotIn("hunter2", repr(parse(SEVERAL)))


HOSTS = st.sampled_from(["one.example", "10.0.0.1", "[fd00::1]"])
ENTRIES = st.fixed_dictionaries(
    {"url": st.builds("https://{}:{}".format, HOSTS, st.integers(1, 65535))},
    optional={"tls-server-name": st.sampled_from(["a.example", "10.1.1.1"]), "ca": st.just(OTHER_CA.decode())},
)
ROUTES = st.one_of(
    st.just({"type": "Const"}),
    st.just({"type": "ClusterProxy"}),
    st.builds(
        lambda scheme, host: {"proxy-url": f"{scheme}://me:pass@{host}:8080"},
        st.sampled_from(["http", "https", "socks5"]),
        HOSTS,
    ),
)


class PropertyTests(SynchronousTestCase):
    @given(st.lists(st.builds(lambda a, b: {**a, **b}, ENTRIES, ROUTES), min_size=1, max_size=MOST_ENDPOINTS))
    def test_round_trip(self, entries: list[dict[str, str]]) -> None:
        for text in (json.dumps(entries), yaml.safe_dump(entries)):
            endpoints = parse(text)
            self.assertEqual([written(endpoint) for endpoint in endpoints], [normal(entry) for entry in entries])

    @given(st.text(alphabet="-[]{}:,& *!'\"\n #|>urltypeca0\\x\ud800", max_size=40) | st.text(max_size=40))
    def test_fails_in_no_other_way(self, text: str) -> None:
        with contextlib.suppress(ConfigurationError):
            parse(text)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.just("https://one"),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["url", "type", "proxy-url", "tls-server-name", "ca", "x"]), inner)
            ),
        )
    )
    def test_wrong_shapes(self, value: Any) -> None:
        with contextlib.suppress(ConfigurationError):
            self.assertTrue(parse(json.dumps(value)))


def written(endpoint: Endpoint) -> dict[str, str | None]:
    """An endpoint as it could have been written."""
    return {
        "url": endpoint_url(endpoint),
        "type": "ClusterProxy" if endpoint.via_cluster_proxy else "Const",
        "proxy-url": endpoint.proxy_url,
        "tls-server-name": endpoint.server_name,
        "ca": None if endpoint.ca is None else endpoint.ca.decode(),
    }


def normal(entry: dict[str, str]) -> dict[str, str | None]:
    absent = {"type": "Const", "proxy-url": "", "tls-server-name": "", "ca": CA.decode()}
    return {**absent, **entry, "url": entry["url"].removesuffix(":443")}
