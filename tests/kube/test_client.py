from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.error import DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.iweb import IResponse

from clustergateway.errors import (
    AlreadyExists,
    Conflict,
    Expired,
    Forbidden,
    GatewayError,
    HubUnavailable,
    Invalid,
    NotFound,
    TooManyRequests,
)
from clustergateway.kube.client import APPLY, JSON_PATCH, KubeClient
from clustergateway.model.resourcetype import ACCESS_REVIEWS, LEASES, SECRETS, ResourceType
from clustergateway.testing.hub import (
    Answer,
    Asked,
    Body,
    FakeHub,
    TestCredentials,
    refuse,
    reply,
    silence,
    status,
    stream,
    truncate,
)

T = TypeVar("T")
NODES = ResourceType("", "v1", "nodes", "Node", namespaced=False)
EAST = {"metadata": {"name": "east", "namespace": "vela"}}
REFUSE: Answer = refuse
SILENCE: Answer = silence


def unconnected(_: Asked) -> Deferred[IResponse]:
    """The connection takes too long."""
    return fail(ConnectTimeout())


def unknown(_: Asked) -> Deferred[IResponse]:
    """Its name has no address."""
    return fail(DNSLookupError())


class ClientCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()

    def client(self, *answers: Answer, credentials: TestCredentials | None = None) -> KubeClient:
        self.hub = FakeHub(*answers)
        return self.hub.client(self.clock, credentials)

    def result(self, call: Coroutine[Deferred[Any], Any, T]) -> T:
        return self.successResultOf(Deferred.fromCoroutine(call))

    def error(self, call: Coroutine[Deferred[Any], Any, Any], kind: type[GatewayError]) -> GatewayError:
        failure = self.failureResultOf(Deferred.fromCoroutine(call), kind)
        assert isinstance(failure.value, kind)
        return failure.value


class SlowTests(ClientCase):
    """An answer that comes in pieces."""

    def setUp(self) -> None:
        super().setUp()
        self.body = Body()
        self.call = Deferred.fromCoroutine(self.client(stream(self.body)).get(SECRETS, "east", "vela"))

    def test_as_long_as_it_goes_on(self) -> None:
        for piece in (b'{"kind"', b": ", b'"Secret"', b"}"):
            self.clock.advance(9)
            self.body.send(piece)
        self.clock.advance(9)
        self.body.end()
        self.assertEqual(self.successResultOf(self.call), {"kind": "Secret"})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_not_any_longer(self) -> None:
        self.body.send(b"{")
        self.clock.advance(10)
        self.failureResultOf(self.call, HubUnavailable)
        self.assertTrue(self.body.hung_up)

    def test_not_for_ever(self) -> None:
        for _ in range(11):
            self.assertNoResult(self.call)
            self.clock.advance(5)
            self.body.send(b" ")
        self.clock.advance(5)
        self.failureResultOf(self.call, HubUnavailable)


