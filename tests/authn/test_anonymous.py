from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.authn.anonymous import AnonymousAuthenticator
from clustergateway.model.identity import ANONYMOUS, Claims


class AnonymousAuthenticatorTests(SynchronousTestCase):
    def test_whoever(self) -> None:
        claims = Claims(b"certificate", (), ((b"x-remote-user", b"jane"),))
        self.assertIs(AnonymousAuthenticator().authenticate(claims), ANONYMOUS)
