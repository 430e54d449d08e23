"""However a request ends, the audit log tells of its end once: the real channel, pipeline and log, all in memory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from clustergateway.credentials.exchange import Exchanged
from clustergateway.errors import Forbidden, GatewayError, ServiceUnavailable, Unauthenticated, UnknownCluster
from clustergateway.interfaces import Entry
from clustergateway.model.gateway import ClusterGateway, Endpoint, NoCredential
from clustergateway.model.identity import ANONYMOUS, Attributes, Claims, Decision, Identity
from clustergateway.observe.audit import Audit
from clustergateway.pipeline import Pipeline
from clustergateway.resources.failure import serve
from clustergateway.resources.guarded import Guard, Guarded
from clustergateway.resources.proxy import ProxyResource
from clustergateway.service.guard import guard
from clustergateway.transport.channel import GatewaySite
from clustergateway.transport.pool import Pool
from tests.model.test_auditevent import wrong
from tests.transport.world import OK, Raw, World, request

PROXY = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/east/proxy"
PODS = f"{PROXY}/api/v1/namespaces/default/pods"
OWN = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways"
PEER = "192.0.2.1"
"""Where clients of a world in memory come from."""
EXEC = request(f"GET {PODS}/web/exec?command=sh", "Connection: Upgrade", "Upgrade: websocket")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
JANE = Identity("jane", ("dev",))
EAST = ClusterGateway("east", (Endpoint("east.example", 6443),), NoCredential(), generation="1")
POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "RequestResponse"}]}
Outcome = tuple[str, str, int]


class _Entry:
    token = version = "1"
    certificate = key = b""


class _Own(Guarded):
    """ClusterGateways, but not what is in them: the last that was put, and a watch that goes on for ever."""

    isLeaf = True
    methods = (b"GET", b"HEAD", b"PUT")

    def answer(self, request: Request) -> Deferred[None] | None:
        assert request.content is not None
        if request.path.endswith(b"/none"):
            raise UnknownCluster("there is none")
        request.setHeader(b"Content-Type", b"application/json")
        if b"watch" in request.uri:
            request.write(b"")
            return Deferred()
        body = request.content.read() or b'{"kind":"ClusterGateway"}'
        request.setHeader(b"Content-Length", b"%d" % len(body))
        request.write(body)
        request.finish()
        return None


class _Resource(Resource):
    """Of the gateway's own: C{/fine}, C{/late}, and some that fail."""

    isLeaf = True

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self._own = _Own(guard)

    def render(self, request: Request) -> int | bytes:
        def work(request: Request) -> Any:
            if request.path == b"/broken":
                raise ZeroDivisionError
            if request.path == b"/breaks-off":
                request.write(b"half")
                raise ZeroDivisionError
            if request.path == b"/forbidden":
                raise Forbidden("no")
            return Deferred() if request.path == b"/late" else request.finish()

        if request.path.startswith(OWN.encode()):
            return self._own.render(request)
        if request.path == b"/raises":
            raise ZeroDivisionError
        serve(request, work)
        return NOT_DONE_YET