class CallTests(ClientCase):
    def asked(self) -> list[tuple[str, str, dict[str, str], Any]]:
        return [(each.method, each.path, each.query, each.body) for each in self.hub.asked]

    def test_get(self) -> None:
        client = self.client(reply(200, EAST))
        self.assertEqual(self.result(client.get(SECRETS, "east", "vela")), EAST)
        self.assertEqual(self.asked(), [("GET", "/api/v1/namespaces/vela/secrets/east", {}, None)])
        self.assertEqual(self.hub.asked[0].token, "t0ken")

    def test_pages(self) -> None:
        client = self.client(
            reply(200, {"metadata": {"continue": "more", "resourceVersion": "7"}, "items": [{"a": 1}]}),
            reply(200, {"metadata": {"resourceVersion": "7"}, "items": [{"a": 2}]}),
        )
        items, version = self.result(client.list(SECRETS, "vela", [("labelSelector", "x=y,z")]))
        self.assertEqual((items, version), ([{"a": 1}, {"a": 2}], "7"))
        self.assertEqual(self.hub.asked[0].query, {"labelSelector": "x=y,z", "limit": "500"})
        self.assertEqual(self.hub.asked[1].query, {"labelSelector": "x=y,z", "limit": "500", "continue": "more"})

    def test_null_is_an_empty_list(self) -> None:
        client = self.client(reply(200, {"metadata": {"resourceVersion": "7"}, "items": None}))
        self.assertEqual(self.result(client.list(NODES)), ([], "7"))

    def test_writes(self) -> None:
        client = self.client(*[reply(200, EAST)] * 6)
        self.result(client.create(SECRETS, EAST, "vela"))
        self.result(client.update(SECRETS, EAST, "status"))
        self.result(client.patch(SECRETS, "east", "vela", [], JSON_PATCH))
        self.result(client.apply(LEASES, EAST, "me", force=False))
        self.result(client.delete(SECRETS, "east", "vela", uid="u"))
        self.result(client.delete(NODES, "n1"))
        secret, options = "/api/v1/namespaces/vela/secrets/east", {"apiVersion": "v1", "kind": "DeleteOptions"}
        options["propagationPolicy"] = "Background"
        self.assertEqual(
            self.asked(),
            [
                ("POST", "/api/v1/namespaces/vela/secrets", {}, EAST),
                ("PUT", secret + "/status", {}, EAST),
                ("PATCH", secret, {}, []),
                (
                    "PATCH",
                    "/apis/coordination.k8s.io/v1/namespaces/vela/leases/east",
                    {"fieldManager": "me", "force": "false"},
                    {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **EAST},
                ),
                ("DELETE", secret, {}, {**options, "preconditions": {"uid": "u"}}),
                ("DELETE", "/api/v1/nodes/n1", {}, options),
            ],
        )
        types = [(each.headers.getRawHeaders("content-type") or [""])[0] for each in self.hub.asked]
        self.assertEqual(types[2:4], [JSON_PATCH, APPLY])

    def test_answers_that_are_errors(self) -> None:
        for code, reason, kind in (
            (403, "Forbidden", Forbidden),
            (404, "NotFound", NotFound),
            (409, "Conflict", Conflict),
            (409, "AlreadyExists", AlreadyExists),
            (410, "Expired", Expired),
            (422, "Invalid", Invalid),
            (500, "InternalError", HubUnavailable),
            (503, "ServiceUnavailable", HubUnavailable),
            (302, "", HubUnavailable),
        ):
            client = self.client(status(code, reason, "it is so"))
            error = self.error(client.get(SECRETS, "east", "vela"), kind)
            self.assertIs(type(error), kind)
            self.assertIn("it is so", error.message)

    def test_too_many_requests(self) -> None:
        client = self.client(status(429, "TooManyRequests", retry_after="7"))
        self.assertEqual(self.error(client.get(SECRETS, "east", "vela"), TooManyRequests).retry_after, 7)


