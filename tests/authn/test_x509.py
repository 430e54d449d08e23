from __future__ import annotations

from cryptography.x509.oid import NameOID
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.authn.x509 import REFUSAL_LIFE, UID, X509Authenticator
from clustergateway.errors import ConfigurationError, Unauthenticated
from clustergateway.model.identity import Claims, Identity

from .pki import CLIENT, NOW, Issued, authority, client, issue

ROOT = authority("root")
OTHER = authority("other")


class X509AuthenticatorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.authenticator = X509Authenticator(self.clock, ROOT.pem)

    def who(self, certificate: Issued) -> Identity | None:
        return self.authenticator.authenticate(Claims(certificate.der))

    def test_user_and_groups(self) -> None:
        self.assertEqual(
            self.who(client(ROOT, "jane", ["ops", "dev", "ops"])),
            Identity("jane", ("ops", "dev", "system:authenticated"), source="x509"),
        )

    def test_no_certificate(self) -> None:
        self.assertIsNone(self.authenticator.authenticate(Claims()))

    def test_no_authorities(self) -> None:
        self.assertIsNone(X509Authenticator(self.clock).authenticate(Claims(client(ROOT).der)))

    def test_stranger(self) -> None:
        self.assertRaises(Unauthenticated, self.who, client(OTHER))

    def test_no_user(self) -> None:
        nameless = issue([(NameOID.ORGANIZATION_NAME, "ops")], ROOT, usage=[CLIENT])
        self.assertRaises(Unauthenticated, self.who, nameless)

    def test_uid(self) -> None:
        with_uid = issue([(UID, "7"), (NameOID.COMMON_NAME, "jane")], ROOT)
        self.assertEqual(self.who(with_uid), Identity("jane", ("system:authenticated",), "7", source="x509"))

    def test_two_uids(self) -> None:
        two = issue([(UID, "7"), (UID, "8"), (NameOID.COMMON_NAME, "jane")], ROOT)
        self.assertRaises(Unauthenticated, self.who, two)

    def test_last_common_name(self) -> None:
        two = issue([(NameOID.COMMON_NAME, "first"), (NameOID.COMMON_NAME, "last")], ROOT)
        who = self.who(two)
        assert who is not None
        self.assertEqual(who.user, "last")

    def test_remembered(self) -> None:
        """The second answer is the very same object: nothing was verified anew."""
        certificate = client(ROOT)
        self.assertIs(self.who(certificate), self.who(certificate))

    def test_remembered_until_it_expires(self) -> None:
        certificate = issue([(NameOID.COMMON_NAME, "jane")], ROOT, end=NOW + 60)
        self.who(certificate)
        self.clock.advance(61)
        self.assertRaises(Unauthenticated, self.who, certificate)

    def test_refusal_is_remembered_for_a_while(self) -> None:
        early = issue([(NameOID.COMMON_NAME, "jane")], ROOT, start=NOW + 5)
        self.assertRaises(Unauthenticated, self.who, early)
        self.clock.advance(6)
        self.assertRaises(Unauthenticated, self.who, early)
        self.clock.advance(REFUSAL_LIFE)
        self.assertIsNotNone(self.who(early))

    def test_replaced_authorities(self) -> None:
        old, new = client(ROOT), client(OTHER)
        self.who(old)
        self.authenticator.replace(OTHER.pem)
        self.assertRaises(Unauthenticated, self.who, old)
        self.assertIsNotNone(self.who(new))

    def test_broken_replacement_changes_nothing(self) -> None:
        self.assertRaises(ConfigurationError, self.authenticator.replace, b"nonsense")
        self.assertIsNotNone(self.who(client(ROOT)))

    def test_bounded(self) -> None:
        small = X509Authenticator(self.clock, ROOT.pem, cache_size=1)
        first, second = Claims(client(ROOT, "a").der), Claims(client(ROOT, "b").der)
        known = small.authenticate(first)
        small.authenticate(second)
        again = small.authenticate(first)
        self.assertEqual(known, again)
        self.assertIsNot(known, again)
