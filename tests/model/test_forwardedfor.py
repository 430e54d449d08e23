"""Tests for L{clustergateway.model.forwardedfor}."""

from __future__ import annotations

from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.forwardedfor import MOST, forwarded_for

WAY, REAL = b"x-forwarded-for", b"x-real-ip"


class ForwardedForTests(SynchronousTestCase):
    def test_what_proxies_say(self) -> None:
        for fields, expected in (
            ((), ()),
            (((WAY, b"192.0.2.1"),), ("192.0.2.1",)),
            (((WAY, b"192.0.2.1, 198.51.100.2,203.0.113.3"),), ("192.0.2.1", "198.51.100.2", "203.0.113.3")),
            (((WAY, b"192.0.2.1"), (WAY, b"198.51.100.2")), ("192.0.2.1", "198.51.100.2")),
            (((WAY, b"2001:DB8:0::1, ::ffff:192.0.2.1"),), ("2001:db8::1", "192.0.2.1")),
            (((REAL, b"192.0.2.1"),), ("192.0.2.1",)),
            (((REAL, b"192.0.2.1"), (WAY, b"198.51.100.2")), ("198.51.100.2", "192.0.2.1")),
            (((REAL, b"192.0.2.1"), (WAY, b"192.0.2.1, 198.51.100.2")), ("192.0.2.1", "198.51.100.2")),
        ):
            self.assertEqual(forwarded_for(fields), expected)

    def test_what_is_no_address(self) -> None:
        nonsense = b"unknown, _hidden, 192.0.2.1:80, [::1], fe80::1%eth0, 1.2.3, 1.2.3.256, , \xff, 192.0.2.9"
        self.assertEqual(forwarded_for(((WAY, nonsense), (REAL, b"nobody"))), ("192.0.2.9",))

    def test_the_nearest_count(self) -> None:
        many = b", ".join(b"10.0.%d.%d" % divmod(number, 250) for number in range(5000))
        found = forwarded_for(((WAY, many),))
        self.assertEqual((len(found), found[-1]), (MOST, "10.0.19.249"))

    @given(st.lists(st.tuples(st.sampled_from([WAY, REAL]), st.binary(max_size=200))))
    def test_whatever_is_said(self, fields: list[tuple[bytes, bytes]]) -> None:
        found = forwarded_for(fields)
        self.assertEqual([str(ip_address(each)) for each in found], list(found))
        self.assertLessEqual(len(found), MOST + 1)