class TroubleTests(ClientCase):
    """Whatever happens on the way: one error, that says so and shows no credential."""

    def unavailable(self, *answers: Answer) -> str:
        error = self.error(self.client(*answers).get(SECRETS, "east", "vela"), HubUnavailable)
        self.assertNotIn("t0ken", error.message)
        self.assertEqual(error.hop, "hub")
        return error.message

    def test_refused(self) -> None:
        self.assertIn("refused", self.unavailable(REFUSE))

    def test_truncated(self) -> None:
        self.assertIn("broke off", self.unavailable(truncate(b'{"kind"')))

    def test_malformed(self) -> None:
        for content in (b"", b"<html>", b"[]", b"[" * 100_000):
            self.assertIn("not a JSON object", self.unavailable(reply(200, content)))

    def test_errors_without_status(self) -> None:
        contents: list[Any] = [b"<html>", [], {"message": 1}]
        for content in contents:
            self.assertIn("answered 502", self.unavailable(reply(502, content)))
        self.assertIn("answered 502", self.unavailable(truncate(b"{", 502)))

    def test_not_a_list(self) -> None:
        contents: list[Any] = [{}, {"metadata": {}, "items": {}}, {"items": []}]
        for content in contents:
            client = self.client(reply(200, content))
            self.error(client.list(NODES), HubUnavailable)

    def test_slow_head(self) -> None:
        call = Deferred.fromCoroutine(self.client(SILENCE).get(SECRETS, "east", "vela"))
        self.clock.advance(9.9)
        self.assertNoResult(call)
        self.clock.advance(0.2)
        self.assertIn("within 10 s", self.failureResultOf(call, HubUnavailable).getErrorMessage())

    def test_slow_body(self) -> None:
        body = Body()
        call = Deferred.fromCoroutine(self.client(stream(body)).get(SECRETS, "east", "vela"))
        body.send(b"{")
        self.clock.advance(10)
        self.assertIn("within 10 s", self.failureResultOf(call, HubUnavailable).getErrorMessage())
        self.assertTrue(body.hung_up)

    def test_endless_body(self) -> None:
        body = Body()
        client = FakeHub(stream(body)).client(self.clock, largest=100)
        call = Deferred.fromCoroutine(client.get(SECRETS, "east", "vela"))
        body.send(b" " * 101)
        self.assertIn("too large", self.failureResultOf(call, HubUnavailable).getErrorMessage())
        self.assertTrue(body.hung_up)

    def test_no_timers_left(self) -> None:
        self.result(self.client(reply(200, EAST)).get(SECRETS, "east", "vela"))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class ReviewTests(ClientCase):
    """After one review that nobody answered, the next ones do not wait as long again."""

    def ask(self, client: KubeClient) -> Deferred[Any]:
        return Deferred.fromCoroutine(client.review(ACCESS_REVIEWS, {}))

    def fails(self, review: Deferred[Any]) -> str:
        failure = self.failureResultOf(review, HubUnavailable)
        assert isinstance(failure.value, HubUnavailable)
        self.assertIsNone(failure.value.retry_after)
        return failure.value.message

    def silent(self, *following: Answer) -> KubeClient:
        """A client whose first review has not been answered."""
        client = self.client(SILENCE, *following)
        review = self.ask(client)
        self.clock.advance(10)
        self.assertIn("within 10 s", self.fails(review))
        return client

    def test_answered(self) -> None:
        client = self.client(reply(201, {"status": {}}))
        self.assertEqual(self.successResultOf(self.ask(client)), {"status": {}})
        (asked,) = self.hub.asked
        self.assertEqual((asked.method, asked.body), ("POST", {}))

    def test_at_once(self) -> None:
        client = self.silent()
        for _ in range(3):
            self.assertIn("did not answer lately", self.fails(self.ask(client)))
        self.assertEqual(len(self.hub.asked), 1)

    def test_one_finds_out(self) -> None:
        client = self.silent(SILENCE, reply(201, {}))
        self.clock.advance(2)
        probe = self.ask(client)
        self.assertNoResult(probe)
        self.assertIn("did not answer lately", self.fails(self.ask(client)))
        self.assertEqual(len(self.hub.asked), 2)
        self.clock.advance(10)
        self.assertIn("within 10 s", self.fails(probe))
        self.clock.advance(3.9)
        self.assertIn("did not answer lately", self.fails(self.ask(client)))
        self.clock.advance(0.1)
        self.assertEqual(self.successResultOf(self.ask(client)), {})
        self.hub.answers = [reply(201, {}), reply(201, {})]
        for _ in range(2):
            self.assertEqual(self.successResultOf(self.ask(client)), {})

    def test_pauses_stay_short(self) -> None:
        client = self.client()
        for _ in range(10):
            review = self.ask(client)
            self.clock.advance(10)
            self.assertIn("within 10 s", self.fails(review))
            self.clock.advance(5)

    def test_any_answer_is_one(self) -> None:
        """Refusals come at once; nobody has to be kept from waiting for them."""
        for answer in (status(500, ""), status(429, ""), status(403, "Forbidden"), REFUSE, reply(201, b"<html>")):
            client = self.silent(answer, reply(201, {}))
            self.clock.advance(2)
            self.failureResultOf(self.ask(client))
            self.assertEqual(self.successResultOf(self.ask(client)), {})

    def test_abandoned(self) -> None:
        """The next one is the one that finds out."""
        client = self.silent(SILENCE, reply(201, {}))
        self.clock.advance(2)
        probe = self.ask(client)
        probe.cancel()
        self.failureResultOf(probe, CancelledError)
        self.assertEqual(self.successResultOf(self.ask(client)), {})

    def test_other_calls_go_on(self) -> None:
        client = self.silent(reply(200, EAST))
        self.assertEqual(self.result(client.get(SECRETS, "east", "vela")), EAST)

    def test_one_question_that_hangs(self) -> None:
        """Nobody else suffers from it while other calls are answered."""
        told: list[float] = []
        client = self.client(SILENCE, status(404, "NotFound"), reply(201, {}))
        client.pulse.on_missed(lambda: told.append(self.clock.seconds()))
        review = self.ask(client)
        self.clock.advance(9)
        self.error(client.get(SECRETS, "east", "vela"), NotFound)
        self.clock.advance(1)
        self.assertIn("within 10 s", self.fails(review))
        self.assertEqual(self.successResultOf(self.ask(client)), {})
        self.assertEqual(told, [])

    def test_told(self) -> None:
        """Whoever wants to know is told of each call that is not answered in time, of no other."""
        told: list[float] = []
        client = self.client(SILENCE, REFUSE, status(500, ""), reply(200, EAST), unconnected, SILENCE)
        leave = client.pulse.on_missed(lambda: told.append(self.clock.seconds()))
        for seconds in (10, 0, 0, 0, 0):
            call = Deferred.fromCoroutine(client.get(SECRETS, "east", "vela")).addErrback(lambda _: None)
            self.clock.advance(seconds)
            self.successResultOf(call)
        self.assertEqual(told, [10, 10])
        leave()
        self.ask(client).addErrback(lambda _: None)
        self.clock.advance(10)
        self.assertEqual(told, [10, 10])

    def test_no_retry_after_where_waiting_may_not_help(self) -> None:
        """A connection that is refused may be a restart, and is refused at once; the rest may last."""
        for answer, retry_after in ((REFUSE, 1), (unconnected, None), (unknown, None)):
            error = self.error(self.client(answer).get(SECRETS, "east", "vela"), HubUnavailable)
            self.assertEqual(error.retry_after, retry_after)


