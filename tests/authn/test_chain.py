from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.authn.chain import ClientCA
from clustergateway.errors import ConfigurationError, Unauthenticated

from .pki import NOW, SERVER, YEAR, Issued, authority, client, issue

ROOT = authority("root")
CA = ClientCA(ROOT.pem)
LEAF = client(ROOT)


class ClientCATests(SynchronousTestCase):
    def refused(self, leaf: Issued, *chain: Issued, ca: ClientCA = CA, now: float = NOW) -> str:
        error = self.assertRaises(Unauthenticated, ca.verify, leaf.der, [each.der for each in chain], now)
        return str(error)

    def test_bare_certificates(self) -> None:
        """CN only, no SAN, no key identifiers: as many clusters issue them."""
        self.assertEqual(CA.verify(LEAF.der, (), NOW).subject, LEAF.certificate.subject)

    def test_no_usage_at_all_is_any_usage(self) -> None:
        CA.verify(client(ROOT, usage=None).der, (), NOW)

    def test_any_usage(self) -> None:
        CA.verify(client(ROOT, usage=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]).der, (), NOW)

    def test_server_usage(self) -> None:
        self.assertIn("not meant for client", self.refused(client(ROOT, usage=[SERVER])))

    def test_usage_is_nested(self) -> None:
        """An intermediate for servers cannot sign clients."""
        between = authority("between", ROOT, usage=[SERVER])
        self.assertIn("not meant for client", self.refused(client(between), between))

    def test_stranger(self) -> None:
        self.assertIn("issuer", self.refused(client(authority("stranger"))))

    def test_same_name_other_key(self) -> None:
        self.refused(client(authority("root")))

    def test_intermediate(self) -> None:
        between = authority("between", ROOT)
        leaf = client(between)
        CA.verify(leaf.der, [between.der], NOW)
        self.refused(leaf)

    def test_intermediate_as_anchor(self) -> None:
        """The bundle may hold an intermediate without its root."""
        between = authority("between", ROOT)
        ClientCA(between.pem).verify(client(between).der, (), NOW)

    def test_client_signs_client(self) -> None:
        self.refused(client(LEAF), LEAF)

    def test_version_3_issuer_without_constraints(self) -> None:
        between = issue([(NameOID.COMMON_NAME, "between")], ROOT)
        self.refused(client(between), between)

    def test_path_length(self) -> None:
        short = authority("short", path_length=0)
        between = authority("between", short)
        self.refused(client(between), between, ca=ClientCA(short.pem))

    def test_name_constraints(self) -> None:
        narrow = authority("narrow", permitted=[x509.DNSName("example.com")])
        ca = ClientCA(narrow.pem)
        ca.verify(client(narrow).der, (), NOW)
        outside = issue([(NameOID.COMMON_NAME, "x")], narrow, names=[x509.DNSName("example.org")])
        self.refused(outside, ca=ca)

    def test_times(self) -> None:
        self.assertIn("expired", self.refused(LEAF, now=NOW + 2 * YEAR))
        self.assertIn("not yet valid", self.refused(LEAF, now=NOW - 2 * YEAR))

    def test_until_is_the_first_end(self) -> None:
        between = authority("between", ROOT, end=NOW + 60)
        self.assertEqual(CA.verify(client(between).der, [between.der], NOW).until, NOW + 60)

    def test_expired_anchor(self) -> None:
        old = authority("old", end=NOW - 60)
        self.refused(client(old), ca=ClientCA(old.pem))

    def test_two_authorities(self) -> None:
        other = authority("other")
        both = ClientCA(ROOT.pem + other.pem)
        both.verify(client(other).der, (), NOW)
        both.verify(LEAF.der, (), NOW)

    def test_bad_bundles(self) -> None:
        for bundle in (b"", b"nonsense", ROOT.pem[:200]):
            self.assertRaises(ConfigurationError, ClientCA, bundle)

    @settings(deadline=None, max_examples=200)
    @given(st.binary(max_size=40) | st.tuples(st.integers(0, len(LEAF.der) - 1), st.integers(0, 255)))
    def test_damage(self, damage: bytes | tuple[int, int]) -> None:
        """Whatever arrives is refused in no other way, and no changed certificate is taken for the one it was."""
        if isinstance(damage, tuple):
            at, value = damage
            broken = LEAF.der[:at] + bytes([value]) + LEAF.der[at + 1 :]
        else:
            broken = damage
        if broken == LEAF.der:
            return
        self.assertRaises(Unauthenticated, CA.verify, broken, (), NOW)
