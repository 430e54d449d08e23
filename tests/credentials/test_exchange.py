"""Tests for L{clustergateway.credentials.exchange}."""

from __future__ import annotations

import json
import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.credentials.exchange import Exchanged, IdentityExchanger
from clustergateway.errors import ConfigurationError, Forbidden, GatewayError, HeadersTooLarge, ServiceUnavailable
from clustergateway.model.gateway import ClusterGateway, NoCredential
from clustergateway.model.identity import AUTHENTICATED_GROUP, Attributes, Identity
from clustergateway.model.identityreview import Answer, Webhook

GET = Attributes("get", path="/version")
JANE = Identity("jane", ("dev", AUTHENTICATED_GROUP), extra=(("authentication.kubernetes.io/credential-id", ("x",)),))


def rules(*given: dict[str, Any], **spec: Any) -> str:
    return json.dumps({"spec": {"clientIdentityExchanger": {"rules": list(given)}, **spec}})


def static(to: str, **source: str) -> dict[str, Any]:
    rule = {"name": f"to-{to}", "type": "StaticMappingIdentityExchanger", "target": {"user": to}}
    return {**rule, "source": source}


def external(**source: str) -> dict[str, Any]:
    rule = {"name": "ask", "type": "ExternalIdentityExchanger", "url": "https://hook.example"}
    return {**rule, "source": source}


def cluster(name: str = "east", configuration: str = "") -> ClusterGateway:
    return ClusterGateway(name, (), NoCredential(), proxy_configuration=configuration)


class Reviews:
    """Stands in for L{clustergateway.credentials.webhook.ReviewClient}."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.answer: Answer | Deferred[Answer] = Answer(Identity("asked"))

    def ask(self, webhook: Webhook, who: Identity, cluster: str, rule: str, attributes: Attributes) -> Any:
        self.asked.append((webhook.url, who.user, cluster))
        return self.answer


class World(SynchronousTestCase):
    """An exchanger whose webhooks answer what the test says."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.reviews = Reviews()
        self.path = self.mktemp()

    def exchanger(self, text: str | None = None) -> IdentityExchanger:
        if text is not None:
            self.write(text)
        exchanger = IdentityExchanger(self.reviews, self.clock, "" if text is None else self.path)  # type: ignore[arg-type]
        exchanger.start()
        return exchanger

    def write(self, text: str) -> None:
        with open(self.path + ".new", "w") as file:
            file.write(text)
        os.rename(self.path + ".new", self.path)

    def shown(self, exchanger: IdentityExchanger, who: Identity, where: ClusterGateway) -> tuple[str, str]:
        exchanged = exchanger.exchange(who, where, GET)
        assert isinstance(exchanged, Exchanged)
        return "" if exchanged.identity is None else exchanged.identity.user, exchanged.rule


class ExchangerTests(World):
    def test_without_rules_the_caller_as_is(self) -> None:
        exchanged = self.exchanger().exchange(JANE, cluster(), GET)
        block = b"Impersonate-User: jane\r\nImpersonate-Group: dev\r\n"
        self.assertEqual(exchanged, Exchanged(Identity("jane", ("dev",)), "", block))

    def test_the_clusters_own_rules_come_first(self) -> None:
        exchanger = self.exchanger(rules(static("shared", user="jane")))
        self.assertEqual(self.shown(exchanger, JANE, cluster()), ("shared", "to-shared"))
        own = cluster(configuration=rules(static("own", user="jane")))
        self.assertEqual(self.shown(exchanger, JANE, own), ("own", "to-own"))
        other = cluster(configuration=rules(static("own", user="joe")))
        self.assertEqual(self.shown(exchanger, JANE, other), ("shared", "to-shared"))

    def test_privileged_shows_nobody(self) -> None:
        rule = {"name": "sudo", "type": "PrivilegedIdentityExchanger", "source": {"group": "dev"}}
        self.assertEqual(self.exchanger(rules(rule)).exchange(JANE, cluster(), GET), Exchanged(None, "sudo"))

    def test_a_decision_is_made_once(self) -> None:
        exchanger = self.exchanger(rules(static("shared", user="jane")))
        first = exchanger.exchange(JANE, cluster(), GET)
        again = exchanger.exchange(Identity("jane", JANE.groups, extra=JANE.extra), cluster(), GET)
        self.assertIs(first, again)
        self.assertIsNot(first, exchanger.exchange(JANE, cluster("west"), GET))

    def test_an_erroneous_rule_refuses(self) -> None:
        exchanger = self.exchanger(rules(static("shared", user="jane")))
        bad = cluster(configuration=rules(static("", user="jane")))
        for _ in range(2):
            error = self.assertRaises(Forbidden, exchanger.exchange, JANE, bad, GET)
            self.assertEqual((error.cluster, error.rule), ("east", "to-"))
        self.assertIn("cluster east: ", exchanger.problems()[0])

    def test_a_broken_annotation_refuses_everybody(self) -> None:
        exchanger = self.exchanger(rules(static("shared", user="jane")))
        self.assertRaises(Forbidden, exchanger.exchange, JANE, cluster(configuration="{"), GET)
        self.flushLoggedErrors()

    def test_problems_come_and_go_with_the_cluster(self) -> None:
        exchanger = self.exchanger()
        exchanger.cluster_changed("ADDED", cluster(configuration="{"))
        self.assertEqual(len(exchanger.problems()), 1)
        exchanger.cluster_changed("MODIFIED", cluster(configuration="{}"))
        self.assertEqual(exchanger.problems(), ())
        exchanger.cluster_changed("MODIFIED", cluster(configuration="["))
        exchanger.cluster_changed("DELETED", cluster(configuration="["))
        self.assertEqual(exchanger.problems(), ())

    def test_what_is_too_much_is_said(self) -> None:
        exchanger = self.exchanger(rules(impersonation={"maxGroups": 1}))
        self.assertRaises(HeadersTooLarge, exchanger.exchange, Identity("x", ("a", "b")), cluster(), GET)
        own = cluster(configuration=rules(impersonation={"maxGroups": 2, "extras": {"drop": []}}))
        exchanged = exchanger.exchange(Identity("x", ("a", "b"), extra=JANE.extra), own, GET)
        assert isinstance(exchanged, Exchanged)
        self.assertEqual(exchanged.block.count(b"\r\n"), 4)


