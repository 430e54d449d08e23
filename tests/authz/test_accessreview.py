from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.authz.accessreview import AccessReviews
from clustergateway.errors import HubUnavailable
from clustergateway.model.identity import Attributes, Decision, Identity
from clustergateway.testing.hub import Answer, FakeHub, refuse, reply, silence, status, truncate

JANE = Identity("jane", ("ops",))
PODS = Attributes("list", "", "v1", "pods", namespace="default")
SENTENCE = 'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"'


class AccessReviewsTests(SynchronousTestCase):
    def begin(self, *answers: Answer) -> AccessReviews:
        self.clock = Clock()
        self.hub = FakeHub(*answers)
        return AccessReviews(self.hub.client(self.clock))

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
        waiting = self.begin(silence).review(JANE, PODS)
        self.clock.advance(10)
        self.failureResultOf(waiting, HubUnavailable)

    def test_retry_after_is_passed_on(self) -> None:
        failure = self.failureResultOf(
            self.begin(status(429, "TooManyRequests", retry_after="3")).review(JANE, PODS), HubUnavailable
        )
        assert isinstance(failure.value, HubUnavailable)
        self.assertEqual(failure.value.retry_after, 3)
