from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import HubUnavailable, Unauthenticated
from clustergateway.model.identity import Attributes, Claims, Decision, Identity
from clustergateway.testing.authenticators import ScriptedAuthenticator, ScriptedAuthorizer

JANE = Identity("jane")
OUTER, INNER = Attributes("get", name="east"), Attributes("list")


class ScriptedTests(SynchronousTestCase):
    def test_authenticator(self) -> None:
        scripted = ScriptedAuthenticator(Unauthenticated("bad"), None, JANE)
        self.assertRaises(Unauthenticated, scripted.authenticate, Claims())
        self.assertEqual([scripted.authenticate(Claims()) for _ in range(3)], [None, JANE, JANE])
        self.assertEqual(len(scripted.asked), 4)

    def test_authorizer(self) -> None:
        scripted = ScriptedAuthorizer()
        self.assertEqual(scripted.authorize_proxy(JANE, OUTER, INNER, False), Decision(True))
        scripted.answer = Decision(False, "no")
        self.assertEqual(scripted.authorize(JANE, OUTER), Decision(False, "no"))
        scripted.answer = HubUnavailable("away")
        self.assertRaises(HubUnavailable, scripted.authorize, JANE, OUTER)
        self.assertEqual(scripted.asked, [(JANE, INNER), (JANE, OUTER), (JANE, OUTER)])
