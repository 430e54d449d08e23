from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import (
    GatewayError,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamTimeout,
    UpstreamUnresolvable,
)
from clustergateway.model.preamble import Step
from clustergateway.model.socks5 import Socks5

GRANTED = b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50"


class Socks5Tests(SynchronousTestCase):
    """Conversations with a SOCKS5 proxy."""

    def test_without_authentication(self) -> None:
        socks = Socks5("c1", 443)
        self.assertEqual(b"\x05\x01\x00", socks.begin())
        self.assertEqual(Step(b"\x05\x01\x00\x03\x02c1\x01\xbb"), socks.feed(b"\x05\x00"))
        self.assertEqual(Step(rest=b"rest"), socks.feed(GRANTED + b"rest"))

    def test_with_user_and_password(self) -> None:
        socks = Socks5("c1", 443, b"me", b"pw")
        self.assertEqual(b"\x05\x02\x00\x02", socks.begin())
        self.assertEqual(Step(b"\x01\x02me\x02pw"), socks.feed(b"\x05\x02"))
        self.assertEqual(Step(b"\x05\x01\x00\x03\x02c1\x01\xbb"), socks.feed(b"\x01\x00"))
        self.assertEqual(Step(rest=b""), socks.feed(GRANTED))

    def test_a_proxy_that_does_not_want_the_password(self) -> None:
        socks = Socks5("c1", 443, b"me", b"pw")
        self.assertEqual(b"\x05\x01\x00", socks.feed(b"\x05\x00").send[:3])

    def test_addresses(self) -> None:
        self.assertEqual(b"\x05\x01\x00\x01\x0a\x00\x00\x01\x00\x01", Socks5("10.0.0.1", 1).feed(b"\x05\x00").send)
        expected = b"\x05\x01\x00\x04\xfd" + b"\0" * 14 + b"\x01\x00\x01"
        self.assertEqual(expected, Socks5("fd00::1", 1).feed(b"\x05\x00").send)

    def test_kinds_of_bound_address(self) -> None:
        for address in (b"\x01\0\0\0\0", b"\x03\x03abc", b"\x04" + b"\0" * 16):
            socks = Socks5("c1", 443)
            socks.feed(b"\x05\x00")
            self.assertEqual(Step(), socks.feed(b"\x05\x00\x00" + address))
            self.assertEqual(Step(rest=b"!"), socks.feed(b"\0\x50!"))

    def test_byte_by_byte(self) -> None:
        socks = Socks5("c1", 443)
        steps = [socks.feed(bytes((byte,))) for byte in b"\x05\x00" + GRANTED]
        self.assertEqual([11], [i for i, step in enumerate(steps) if step.rest is not None])

    def test_every_refusal_is_worded(self) -> None:
        words = set()
        for reply in range(1, 256):
            socks = Socks5("c1", 443)
            socks.feed(b"\x05\x00")
            with self.assertRaises(GatewayError) as caught:
                socks.feed(bytes((5, reply)))
            self.assertEqual("proxy", caught.exception.hop)
            self.assertIn("c1:443", caught.exception.message)
            self.assertIs(UpstreamTimeout if reply == 6 else UpstreamRefused, type(caught.exception))
            words.add(caught.exception.message.split(" (")[0])
        self.assertEqual(9, len(words))

    def test_no_common_method(self) -> None:
        with self.assertRaises(UpstreamRefused):
            Socks5("c1", 443).feed(b"\x05\xff")

    def test_a_method_that_was_not_offered(self) -> None:
        with self.assertRaises(UpstreamMalformed):
            Socks5("c1", 443).feed(b"\x05\x02")

    def test_a_wrong_password(self) -> None:
        socks = Socks5("c1", 443, b"me", b"hunter2")
        socks.feed(b"\x05\x02")
        with self.assertRaises(UpstreamRefused) as caught:
            socks.feed(b"\x01\x01")
        self.assertNotIn("hunter2", caught.exception.message)

    def test_not_socks5(self) -> None:
        for data in (b"\x04\x5a", b"HTTP/1.1 400"):
            with self.assertRaises(UpstreamMalformed):
                Socks5("c1", 443).feed(data)
        socks = Socks5("c1", 443)
        socks.feed(b"\x05\x00")
        with self.assertRaises(UpstreamMalformed):
            socks.feed(b"\x05\x00\x00\x09\x00")

    def test_names_that_do_not_fit(self) -> None:
        for host in ("x" * 256, "", "a\n"):
            with self.assertRaises(UpstreamUnresolvable):
                Socks5(host, 443)

    @given(st.lists(st.binary(max_size=20)), st.booleans())
    def test_fails_in_no_other_way(self, data: list[bytes], password: bool) -> None:
        socks = Socks5("c1", 443, b"me" * password, b"pw" * password)
        try:
            for piece in data:
                if socks.feed(piece).rest is not None:
                    break
        except GatewayError as error:
            self.assertEqual("proxy", error.hop)