class CredentialTests(ClientCase):
    def test_rotated(self) -> None:
        """A refused token is followed by the newer one, once."""
        client = self.client(
            status(401, "Unauthorized"), reply(200, EAST), credentials=TestCredentials("old", following="new")
        )
        self.assertEqual(self.result(client.get(SECRETS, "east", "vela")), EAST)
        self.assertEqual([each.token for each in self.hub.asked], ["old", "new"])

    def test_no_other(self) -> None:
        client = self.client(status(401, "Unauthorized"))
        error = self.error(client.get(SECRETS, "east", "vela"), HubUnavailable)
        self.assertIn("own credential", error.message)

    def test_the_other_is_refused_too(self) -> None:
        client = self.client(*[status(401, "Unauthorized")] * 3, credentials=TestCredentials("old", following="new"))
        self.error(client.get(SECRETS, "east", "vela"), HubUnavailable)
        self.assertEqual(len(self.hub.asked), 2)


class Collecting(Protocol):
    def __init__(self) -> None:
        self.seen = b""

    def dataReceived(self, data: bytes) -> None:
        self.seen += data


class StreamTests(ClientCase):
    def test_bytes_arrive(self) -> None:
        body, receiver = Body(), Collecting()
        self.result(self.client(stream(body)).stream("/x", [("watch", "true")], receiver))
        body.send(b"1")
        self.clock.advance(1000)
        body.send(b"2")
        self.assertEqual(receiver.seen, b"12")

    def test_refusal(self) -> None:
        self.error(self.client(status(410, "Expired")).stream("/x", [], Collecting()), Expired)

    def test_no_head(self) -> None:
        call = Deferred.fromCoroutine(self.client(SILENCE).stream("/x", [], Collecting()))
        self.clock.advance(10)
        self.failureResultOf(call, HubUnavailable)
