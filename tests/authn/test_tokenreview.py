from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.authn.tokenreview import LONGEST_TOKEN, TokenReviews
from clustergateway.errors import HubUnavailable
from clustergateway.model.identity import Identity
from clustergateway.testing.hub import Answer, Body, FakeHub, refuse, reply, silence, status, stream, truncate

JANE = Identity("jane", ("ops", "system:authenticated"), source="tokenreview")


def known(**more: Any) -> Answer:
    review = {"authenticated": True, "user": {"username": "jane", "groups": ["ops"]}, **more}
    return reply(201, {"status": review})


UNKNOWN = reply(201, {"status": {"authenticated": False}})


class TokenReviewsTests(SynchronousTestCase):
    def begin(self, *answers: Answer, audiences: tuple[str, ...] = ()) -> None:
        self.clock = Clock()
        self.hub = FakeHub(*answers)
        self.reviews = TokenReviews(self.hub.client(self.clock), self.clock, audiences, cache_size=2)

    def judged(self, token: str = "users") -> Identity | None:
        answer = self.reviews.judge(token)
        return self.successResultOf(answer) if isinstance(answer, Deferred) else answer

    def later(self, token: str = "users") -> Deferred[Identity | None]:
        answer = self.reviews.judge(token)
        assert isinstance(answer, Deferred)
        return answer

    def test_question(self) -> None:
        self.begin(known(audiences=["us"]), audiences=("us",))
        self.assertEqual(self.judged(), JANE)
        (asked,) = self.hub.asked
        self.assertEqual((asked.method, asked.path), ("POST", "/apis/authentication.k8s.io/v1/tokenreviews"))
        self.assertEqual(asked.body["spec"], {"token": "users", "audiences": ["us"]})
        self.assertEqual(asked.token, "t0ken")

    def test_meant_for_others(self) -> None:
        self.begin(known(audiences=["them"]), audiences=("us",))
        self.assertIsNone(self.judged())

    def test_success_is_remembered_for_ten_seconds(self) -> None:
        self.begin(known(), UNKNOWN)
        self.assertEqual(self.judged(), JANE)
        self.clock.advance(9.9)
        self.assertEqual(self.reviews.judge("users"), JANE)
        self.clock.advance(0.1)
        self.assertIsNone(self.judged())

    def test_failure_is_remembered_for_two_seconds(self) -> None:
        self.begin(UNKNOWN, known())
        self.assertIsNone(self.judged())
        self.clock.advance(1.9)
        self.assertIsNone(self.reviews.judge("users"))
        self.clock.advance(0.1)
        self.assertEqual(self.judged(), JANE)

    def test_asked_once_for_all(self) -> None:
        body = Body()
        self.begin(stream(body))
        first, second, third = self.later(), self.later(), self.later()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        body.send(b'{"status": {"authenticated": true, "user": {"username": "jane", "groups": ["ops"]}}}')
        body.end()
        self.assertEqual((self.successResultOf(second), self.successResultOf(third)), (JANE, JANE))
        self.assertEqual(len(self.hub.asked), 1)

    def test_different_tokens_do_not_wait_for_each_other(self) -> None:
        self.begin(silence, known())
        self.later("slow")
        self.assertEqual(self.judged("fast"), JANE)

    def test_every_fault_means_that_nobody_can_tell(self) -> None:
        for fault in (
            refuse,
            status(500, "InternalError"),
            status(429, "TooManyRequests"),
            status(403, "Forbidden"),
            status(401, "Unauthorized"),
            status(404, "NotFound"),
            truncate(b'{"status"'),
            reply(201, b"<html>"),
            reply(201, {}),
            reply(201, {"status": {"authenticated": True}}),
        ):
            self.begin(fault, known())
            error = self.failureResultOf(self.later(), HubUnavailable)
            self.assertNotIn("users", error.getErrorMessage())
            self.assertEqual(self.judged(), JANE, "a fault is not remembered")

    def test_slow(self) -> None:
        self.begin(silence)
        waiting = self.later()
        self.clock.advance(10)
        self.failureResultOf(waiting, HubUnavailable)

    def test_hub_away_after_success(self) -> None:
        self.begin(known(), refuse)
        self.judged()
        self.clock.advance(9)
        self.assertEqual(self.judged(), JANE)
        self.clock.advance(1)
        self.failureResultOf(self.later(), HubUnavailable)

    def test_absurd_token(self) -> None:
        self.begin()
        self.assertIsNone(self.judged("x" * (LONGEST_TOKEN + 1)))
        self.assertEqual(self.hub.asked, [])
