from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.authz.accessreview import AccessReviews
from clustergateway.errors import HubUnavailable
from clustergateway.model.identity import Attributes, Decision, Identity
from clustergateway.testing.hub import Answer, Body, FakeHub, refuse, reply, silence, status, stream, truncate

JANE = Identity("jane", ("ops",))
PODS = Attributes("list", "", "v1", "pods", namespace="default")
SENTENCE = 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"'


class AccessReviewsTests(SynchronousTestCase):
    def begin(self, *answers: Answer) -> AccessReviews:
        self.clock = Clock()
        self.hub = FakeHub(*answers)
        self.reviewed: list[tuple[float, bool]] = []
        return AccessReviews(
            self.hub.client(self.clock), self.clock, lambda seconds, success: self.reviewed.append((seconds, success))
        )

    def test_allowed(self) -> None:
        reviews = self.begin(reply(201, {"status": {"allowed": True, "reason": "RBAC"}}))
        self.assertEqual(self.successResultOf(reviews.review(JANE, PODS)), Decision(True, "RBAC"))
        (asked,) = self.hub.asked
        self.assertEqual((asked.method, asked.path), ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews"))
        self.assertEqual(asked.body["spec"]["user"], "jane")

    def test_refused_in_kube_apiservers_words(self) -> None:
        reviews = self.begin(
            reply(201, {"status": {"allowed": False}}), reply(201, {"status": {"allowed": False, "reason": "why"}})
        )
        self.assertEqual(self.successResultOf(reviews.review(JANE, PODS)), Decision(False, SENTENCE))
        self.assertEqual(self.successResultOf(reviews.review(JANE, PODS)), Decision(False, SENTENCE + ": why"))

    def test_every_fault_means_that_nobody_can_tell(self) -> None:
        for fault in (
            refuse,
            status(500, "InternalError"),
            status(429, "TooManyRequests", retry_after="3"),
            status(403, "Forbidden"),
            status(401, "Unauthorized"),
            truncate(b'{"status": {"allowed": true'),
            reply(201, b"<html>"),
            reply(201, {}),
            reply(201, {"status": {"allowed": "yes"}}),
        ):
            self.failureResultOf(self.begin(fault).review(JANE, PODS), HubUnavailable)

    def test_slow(self) -> None:
        """It is told once; whoever comes after that does not wait. And no client is to wait by itself."""
        reviews = self.begin(silence)
        waiting = reviews.review(JANE, PODS)
        self.clock.advance(10)
        for each in (waiting, reviews.review(JANE, PODS)):
            failure = self.failureResultOf(each, HubUnavailable)
            assert isinstance(failure.value, HubUnavailable)
            self.assertIsNone(failure.value.retry_after)
            self.assertIn("The permission cannot be checked: The hub did not answer", failure.value.message)
        self.assertEqual(len(self.hub.asked), 1)
        self.assertEqual(self.reviewed, [(10.0, False), (0.0, False)])

    def test_timed(self) -> None:
        """By whether there was a decision; a no is one."""
        body = Body()
        reviews = self.begin(stream(body), reply(201, {"status": {"allowed": False}}), reply(201, {}), refuse)
        reviews.review(JANE, PODS)
        self.clock.advance(0.25)
        self.assertEqual(self.reviewed, [])
        body.send(b'{"status": {"allowed": true}}')
        body.end()
        for _ in range(3):
            reviews.review(JANE, PODS).addErrback(lambda _: None)
        self.assertEqual(self.reviewed, [(0.25, True), (0.0, True), (0.0, False), (0.0, False)])

    def test_retry_after_is_passed_on(self) -> None:
        failure = self.failureResultOf(
            self.begin(status(429, "TooManyRequests", retry_after="3")).review(JANE, PODS), HubUnavailable
        )
        assert isinstance(failure.value, HubUnavailable)
        self.assertEqual(failure.value.retry_after, 3)
