"""Tests for L{clustergateway.credentials.webhook}."""

from __future__ import annotations

import json
import os
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import Request
from twisted.web.iweb import IAgent
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import implementer

from clustergateway.credentials.webhook import PENDING, ReviewClient
from clustergateway.errors import ConfigurationError, ServiceUnavailable
from clustergateway.model.identity import Attributes, Identity
from clustergateway.model.identityreview import MAX_ANSWER, Answer, Webhook

JANE = Identity("jane")
GET = Attributes("get", "", "v1", "pods", "", "default", "web")
HOOK = Webhook("https://hook.example/review")


def review(**status: Any) -> bytes:
    document = {"apiVersion": "cluster.core.oam.dev/v1alpha1", "kind": "ClientIdentityReview", "status": status}
    return json.dumps(document).encode()


class Hook(Resource):
    """A webhook whose answers the test writes, when it wants to."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Request] = []
        self.questions: list[dict[str, Any]] = []

    def render_POST(self, request: Request) -> int:
        assert request.content is not None
        self.questions.append(json.loads(request.content.read()))
        self.asked.append(request)
        return NOT_DONE_YET

    def answer(self, body: bytes, code: int = 200) -> None:
        request = self.asked.pop(0)
        request.setResponseCode(code)
        request.write(body)
        request.finish()


class ReviewClientTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.hook = Hook()
        self.agent = RequestTraversalAgent(self.hook)
        self.made: list[tuple[bytes, bytes, bytes]] = []
        self.client = ReviewClient(self.make, self.clock)

    def make(self, ca: bytes, cert: bytes, key: bytes) -> IAgent:
        self.made.append((ca, cert, key))
        agent: IAgent = self.agent
        return agent

    def ask(self, who: Identity = JANE, webhook: Webhook = HOOK, attributes: Attributes = GET) -> Deferred[Answer]:
        asked = self.client.ask(webhook, who, "east", "rule", attributes)
        assert isinstance(asked, Deferred)
        self.agent.flush()
        return asked

    def answer(self, body: bytes, code: int = 200) -> None:
        self.hook.answer(body, code)
        self.agent.flush()

    def refusal(self, asked: Deferred[Answer]) -> ServiceUnavailable:
        error = self.failureResultOf(asked, ServiceUnavailable).value
        assert isinstance(error, ServiceUnavailable)
        self.assertEqual(error.hop, "identity-webhook")
        return error

    def test_asks(self) -> None:
        asked = self.ask()
        self.assertNoResult(asked)
        self.assertEqual(self.hook.questions[0]["spec"]["user"], "jane")
        self.assertEqual(self.hook.questions[0]["spec"]["resourceAttributes"]["name"], "web")
        self.answer(review(allowed=True, user="reader"))
        self.assertEqual(self.successResultOf(asked), Answer(Identity("reader", source="exchange")))

    def test_an_answer_is_remembered_as_long_as_it_says(self) -> None:
        asked = self.ask()
        self.answer(review(allowed=True, user="reader", ttlSeconds=10))
        answer = self.successResultOf(asked)
        self.clock.advance(9.9)
        self.assertIs(self.client.ask(HOOK, JANE, "east", "rule", GET), answer)
        self.clock.advance(0.1)
        self.assertNoResult(self.ask())

    def test_so_is_a_refusal(self) -> None:
        self.ask()
        self.answer(review(allowed=False, reason="no", ttlSeconds=10))
        self.assertEqual(self.client.ask(HOOK, JANE, "east", "rule", GET), Answer(None, "no", 10.0))

    def test_an_answer_without_ttl_is_not(self) -> None:
        self.ask()
        self.answer(review(allowed=True, user="reader"))
        self.assertNoResult(self.ask())

    def test_an_answer_is_for_what_was_asked(self) -> None:
        self.ask()
        self.answer(review(allowed=True, user="reader", ttlSeconds=10))
        self.assertNoResult(self.ask(Identity("joe")))
        self.assertNoResult(self.ask(attributes=Attributes("delete", "", "v1", "pods", "", "default", "web")))
        self.assertNoResult(self.ask(webhook=Webhook("https://other.example/")))

    def test_the_same_question_is_asked_once(self) -> None:
        first, second = self.ask(), self.ask()
        self.assertEqual(len(self.hook.questions), 1)
        self.answer(review(allowed=True, user="reader"))
        self.assertIs(self.successResultOf(first), self.successResultOf(second))

    def test_one_who_leaves_takes_nobody_along(self) -> None:
        first, second = self.ask(), self.ask()
        second.addErrback(lambda _: None)
        first.addErrback(lambda _: None)
        first.cancel()
        self.answer(review(allowed=True, user="reader"))
        self.assertIsNotNone(self.successResultOf(second))
        self.assertIsNone(self.successResultOf(first))

    def test_one_who_leaves_because_of_the_answer(self) -> None:
        first, second = self.ask(), self.ask()
        first.addCallback(lambda _: second.cancel())
        second.addErrback(lambda _: "left")
        self.answer(review(allowed=True, user="reader"))
        self.assertEqual(self.successResultOf(second), "left")

    def test_faults_refuse(self) -> None:
        faults = [
            (b"", 500, "answered 500"),
            (b"", 204, "answered 204"),
            (review(allowed=True, user="root"), 201, "answered 201"),
            (b"<html>", 200, "not JSON"),
            (review(allowed=True), 200, "malformed"),
            (b" " * (MAX_ANSWER + 1), 200, "too large"),
        ]
        for body, code, words in faults:
            asked = self.ask()
            self.answer(body, code)
            self.assertIn(words, self.refusal(asked).message)

    def test_a_failure_is_not_remembered(self) -> None:
        asked = self.ask()
        self.answer(b"", 500)
        self.refusal(asked)
        again = self.ask()
        self.answer(review(allowed=True, user="reader"))
        self.successResultOf(again)

    def test_a_redirect_is_not_followed(self) -> None:
        asked = self.ask()
        self.hook.asked[0].setHeader(b"location", b"https://elsewhere.example/")
        self.answer(b"", 307)
        self.assertIn("answered 307", self.refusal(asked).message)
        self.assertEqual(len(self.hook.questions), 1)

    def test_silence(self) -> None:
        asked = self.ask(webhook=Webhook("https://hook.example", timeout=3))
        self.clock.advance(2.9)
        self.assertNoResult(asked)
        self.clock.advance(0.1)
        self.assertIn("did not answer within", self.refusal(asked).message)

    def test_silence_in_the_middle_of_an_answer(self) -> None:
        asked = self.ask()
        self.hook.asked[0].write(b"{")
        self.agent.flush()
        self.clock.advance(5)
        self.assertIn("did not answer within", self.refusal(asked).message)

    def test_an_answer_that_breaks_off(self) -> None:
        asked = self.ask()
        request = self.hook.asked[0]
        request.setHeader(b"content-length", b"100")
        request.write(b"{")
        self.agent.flush()
        request.loseConnection()
        self.agent.flush()
        self.assertIn("broke off", self.refusal(asked).message)

    def test_nobody_queues_up_without_end(self) -> None:
        for number in range(PENDING):
            self.ask(Identity(f"user-{number}"))
        self.assertEqual(self.refusal(self.ask()).retry_after, 1)
        self.ask(Identity("user-0"))

    def test_an_unreachable_webhook(self) -> None:
        client = ReviewClient(lambda ca, cert, key: Refusing(), self.clock)
        asked = client.ask(HOOK, JANE, "east", "rule", GET)
        assert isinstance(asked, Deferred)
        self.assertIn("cannot be reached", self.refusal(asked).message)

    def test_files_are_read_again_when_they_change(self) -> None:
        names = [self.mktemp() for _ in range(3)]
        for name in names:
            with open(name, "w") as file:
                file.write(name)
        webhook = Webhook("https://hook.example", ca_file=names[0], cert_file=names[1], key_file=names[2])
        self.ask(Identity("a"), webhook)
        self.ask(Identity("b"), webhook)
        self.assertEqual(self.made, [tuple(name.encode() for name in names)])
        with open(names[1], "w") as file:
            file.write("another certificate")
        self.ask(Identity("c"), webhook)
        self.assertEqual(self.made[-1][1], b"another certificate")
        os.remove(names[2])
        self.assertNotIn(names[2], self.refusal(self.ask(Identity("d"), webhook)).message)

    def test_files_that_cannot_be_used(self) -> None:
        def unusable(ca: bytes, cert: bytes, key: bytes) -> IAgent:
            raise ConfigurationError("no good")

        client = ReviewClient(unusable, self.clock)
        asked = client.ask(HOOK, JANE, "east", "rule", GET)
        assert isinstance(asked, Deferred)
        self.assertIn("no good", self.refusal(asked).message)


@implementer(IAgent)
class Refusing:
    """Nobody is there."""

    def request(self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None) -> Deferred[Any]:
        return fail(ConnectionRefusedError())
