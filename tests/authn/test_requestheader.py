from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.authn.requestheader import RequestHeaderAuthenticator
from clustergateway.authn.x509 import REFUSAL_LIFE
from clustergateway.errors import ConfigurationError
from clustergateway.model.identity import Claims, Identity
from clustergateway.model.requestheader import RequestHeaderTrust

from .pki import NOW, SERVER, Issued, authority, client

FRONT = authority("front-proxy-ca")
USERS = authority("users")
AGGREGATOR = client(FRONT, "aggregator")
TRUST = RequestHeaderTrust(FRONT.pem, ("aggregator",))
HEADERS = ((b"x-remote-user", b"jane"), (b"x-remote-group", b"ops"))
JANE = Identity("jane", ("ops", "system:authenticated"), source="requestheader")


class RequestHeaderAuthenticatorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.authenticator = RequestHeaderAuthenticator(self.clock, TRUST)

    def who(self, certificate: Issued | None, *chain: Issued) -> Identity | None:
        der = None if certificate is None else certificate.der
        return self.authenticator.authenticate(Claims(der, tuple(each.der for each in chain), HEADERS))

    def test_front_proxy(self) -> None:
        self.assertEqual(self.who(AGGREGATOR), JANE)
        self.assertEqual(self.who(AGGREGATOR), JANE)

    def test_through_an_intermediate(self) -> None:
        between = authority("between", FRONT)
        self.assertEqual(self.who(client(between, "aggregator"), between), JANE)

    def test_nobody_else_is_believed(self) -> None:
        """Not without a certificate, with a user's, another name's, a server's, or one of a like-named authority."""
        strangers = (
            None,
            client(USERS, "aggregator"),
            client(FRONT, "other"),
            client(FRONT, "aggregator", usage=[SERVER]),
            client(authority("front-proxy-ca"), "aggregator"),
        )
        for certificate in strangers:
            self.assertIsNone(self.who(certificate))

    def test_any_name(self) -> None:
        self.authenticator.replace(replace(TRUST, allowed_names=()))
        self.assertEqual(self.who(client(FRONT, "other")), JANE)

    def test_no_user_named(self) -> None:
        claims = Claims(AGGREGATOR.der, (), ((b"x-remote-group", b"system:masters"),))
        self.assertIsNone(self.authenticator.authenticate(claims))

    def test_no_trust(self) -> None:
        self.authenticator.replace(None)
        self.assertIsNone(self.who(AGGREGATOR))

    def test_replaced_trust(self) -> None:
        self.who(AGGREGATOR)
        self.authenticator.replace(RequestHeaderTrust(USERS.pem, ("aggregator",)))
        self.assertIsNone(self.who(AGGREGATOR))
        self.assertEqual(self.who(client(USERS, "aggregator")), JANE)

    def test_broken_replacement_changes_nothing(self) -> None:
        self.assertRaises(ConfigurationError, self.authenticator.replace, RequestHeaderTrust(b""))
        self.assertIs(self.authenticator.trust, TRUST)
        self.assertEqual(self.who(AGGREGATOR), JANE)

    def test_refusal_is_forgotten(self) -> None:
        stranger = client(USERS, "aggregator")
        self.assertIsNone(self.who(stranger))
        self.clock.advance(REFUSAL_LIFE + 1)
        self.assertIsNone(self.who(stranger))

    def test_expiry_on_a_long_connection(self) -> None:
        self.assertEqual(self.who(AGGREGATOR), JANE)
        self.clock.advance(2 * 365 * 86400)
        self.assertIsNone(self.who(AGGREGATOR))

    def test_anonymous_stays_anonymous(self) -> None:
        headers = ((b"x-remote-user", b"system:anonymous"), (b"x-remote-group", b"system:unauthenticated"))
        who = self.authenticator.authenticate(Claims(AGGREGATOR.der, (), headers))
        assert who is not None
        self.assertEqual(who.groups, ("system:unauthenticated",))
