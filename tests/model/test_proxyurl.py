from __future__ import annotations

from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.proxyurl import ProxyAddress, parse_proxy_url


class ProxyUrlTests(SynchronousTestCase):
    """What users write."""

    def test_examples(self) -> None:
        for url, expected in (
            ("http://proxy", ProxyAddress("http", "proxy", 80)),
            ("http://proxy:3128/", ProxyAddress("http", "proxy", 3128)),
            (" https://proxy\n", ProxyAddress("https", "proxy", 443)),
            ("socks5://10.0.0.1", ProxyAddress("socks5", "10.0.0.1", 1080)),
            ("socks5h://[fd00::1]:9", ProxyAddress("socks5", "fd00::1", 9)),
            ("HTTP://u:p%40s@proxy", ProxyAddress("http", "proxy", 80, b"u", b"p@s")),
            ("http://u@proxy", ProxyAddress("http", "proxy", 80, b"u")),
        ):
            self.assertEqual(expected, parse_proxy_url(url))

    def test_refused(self) -> None:
        for url in (
            "",
            "proxy:3128",
            "ftp://proxy",
            "http://",
            "http://:80",
            "http://proxy:0",
            "http://proxy:99999",
            "http://proxy:x",
            "http://proxy/path",
            "http://proxy?q",
            "http://proxy#f",
            "http://[::1",
            "http://a b",
            "http://u%3Av:p@proxy",
            "socks5://" + "u" * 256 + ":p@proxy",
        ):
            with self.assertRaises(ConfigurationError, msg=url):
                parse_proxy_url(url)

    def test_basic(self) -> None:
        self.assertEqual(b"Basic dTpw", parse_proxy_url("http://u:p@proxy").basic)
        self.assertEqual(b"", parse_proxy_url("http://proxy").basic)

    @given(st.binary(max_size=40), st.binary(max_size=40), st.integers(1, 65535))
    def test_round_trip(self, user: bytes, password: bytes, port: int) -> None:
        url = f"socks5://{quote(user, '')}:{quote(password, '')}@proxy:{port}"
        self.assertEqual(ProxyAddress("socks5", "proxy", port, user, password), parse_proxy_url(url))

    @given(st.sampled_from(["", "http://", "socks5://"]), st.text(max_size=60))
    def test_fails_in_no_other_way(self, scheme: str, rest: str) -> None:
        try:
            parse_proxy_url(scheme + rest)
        except ConfigurationError:
            pass

    def test_secrets_are_not_shown(self) -> None:
        address = parse_proxy_url("http://someone:hunter2@proxy")
        self.assertNotIn("hunter2", repr(address))
        self.assertNotIn("someone", repr(address))
        with self.assertRaises(ConfigurationError) as caught:
            parse_proxy_url("http://someone:hunter2@proxy/x")
        self.assertNotIn("hunter2", str(caught.exception))