class ExternalTests(World):
    def test_now(self) -> None:
        exchanger = self.exchanger(rules(external(user="jane")))
        exchanged = exchanger.exchange(JANE, cluster(), GET)
        self.assertEqual(exchanged, Exchanged(Identity("asked"), "ask", b"Impersonate-User: asked\r\n"))
        self.assertEqual(self.reviews.asked, [("https://hook.example", "jane", "east")])

    def test_later(self) -> None:
        waiting: Deferred[Answer] = Deferred()
        self.reviews.answer = waiting
        exchanged = self.exchanger(rules(external(user="jane"))).exchange(JANE, cluster(), GET)
        assert isinstance(exchanged, Deferred)
        waiting.callback(Answer(Identity("asked")))
        self.assertEqual(self.successResultOf(exchanged).rule, "ask")

    def test_refused(self) -> None:
        exchanger = self.exchanger(rules(external(user="jane"), static("fallback")))
        self.reviews.answer = Answer(None, "not today")
        error = self.assertRaises(Forbidden, exchanger.exchange, JANE, cluster(), GET)
        self.assertIn("rule ask: not today", error.message)
        waiting: Deferred[Answer] = Deferred()
        self.reviews.answer = waiting
        exchanged = exchanger.exchange(JANE, cluster(), GET)
        assert isinstance(exchanged, Deferred)
        waiting.errback(ServiceUnavailable("gone"))
        self.failureResultOf(exchanged, ServiceUnavailable)

    def test_whoever_refuses_is_named(self) -> None:
        for answer in (
            *(ServiceUnavailable("the webhook is away"), Answer(None, "no"), Answer(Identity("a\r\nb"))),
            *(Answer(Identity("x", tuple(f"g{number}" for number in range(5000)))),),
        ):
            for later in (False, True):
                failed = isinstance(answer, ServiceUnavailable)
                exchanger = self.exchanger(rules(external(userPattern=".")))
                deferred: Deferred[Answer] = Deferred()
                if failed or later:
                    self.reviews.answer = deferred
                else:
                    assert isinstance(answer, Answer)
                    self.reviews.answer = answer
                try:
                    asked = exchanger.exchange(JANE, cluster(), GET)
                    assert isinstance(asked, Deferred)
                    if isinstance(answer, ServiceUnavailable):
                        deferred.errback(answer)
                    else:
                        deferred.callback(answer)
                    error = self.failureResultOf(asked).value
                except GatewayError as found:
                    error = found
                assert isinstance(error, GatewayError)
                self.assertEqual(error.rule, "ask")

    def test_an_answer_is_no_way_around_the_checks(self) -> None:
        exchanger = self.exchanger(rules(external(user="jane")))
        self.reviews.answer = Answer(Identity("a\r\nImpersonate-Group: system:masters"))
        self.assertRaises(Forbidden, exchanger.exchange, JANE, cluster(), GET)


class ReloadTests(World):
    def test_a_bad_file_at_start(self) -> None:
        self.assertRaises(ConfigurationError, self.exchanger, rules(static("")))
        self.assertRaises(ConfigurationError, IdentityExchanger(self.reviews, self.clock, "/none").start)  # type: ignore[arg-type]

    def test_a_changed_file_is_taken_up(self) -> None:
        exchanger = self.exchanger(rules(static("before", user="jane")))
        self.assertEqual(self.shown(exchanger, JANE, cluster())[0], "before")
        self.write(rules(static("after", user="jane")))
        self.clock.advance(1)
        self.assertEqual(self.shown(exchanger, JANE, cluster())[0], "after")
        exchanger.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_bad_change_is_shown_and_not_taken_up(self) -> None:
        exchanger = self.exchanger(rules(static("before", user="jane")))
        self.write(rules(static("")))
        self.clock.advance(1)
        self.assertEqual(self.shown(exchanger, JANE, cluster())[0], "before")
        (problem,) = exchanger.problems()
        self.assertIn("target.user", problem)
        self.assertIn(self.path, problem)
        self.write(rules())
        self.clock.advance(1)
        self.assertEqual(exchanger.problems(), ())
        self.assertEqual(self.shown(exchanger, JANE, cluster()), ("jane", ""))