class OutcomeTests(SynchronousTestCase):
    """
    @ivar whoever: what the authenticator says or raises; likewise C{decision}, C{found} and C{exchanged}.
    """

    def setUp(self) -> None:
        self.world = World()
        self.whoever: Any = JANE
        self.decision: Any = Decision(True)
        self.found: Any = EAST
        self.exchanged: Any = Exchanged(Identity("reader"), "readers", b"Impersonate-User: reader\r\n")
        self.log: list[dict[str, Any]] = []
        self.audit = Audit([self], self.world.clock, iter(map(str, range(100))).__next__)
        self.audit.use(json.dumps(POLICY).encode())
        pipeline = Pipeline(
            *(self, self, self.find, self, self.upstream, self.world.clock),
            self.exchange,
            always_exchange=True,
            audit=self.audit,
        )
        proxy = ProxyResource(pipeline)
        resource = _Resource(guard(self, self.audit))  # type: ignore[arg-type]  # all of it that is used
        self.world.site = GatewaySite(resource, proxy, self.audit, self.world.limits, self.world.clock)
        self.client = self.world.client()

    # As everything around.

    name = "test"
    written = dropped = 0

    def write(self, events: Sequence[str]) -> None:
        self.log += map(json.loads, events)

    def close(self) -> None:
        pass

    def authenticate(self, claims: Claims) -> Any:
        return _given(self.whoever)

    @property
    def authenticator(self) -> Any:
        return self

    authorizer = authenticator

    def authorize(self, who: Identity, what: Attributes) -> Any:
        return _given(self.decision)

    def authorize_proxy(self, who: Identity, outer: Attributes, inner: Attributes, upgrade: bool) -> Any:
        return _given(self.decision)

    def find(self, name: str) -> Any:
        return _given(self.found)

    def exchange(self, who: Identity, cluster: ClusterGateway, attributes: Attributes) -> Any:
        return _given(self.exchanged)

    def entry(self, cluster: ClusterGateway) -> Entry:
        return _Entry()

    def rejected(self, cluster: ClusterGateway, entry: Entry) -> bool:
        return False

    def upstream(self, cluster: ClusterGateway, entry: Entry) -> Pool:
        return self.world.pool

    # What happens.

    def ask(self, data: bytes = b"") -> None:
        self.world.send(self.client, data or request(f"GET {PODS}"))

    def answer(self, data: bytes) -> None:
        self.world.send(self.world.cluster, data)

    def lose(self, end: Raw) -> None:
        end.transport.abortConnection()
        self.world.network.pump()

    def ended(self) -> Outcome:
        """
        Stage, outcome and code of the end of the one request that there was: it is told of once, and as Kubernetes
        would.
        """
        self.world.network.pump()
        self.world.clock.advance(0)
        self.assertEqual([problem for event in self.log for problem in wrong(event)], [])
        stages = [event["stage"] for event in self.log]
        self.assertEqual(stages[0], "RequestReceived")
        self.assertEqual([stage for stage in stages[1:-1] if stage != "ResponseStarted"], [])
        self.assertLessEqual(len(stages), 3)
        self.assertEqual(len({event["auditID"] for event in self.log}), 1)
        self.assertEqual(self.audit._open, {})
        end = self.log[-1]
        return end["stage"], end["annotations"]["cluster.core.oam.dev/outcome"], end["responseStatus"]["code"]

    def note(self, name: str) -> str:
        """Of the end."""
        found: str = self.log[-1]["annotations"].get(f"cluster.core.oam.dev/{name}", "")
        return found

    def stages(self) -> list[str]:
        """What is told so far."""
        self.world.clock.advance(0)
        return [event["stage"] for event in self.log]

    def fault(self) -> None:
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    # One that reaches the cluster.

    def test_complete(self) -> None:
        self.ask()
        self.answer(OK)
        self.assertEqual(self.ended(), ("ResponseComplete", "complete", 200))
        self.assertEqual(
            (self.log[-1]["user"]["username"], self.log[-1]["impersonatedUser"]["username"]), ("jane", "reader")
        )

    def test_the_cluster_refuses(self) -> None:
        self.ask()
        body = b'{"kind":"Status","status":"Failure","message":"pods is forbidden","reason":"Forbidden"}'
        chunks = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (9, body[:9], len(body) - 9, body[9:])
        for level in ("Metadata", "RequestResponse"):
            for framed in (
                b"Content-Length: %d\r\n\r\n%b" % (len(body), body),
                b"Transfer-Encoding: chunked\r\n\r\n" + chunks,
            ):
                self.setUp()
                self.audit.use(json.dumps({**POLICY, "rules": [{"level": level}]}).encode())
                answer = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n" + framed
                self.ask()
                self.answer(answer)
                self.assertEqual(self.client.received, answer)
                self.assertEqual(self.ended(), ("ResponseComplete", "complete", 403))
                found = self.log[-1]["responseStatus"]
                self.assertEqual((found["message"], found["reason"]), ("pods is forbidden", "Forbidden"))

    def test_the_cluster_goes_away_before_it_answers(self) -> None:
        self.ask()
        self.lose(self.world.cluster)
        self.assertEqual(self.ended(), ("ResponseComplete", "refused", 502))

    def test_the_cluster_goes_away_in_the_middle(self) -> None:
        self.ask()
        self.answer(OK[:-1])
        self.lose(self.world.cluster)
        self.assertEqual(self.ended(), ("ResponseComplete", "upstream-gone", 200))

    def test_the_cluster_talks_nonsense(self) -> None:
        self.ask()
        self.answer(b"SSH-2.0\r\n\r\n")
        self.assertEqual(self.ended(), ("ResponseComplete", "refused", 502))

    def test_the_cluster_does_not_accept_the_gateway(self) -> None:
        self.ask()
        self.answer(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual(self.ended()[:2], ("ResponseComplete", "refused"))

    def test_the_cluster_does_not_answer(self) -> None:
        self.ask()
        self.world.advance(self.world.limits.answer_timeout + 2)
        self.assertEqual(self.ended(), ("ResponseComplete", "timeout", 504))

    # Clients that leave.

    def test_the_client_leaves_before_the_answer(self) -> None:
        self.ask()
        self.lose(self.client)
        self.assertEqual(self.ended(), ("ResponseComplete", "client-gone", 499))

    def test_the_client_leaves_in_the_middle(self) -> None:
        self.ask()
        self.answer(OK[:-1])
        self.lose(self.client)
        self.assertEqual(self.ended(), ("ResponseComplete", "client-gone", 200))

    def test_the_client_leaves_a_watch(self) -> None:
        self.ask(request(f"GET {PODS}?watch=true"))
        self.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
        self.lose(self.client)
        self.assertEqual(self.ended(), ("ResponseComplete", "client-gone", 200))
        self.assertEqual(self.log[1]["stage"], "ResponseStarted")
        self.assertEqual(self.log[2]["responseStatus"], {"metadata": {}, "code": 200})

    def test_the_client_leaves_in_its_own_body(self) -> None:
        self.ask(request(f"POST {PODS}", "Content-Length: 10", body=b"{"))
        self.lose(self.client)
        self.assertEqual(self.ended(), ("ResponseComplete", "client-gone", 499))

    def test_the_client_leaves_before_the_decision(self) -> None:
        self.whoever = Deferred()
        self.ask()
        self.lose(self.client)
        self.assertEqual(self.ended(), ("ResponseComplete", "client-gone", 499))
        self.assertEqual(
            self.log[-1]["responseStatus"],
            {"metadata": {}, "status": "Failure", "message": "the client went away", "code": 499},
        )

    def test_the_client_sends_a_broken_body(self) -> None:
        self.ask(request(f"POST {PODS}", "Transfer-Encoding: chunked", body=b"nonsense\r\n"))
        self.assertEqual(self.ended(), ("ResponseComplete", "refused", 400))

    # Refusals.

    def test_refused(self) -> None:
        for step, value, code in (
            *(("whoever", None, 401), ("whoever", ANONYMOUS, 401), ("decision", Decision(False, "no"), 403)),
            *(("found", UnknownCluster("no east", cluster="east"), 404), ("exchanged", Forbidden("no"), 403)),
            ("exchanged", ServiceUnavailable("the identity webhook is away"), 503),
        ):
            for later in (False, True):
                self.setUp()
                deferred: Deferred[Any] = Deferred()
                setattr(self, step, deferred if later else value)
                self.ask()
                if later:
                    # Deferreds, too, tell errors from results.
                    deferred.callback(Failure(value) if isinstance(value, Exception) else value)
                self.assertEqual(self.ended(), ("ResponseComplete", "refused", code))
                self.assertEqual(self.log[-1]["annotations"]["cluster.core.oam.dev/cluster"], "east")
                self.assertTrue(self.log[-1]["responseStatus"]["message"])
                self.assertTrue(self.log[-1]["responseStatus"]["reason"])
                said = self.client.received.partition(b"\r\n\r\n")[2]
                self.assertEqual(self.note("bytes-out"), str(len(said)))
                self.assertEqual(self.log[-1]["responseObject"], json.loads(said))
                self.assertNotIn("impersonatedUser", self.log[-1])

    def test_what_is_no_request(self) -> None:
        for data, code in (
            *((b"\x16\x03\x01\r\n\r\n", 400), (b"GET / HTTP/1.1\r\n\r\n", 400)),
            (request(f"GET {PROXY}/../../x"), 400),
        ):
            self.setUp()
            self.ask(data)
            self.assertEqual(self.ended(), ("ResponseComplete", "refused", code))

    # Sessions.

    def test_an_upgrade_and_its_end(self) -> None:
        self.ask(EXEC)
        self.answer(SWITCHED)
        self.lose(self.client)
        self.assertEqual(self.ended(), ("ResponseComplete", "complete", 101))
        self.assertIn("cluster.core.oam.dev/session-ended", self.log[-1]["annotations"])

    def test_an_upgrade_that_the_cluster_breaks_off(self) -> None:
        self.ask(EXEC)
        self.answer(SWITCHED)
        self.lose(self.world.cluster)
        self.assertEqual(self.ended(), ("ResponseComplete", "upstream-gone", 101))

    def test_a_refused_upgrade(self) -> None:
        self.ask(EXEC)
        self.answer(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\n\r\nno")
        self.assertEqual(self.ended(), ("ResponseComplete", "complete", 400))

    def test_an_upgrade_without_an_answer(self) -> None:
        self.ask(EXEC)
        self.lose(self.world.cluster)
        self.assertEqual(self.ended(), ("ResponseComplete", "refused", 502))

    # Faults of the gateway.

    def test_a_fault_in_the_decision(self) -> None:
        for step in ("whoever", "decision", "found", "exchanged"):
            self.setUp()
            setattr(self, step, ZeroDivisionError())
            self.ask()
            self.assertEqual(self.ended(), ("Panic", "panic", 500))
            self.fault()

    def test_a_fault_in_a_later_decision(self) -> None:
        self.exchanged = Deferred()
        self.ask()
        self.exchanged.errback(ZeroDivisionError())
        self.assertEqual(self.ended(), ("Panic", "panic", 500))
        self.fault()

    def test_a_fault_in_a_resource(self) -> None:
        for path in ("/broken", "/breaks-off", "/raises"):
            self.setUp()
            self.ask(request(f"GET {path}"))
            self.assertEqual(self.ended(), ("Panic", "panic", 500))
            self.fault()

    # The gateway's own answers.

    def test_a_resource(self) -> None:
        self.ask(request("GET /fine"))
        self.assertEqual(self.ended(), ("ResponseComplete", "complete", 200))

    def test_a_resource_that_refuses(self) -> None:
        self.ask(request("GET /forbidden"))
        self.assertEqual(self.ended(), ("ResponseComplete", "refused", 403))
        self.assertEqual(self.log[-1]["responseStatus"]["message"], "no")

    def test_an_object_of_the_gateway(self) -> None:
        for method in ("GET", "HEAD"):
            self.setUp()
            self.ask(request(f"{method} {OWN}/east"))
            self.assertEqual(self.ended(), ("ResponseComplete", "complete", 200))
            shown = {"kind": "ClusterGateway"} if method == "GET" else None
            self.assertEqual(self.log[-1].get("responseObject"), shown)
            self.assertEqual((self.note("request-object"), self.note("response-object")), ("", ""))

    def test_what_is_put_to_the_gateway(self) -> None:
        body = b'{"kind":"ClusterGateway","status":{"healthy":true}}'
        for name, code in (("east", 200), ("none", 404)):
            self.setUp()
            length = f"Content-Length: {len(body)}"
            self.ask(request(f"PUT {OWN}/{name}", "Content-Type: application/json", length, body=body))
            self.assertEqual(self.ended()[2], code)
            self.assertEqual(self.log[-1]["requestObject"], json.loads(body))
            said = self.client.received.partition(b"\r\n\r\n")[2]
            self.assertEqual(self.log[-1]["responseObject"], json.loads(said))
            self.assertEqual(self.note("bytes-out"), str(len(said)))

    def test_a_watch_of_the_gateways_own_while_it_runs(self) -> None:
        self.ask(request(f"GET {OWN}?watch=true"))
        self.assertEqual(self.stages(), ["RequestReceived", "ResponseStarted"])
        self.assertEqual((self.log[1]["responseStatus"]["code"], self.log[1]["user"]["username"]), (200, "jane"))
        self.lose(self.client)
        self.assertEqual(self.ended(), ("ResponseComplete", "client-gone", 200))
        self.assertEqual(self.log[-1]["responseStatus"], {"metadata": {}, "code": 200})

    def test_the_gateway_refuses_itself(self) -> None:
        for whoever, decision, code, reason in (
            *((None, Decision(True), 401, "Unauthorized"), (JANE, Decision(False, "no"), 403, "Forbidden")),
            *((Unauthenticated("no"), Decision(True), 401, "Unauthorized"),),
            (JANE, ServiceUnavailable("nobody can tell"), 503, "ServiceUnavailable"),
        ):
            self.setUp()
            self.whoever, self.decision = whoever, decision
            self.ask(request(f"PUT {OWN}/east", "Content-Length: 2", body=b"{}"))
            self.assertEqual(self.ended(), ("ResponseComplete", "refused", code))
            end = self.log[-1]
            self.assertEqual((end["responseStatus"]["reason"], end["objectRef"]["name"]), (reason, "east"))
            self.assertEqual((end["responseObject"]["kind"], end["responseObject"]["reason"]), ("Status", reason))
            self.assertEqual(self.note("request-object"), "omitted: it was not looked at")

    def test_too_large_for_the_gateway(self) -> None:
        self.ask(request(f"PUT {OWN}/east", "Content-Length: 100000000"))
        self.assertEqual(self.ended(), ("ResponseComplete", "refused", 413))
        self.assertEqual(self.log[-1]["responseStatus"]["reason"], "RequestEntityTooLarge")
        self.assertTrue(self.note("request-object"))

    def test_somebody_leaves_before_they_are_let_in(self) -> None:
        self.decision = Deferred()
        self.ask(request(f"GET {OWN}?watch=true"))
        self.lose(self.client)
        self.assertEqual(self.ended(), ("ResponseComplete", "client-gone", 499))

    def test_for_whom_a_front_proxy_asks(self) -> None:
        for target in (f"{OWN}/east", f"{PODS}/web", "/nowhere/x"):
            for source, expected in (("requestheader", ["192.0.2.7", PEER]), ("x509", [PEER])):
                self.setUp()
                self.whoever = replace(JANE, source=source)
                self.found = UnknownCluster("no east", cluster="east")
                self.ask(request(f"GET {target}", "X-Forwarded-For: 192.0.2.7"))
                self.ended()
                # Of a page that there is not nobody was asked who wants it.
                self.assertEqual(self.log[-1]["sourceIPs"], [PEER] if "nowhere" in target else expected)

    def test_each_client_of_a_front_proxy_for_itself(self) -> None:
        """They share its connection, and may be one user."""
        self.whoever = replace(JANE, source="requestheader")
        for address in ("192.0.2.7", "192.0.2.8", ""):
            self.log.clear()
            self.ask(request(f"GET {OWN}/east", *([f"X-Forwarded-For: {address}"] if address else [])))
            self.ended()
            self.assertEqual(self.log[-1]["sourceIPs"], [address, PEER] if address else [PEER])

    def test_the_client_leaves_a_resource(self) -> None:
        self.ask(request("GET /late"))
        self.lose(self.client)
        self.assertEqual(self.ended(), ("ResponseComplete", "client-gone", 499))

    def test_an_id_that_does_not_fit_into_a_log(self) -> None:
        self.ask(request("GET /fine", "Audit-Id: " + "7" * 257))
        self.ended()
        self.assertEqual(self.log[0]["auditID"], "0")

    def test_the_end_of_the_gateway(self) -> None:
        for data in (request(f"GET {PODS}"), request("GET /late")):
            self.setUp()
            self.ask(data)
            self.world.site.begin_shutdown()
            self.world.site.abort()
            self.assertEqual(self.ended()[:2], ("ResponseComplete", "shutdown"))


def _given(value: Any) -> Any:
    if isinstance(value, GatewayError | ZeroDivisionError):
        raise value
    return value
