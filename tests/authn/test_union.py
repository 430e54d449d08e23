from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.authn.union import UnionAuthenticator
from clustergateway.errors import HubUnavailable, Unauthenticated
from clustergateway.model.identity import ANONYMOUS, Claims, Identity
from clustergateway.testing.authenticators import ScriptedAuthenticator

JANE = Identity("jane", ("ops",))
JANE_IN = Identity("jane", ("ops", "system:authenticated"))


class UnionAuthenticatorTests(SynchronousTestCase):
    def test_first_that_knows_decides(self) -> None:
        first, second, third = ScriptedAuthenticator(None), ScriptedAuthenticator(JANE), ScriptedAuthenticator(JANE)
        self.assertEqual(UnionAuthenticator([first, second, third]).authenticate(Claims()), JANE_IN)
        self.assertEqual((len(first.asked), len(second.asked), len(third.asked)), (1, 1, 0))

    def test_bad_credential_ends_it(self) -> None:
        bad, anonymous = ScriptedAuthenticator(Unauthenticated("bad")), ScriptedAuthenticator(ANONYMOUS)
        self.assertRaises(Unauthenticated, UnionAuthenticator([bad, anonymous]).authenticate, Claims())

    def test_bad_credential_found_later(self) -> None:
        bad = ScriptedAuthenticator(fail(Unauthenticated("bad")))
        answer = UnionAuthenticator([bad, ScriptedAuthenticator(ANONYMOUS)]).authenticate(Claims())
        assert isinstance(answer, Deferred)
        self.failureResultOf(answer, Unauthenticated)

    def test_hub_unavailable(self) -> None:
        away = ScriptedAuthenticator(fail(HubUnavailable("away")))
        answer = UnionAuthenticator([away, ScriptedAuthenticator(ANONYMOUS)]).authenticate(Claims())
        assert isinstance(answer, Deferred)
        self.failureResultOf(answer, HubUnavailable)

    def test_waits(self) -> None:
        waiting: Deferred[Identity | None] = Deferred()
        answer = UnionAuthenticator([ScriptedAuthenticator(waiting)]).authenticate(Claims())
        assert isinstance(answer, Deferred)
        self.assertNoResult(answer)
        waiting.callback(JANE)
        self.assertEqual(self.successResultOf(answer), JANE_IN)

    def test_goes_on_after_waiting(self) -> None:
        none: Deferred[Identity | None] = succeed(None)
        later: Deferred[Identity | None] = succeed(JANE)
        union = UnionAuthenticator([ScriptedAuthenticator(none), ScriptedAuthenticator(None, later)])
        answer = union.authenticate(Claims())
        assert isinstance(answer, Deferred)
        self.failureResultOf(answer, Unauthenticated)
        again = UnionAuthenticator([ScriptedAuthenticator(succeed(None)), ScriptedAuthenticator(later)])
        answer = again.authenticate(Claims())
        assert isinstance(answer, Deferred)
        self.assertEqual(self.successResultOf(answer), JANE_IN)

    def test_nobody(self) -> None:
        self.assertRaises(Unauthenticated, UnionAuthenticator([ScriptedAuthenticator(None)]).authenticate, Claims())

    def test_anonymous_is_not_authenticated(self) -> None:
        self.assertIs(UnionAuthenticator([ScriptedAuthenticator(ANONYMOUS)]).authenticate(Claims()), ANONYMOUS)

    def test_complete_identity_is_passed_as_it_is(self) -> None:
        self.assertIs(UnionAuthenticator([ScriptedAuthenticator(JANE_IN)]).authenticate(Claims()), JANE_IN)
