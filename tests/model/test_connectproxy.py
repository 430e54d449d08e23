from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import (
    ClusterUnavailable,
    GatewayError,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnresolvable,
)
from clustergateway.model.connectproxy import Connect, KonnectivityConnect
from clustergateway.model.preamble import Step

OK = b"HTTP/1.1 200 Connection established\r\n\r\n"


class ConnectTests(SynchronousTestCase):
    """Conversations with an HTTP proxy."""

    def test_request(self) -> None:
        self.assertEqual(b"CONNECT c1:6443 HTTP/1.1\r\nHost: c1:6443\r\n\r\n", Connect("c1", 6443).begin())

    def test_with_a_credential(self) -> None:
        self.assertIn(b"\r\nProxy-Authorization: Basic dTpw\r\n\r\n", Connect("c1", 6443, b"Basic dTpw").begin())

    def test_ipv6(self) -> None:
        self.assertTrue(
            Connect("fd00::1", 443).begin().startswith(b"CONNECT [fd00::1]:443 HTTP/1.1\r\nHost: [fd00::1]:443")
        )

    def test_name_that_is_not_ascii(self) -> None:
        self.assertIn(b"CONNECT xn--bcher-kva.example:1 ", Connect("bücher.example", 1).begin())

    def test_names_that_break_out(self) -> None:
        for host in ("a\r\nX: y", "a b", "", "ü..b"):
            with self.assertRaises(UpstreamUnresolvable):
                Connect(host, 443)

    def test_accepted(self) -> None:
        self.assertEqual(Step(rest=b""), Connect("c1", 1).feed(OK))

    def test_accepted_with_headers_and_a_rest(self) -> None:
        connect = Connect("c1", 1)
        self.assertEqual(Step(), connect.feed(b"HTTP/1.0 200\r\nX: y\r\n"))
        self.assertEqual(Step(rest=b"rest"), connect.feed(b"\r\nrest"))

    def test_interim_answers(self) -> None:
        self.assertEqual(Step(rest=b""), Connect("c1", 1).feed(b"HTTP/1.1 100 Continue\r\n\r\n" + OK))

    @given(st.lists(st.integers(1, 60)))
    def test_in_pieces(self, cuts: list[int]) -> None:
        connect = Connect("c1", 1)
        data = OK + b"rest"
        rest = b""
        done = False
        places = [0, *sorted(cuts), len(data)]
        for start, stop in pairwise(places):
            if done:
                rest += data[start:stop]
                continue
            step = connect.feed(data[start:stop])
            if step.rest is not None:
                done, rest = True, step.rest
        self.assertEqual((True, b"rest"), (done, rest))

    def test_refusals(self) -> None:
        for code, kind in (
            (301, UpstreamRefused),
            (403, UpstreamRefused),
            (401, UpstreamRefused),
            (407, UpstreamRefused),
            (502, UpstreamRefused),
            (504, UpstreamTimeout),
        ):
            with self.assertRaises(kind) as caught:
                Connect("c1", 1, b"Basic secret").feed(b"HTTP/1.1 %d x\r\n\r\n" % code)
            self.assertEqual("proxy", caught.exception.hop)
            self.assertIn(str(code), caught.exception.message)
            self.assertNotIn("secret", caught.exception.message)

    def test_who_asks_for_a_password(self) -> None:
        """Tinyproxy says 401 where 407 is meant."""
        for code in (401, 407):
            for authorization, meaning in (
                (b"Basic secret", "does not accept the credential in proxy-url"),
                (b"", "wants a user and password in proxy-url"),
            ):
                with self.assertRaises(UpstreamRefused) as caught:
                    Connect("c1", 1, authorization).feed(b"HTTP/1.0 %d Unauthorized\r\n\r\nbody" % code)
                self.assertEqual(caught.exception.message, f"the proxy {meaning} ({code} to CONNECT c1:1)")

    def test_not_http(self) -> None:
        for data in (
            b"SSH-2.0-x",
            b"\x05\x00",
            b"HTTP/2.0 200 x\r\n\r\n",
            b"HTTP/1.1 2000 x\r\n\r\n",
            b"HTTP/1.1 999 x\r\n\r\n",
            b"HTTP/1.1 x\r\n\r\n",
        ):
            with self.assertRaises(UpstreamMalformed, msg=repr(data)):
                Connect("c1", 1).feed(data)

    def test_endless(self) -> None:
        connect = Connect("c1", 1)
        connect.feed(b"HTTP/1.1 200 OK\r\n")
        with self.assertRaises(UpstreamMalformed):
            for _ in range(17):
                connect.feed(b"X: " + b"y" * 1000 + b"\r\n")

    @given(st.lists(st.binary(max_size=30)))
    def test_fails_in_no_other_way(self, data: list[bytes]) -> None:
        connect = Connect("c1", 1)
        try:
            for piece in (b"HTTP/1.1 ", *data):
                connect.feed(piece)
        except GatewayError as error:
            self.assertEqual("proxy", error.hop)


class KonnectivityConnectTests(SynchronousTestCase):
    """The proxy-server in http-connect mode."""

    def test_request(self) -> None:
        expected = b"CONNECT c1:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        self.assertEqual(expected, KonnectivityConnect("c1", 443).begin())

    def test_accepted(self) -> None:
        self.assertEqual(Step(rest=b"\x16"), KonnectivityConnect("c1", 443).feed(OK + b"\x16"))

    def test_no_agent_is_said_behind_the_200(self) -> None:
        with self.assertRaises(UpstreamRefused) as caught:
            KonnectivityConnect("c1", 443).feed(OK + b"HTTP/1.1 500 Internal Server Error\r\n")
        self.assertEqual("tunnel", caught.exception.hop)

    def test_refusals(self) -> None:
        for code, body, kind, words in (
            (500, b"currently no tunnels available: No agent available", ClusterUnavailable, "no konnectivity agent"),
            (502, b"dial tcp 10.0.0.1:1: connect: connection refused\n", UpstreamRefused, "connection refused"),
            (502, b"dial tcp: lookup c1: no such host", UpstreamUnresolvable, "no such host"),
            (502, b"dial tcp 10.0.0.1:1: i/o timeout", UpstreamTimeout, "i/o timeout"),
            (502, b"a\r\nb\xff", UpstreamRefused, "could not connect to c1:443: a  b"),
            (502, b"", UpstreamRefused, "502 to CONNECT"),
            (405, b"x", UpstreamRefused, "405 to CONNECT"),
        ):
            with self.assertRaises(kind) as caught:
                KonnectivityConnect("c1", 443).feed(b"HTTP/1.1 %d x\r\nConnection: close\r\n\r\n%b" % (code, body))
            self.assertIn(words, caught.exception.message)
            self.assertIn("c1:443", caught.exception.message)
