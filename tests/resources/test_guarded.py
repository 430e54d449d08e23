"""Nothing is answered before the guard says so, and whatever it raises is an answer."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import Request

from clustergateway.errors import Forbidden, HubUnavailable, Unauthenticated
from clustergateway.model.identity import ANONYMOUS, Attributes, Identity
from clustergateway.resources.guarded import Guarded

from .world import GATEWAYS, Conversation, World, gateway, serve

PATHS = (
    "/",
    "/api",
    "/apis",
    "/apis/cluster.core.oam.dev",
    "/apis/cluster.core.oam.dev/v1alpha1",
    GATEWAYS,
    f"{GATEWAYS}?watch=1",
    f"{GATEWAYS}/east",
    f"{GATEWAYS}/east/health",
    f"{GATEWAYS}/nope",
    "/openapi",
    "/openapi/v2",
    "/openapi/v3",
    "/openapi/v3/apis",
    "/openapi/v3/apis/cluster.core.oam.dev/v1alpha1",
    "/version",
    "/metrics",
    "/nothing/here",
    "//apis",
)


class GuardTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World(gateway("east"))

    def test_every_path_is_guarded(self) -> None:
        self.world.verdict = Unauthenticated("who are you")
        for path in PATHS:
            for method in ("GET", "POST"):
                answer = self.world.get(path, method=method)
                self.assertEqual((answer.code, answer.json["reason"]), (401, "Unauthorized"), path)
                self.assertNotIn("east", answer.body.decode())
        self.assertEqual(len(self.world.asked), 2 * len(PATHS))

    def test_refusals_are_statuses(self) -> None:
        for error, code in [(Forbidden("no"), 403), (HubUnavailable("wait", retry_after=3), 503)]:
            self.world.verdict = error
            answer = self.world.get(GATEWAYS)
            self.assertEqual((answer.code, answer.json["status"], answer.json["code"]), (code, "Failure", code))
        self.assertEqual((answer.headers["retry-after"], answer.json["details"]["retryAfterSeconds"]), ("3", 3))

    def test_a_guard_that_takes_its_time(self) -> None:
        verdict: Deferred[Identity] = Deferred()
        self.world.verdict = verdict
        talk = self.world.open(GATEWAYS)
        self.assertEqual(talk.answer.code, 0)
        verdict.callback(ANONYMOUS)
        self.assertEqual(talk.answer.code, 200)

    def test_a_guard_that_refuses_later(self) -> None:
        verdict: Deferred[Identity] = Deferred()
        self.world.verdict = verdict
        talk = self.world.open(GATEWAYS)
        verdict.errback(Forbidden("no"))
        self.assertEqual(talk.answer.code, 403)

    def test_the_client_goes_while_the_guard_thinks(self) -> None:
        cancelled: list[Deferred[Identity]] = []
        self.world.verdict = Deferred(cancelled.append)
        talk = self.world.open(GATEWAYS)
        talk.hang_up()
        self.assertEqual(cancelled, [self.world.verdict])
        self.assertEqual(talk.transport.value(), b"")

    def test_nothing_is_there(self) -> None:
        for path in ("/nothing", "/apis/apps", "/apis/apps/v1/deployments", "//apis", "/openapi", "/openapi/v3/apis"):
            answer = self.world.get(path)
            self.assertEqual((answer.code, answer.json["kind"]), (404, "Status"), path)
            self.assertEqual(answer.json["message"], "the server could not find the requested resource")

    def test_an_undecodable_path(self) -> None:
        answer = self.world.get("/apis/%zz")
        self.assertEqual((answer.code, answer.json["reason"]), (400, "BadRequest"))
        self.assertEqual(self.world.asked, [])


class Failing(Guarded):
    """Answers nothing, or half of something."""

    def answer(self, request: Request) -> None:
        if request.uri == b"/half":
            request.write(b"half")
        raise RuntimeError("the password is s3cr3t")


def let_pass(request: Request, attributes: Attributes) -> Identity:
    return ANONYMOUS


class UnexpectedTests(SynchronousTestCase):
    def test_says_nothing_about_our_insides(self) -> None:
        resource = Failing(let_pass)
        resource.putChild(b"", resource)
        talk = Conversation(serve(resource), "GET", "/")
        self.assertEqual((talk.answer.code, talk.answer.json["reason"]), (500, "InternalError"))
        self.assertNotIn(b"s3cr3t", talk.transport.value())
        self.assertNotIn(b"Traceback", talk.transport.value())
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_an_answer_that_has_begun_is_broken_off(self) -> None:
        resource = Failing(let_pass)
        resource.putChild(b"half", resource)
        talk = Conversation(serve(resource), "GET", "/half")
        self.assertEqual((talk.answer.code, talk.answer.body, talk.answer.complete), (200, b"half", False))
        self.assertTrue(talk.transport.disconnecting)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
