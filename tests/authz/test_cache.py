from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.authz.cache import CachedAuthorizer
from clustergateway.errors import HubUnavailable
from clustergateway.model.identity import ANONYMOUS, Attributes, Decision, Identity
from clustergateway.model.reviews import forbidden

JANE = Identity("jane", ("ops",), source="x509")
LIST = Attributes("list", "cluster.core.oam.dev", "v1alpha1", "clustergateways")


class CachedAuthorizerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.asked: list[tuple[Identity, Attributes]] = []
        self.waiting: list[Deferred[Decision]] = []
        self.authorizer = CachedAuthorizer(self.review, self.clock, cache_size=3)

    def review(self, who: Identity, what: Attributes) -> Deferred[Decision]:
        self.asked.append((who, what))
        self.waiting.append(Deferred())
        return self.waiting[-1]

    def later(self, who: Identity = JANE, what: Attributes = LIST) -> Deferred[Decision]:
        answer = self.authorizer.authorize(who, what)
        assert isinstance(answer, Deferred)
        return answer

    def decided(self, decision: Decision, who: Identity = JANE, what: Attributes = LIST) -> None:
        answer = self.later(who, what)
        self.waiting[-1].callback(decision)
        self.assertEqual(self.successResultOf(answer), decision)

    def test_never_asked(self) -> None:
        for who, what, allowed in (
            (Identity("root", ("system:masters",)), LIST, True),
            (ANONYMOUS, Attributes("get", path="/readyz"), True),
            (ANONYMOUS, Attributes("get", path="/apis"), False),
            (ANONYMOUS, LIST, False),
            (Identity("system:anonymous", ("system:unauthenticated",), source="requestheader"), LIST, False),
            (Identity("system:aggregator"), Attributes("get", path="/openapi/v2"), True),
        ):
            answer = self.authorizer.authorize(who, what)
            assert isinstance(answer, Decision)
            self.assertEqual(answer.allowed, allowed)
            self.assertEqual(answer.reason, "" if allowed else forbidden(who, what))
        self.assertEqual(self.asked, [])

    def test_paths_that_are_not_discovery_are_asked(self) -> None:
        for what in (Attributes("get", path="/metrics"), Attributes("post", path="/apis")):
            self.decided(Decision(False), what=what)

    def test_yes_is_remembered_for_ten_seconds(self) -> None:
        self.decided(Decision(True))
        self.clock.advance(9.9)
        self.assertEqual(self.authorizer.authorize(JANE, LIST), Decision(True))
        self.clock.advance(0.1)
        self.later()

    def test_no_is_remembered_for_five_seconds(self) -> None:
        self.decided(Decision(False, "no"))
        self.clock.advance(4.9)
        self.assertEqual(self.authorizer.authorize(JANE, LIST), Decision(False, "no"))
        self.clock.advance(0.1)
        self.later()

    def test_every_difference_is_another_question(self) -> None:
        self.decided(Decision(True))
        for who, what in (
            (replace(JANE, user="joe"), LIST),
            (replace(JANE, groups=("dev",)), LIST),
            (replace(JANE, uid="7"), LIST),
            (replace(JANE, extra=(("a", ("b",)),)), LIST),
            (JANE, replace(LIST, verb="watch")),
            (JANE, replace(LIST, name="east")),
            (JANE, replace(LIST, subresource="proxy")),
        ):
            self.decided(Decision(False), who, what)
        self.assertEqual(len(self.asked), 8)

    def test_how_they_were_recognized_is_no_difference(self) -> None:
        self.decided(Decision(True))
        self.assertEqual(self.authorizer.authorize(replace(JANE, source="tokenreview"), LIST), Decision(True))

    def test_asked_once_for_all(self) -> None:
        answers = [self.later(), self.later()]
        self.waiting[0].callback(Decision(True))
        for each in answers:
            self.assertTrue(self.successResultOf(each).allowed)
        self.assertEqual(len(self.asked), 1)

    def test_hub_away(self) -> None:
        """What is remembered holds until its time; then nobody is let in, and nobody refused."""
        self.decided(Decision(True))
        self.clock.advance(9)
        self.assertEqual(self.authorizer.authorize(JANE, LIST), Decision(True))
        self.clock.advance(1)
        answer = self.later()
        self.waiting[-1].errback(HubUnavailable("away"))
        self.failureResultOf(answer, HubUnavailable)

    def test_bounded(self) -> None:
        for name in "abcd":
            self.decided(Decision(True), what=replace(LIST, name=name))
        self.later(what=replace(LIST, name="a"))
