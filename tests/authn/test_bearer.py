from __future__ import annotations

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.authn.bearer import BearerAuthenticator
from clustergateway.errors import HubUnavailable, Unauthenticated
from clustergateway.model.identity import Claims, Identity

JANE = Identity("jane")
CLAIMS = Claims(headers=((b"authorization", b"Bearer t0ken"),))


class Knows:
    """A judge of one token."""

    def __init__(self, token: str = "", answer: Deferred[Identity | None] | None = None) -> None:
        self.token = token
        self.answer = answer
        self.asked: list[str] = []

    def judge(self, token: str) -> Identity | Deferred[Identity | None] | None:
        self.asked.append(token)
        return self.answer or (JANE if token == self.token else None)


class BearerAuthenticatorTests(SynchronousTestCase):
    def test_known_at_once(self) -> None:
        first, second = Knows(), Knows("t0ken")
        self.assertIs(BearerAuthenticator([first, second]).authenticate(CLAIMS), JANE)
        self.assertEqual(first.asked, ["t0ken"])

    def test_no_token(self) -> None:
        judge = Knows("")
        self.assertIsNone(BearerAuthenticator([judge]).authenticate(Claims()))
        self.assertEqual(judge.asked, [])

    def test_unknown(self) -> None:
        for judges in ([], [Knows()]):
            self.assertRaises(Unauthenticated, BearerAuthenticator(judges).authenticate, CLAIMS)

    def test_unknown_later(self) -> None:
        answer = BearerAuthenticator([Knows(answer=succeed(None)), Knows()]).authenticate(CLAIMS)
        assert isinstance(answer, Deferred)
        error = self.failureResultOf(answer, Unauthenticated)
        self.assertNotIn("t0ken", error.getErrorMessage())

    def test_known_later(self) -> None:
        for judges in ([Knows(answer=succeed(JANE))], [Knows(answer=succeed(None)), Knows("t0ken")]):
            answer = BearerAuthenticator(judges).authenticate(CLAIMS)
            assert isinstance(answer, Deferred)
            self.assertIs(self.successResultOf(answer), JANE)

    def test_nobody_can_tell(self) -> None:
        answer = BearerAuthenticator([Knows(answer=fail(HubUnavailable("away"))), Knows("t0ken")]).authenticate(CLAIMS)
        assert isinstance(answer, Deferred)
        self.failureResultOf(answer, HubUnavailable)
