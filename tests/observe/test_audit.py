"""Tests for L{clustergateway.observe.audit} and L{clustergateway.observe.audittap}."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError, GatewayError, ServiceUnavailable
from clustergateway.model.channels import Channel, encode_message, exit_status
from clustergateway.model.http1 import RequestHead, parse_request
from clustergateway.model.identity import Attributes, Identity
from clustergateway.model.record import Record
from clustergateway.model.websocket import Opcode, encode_frame
from clustergateway.observe.audit import Audit
from clustergateway.observe.audittap import AuditTap
from clustergateway.observe.recording import SessionRecorder
from clustergateway.settings import Limits
from tests.model.test_auditevent import wrong

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
)
POD = Attributes("create", "", "v1", "pods", "", "default", "web")
WATCH = Attributes("watch", "", "v1", "pods", "", "default", "")
SECRET = Attributes("create", "", "v1", "secrets", "", "default", "web")
EXEC = Attributes("create", "", "v1", "pods", "exec", "default", "web")
FORWARD = Attributes("create", "", "v1", "pods", "portforward", "default", "web")


class Lines:
    """A sink that keeps what it is given."""

    name = "lines"

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.written = 0
        self.dropped = 0
        self.closed = False

    def write(self, events: Sequence[str]) -> None:
        self.events += [json.loads(each) for each in events]
        self.written += len(events)

    def close(self) -> None:
        self.closed = True


def head(*lines: bytes) -> RequestHead:
    found = parse_request(b"\r\n".join([b"POST / HTTP/1.1", b"Host: x", *lines, b"", b""]), Limits())
    assert found is not None
    return found


PLAIN = head()
WITH_BODY = head(b"Content-Length: 100", b"Content-Type: application/json")
UPGRADE = head(b"Connection: Upgrade", b"Upgrade: websocket")


def shown(channel: Channel, data: bytes) -> bytes:
    return encode_frame(Opcode.BINARY, encode_message(channel, data))


class World(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.sink = Lines()
        self.ids = iter(f"made-{number}" for number in range(100))
        self.recorder: SessionRecorder | None = None
        self.audit = self.make()

    def make(self) -> Audit:
        return Audit([self.sink], self.clock, lambda: next(self.ids), self.recorder)

    def use(self, *rules: dict[str, Any], **more: Any) -> None:
        text = json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules, **more})
        self.audit.use(text.encode())

    def record(self, what: Attributes = POD, **more: Any) -> Record:
        given: dict[str, Any] = {
            "identity": Identity("jane", ("dev",)),
            "cluster": "east",
            "proxied": True,
            "verb": what.verb,
            "resource": what.resource,
            "subresource": what.subresource,
            "namespace": what.namespace,
            "name": what.name,
            **more,
        }
        return Record("POST", "/x/proxy/y", self.clock.seconds(), **given)

    def begin(self, record: Record, what: Attributes = POD, head: RequestHead = PLAIN) -> AuditTap | None:
        return self.audit.begin(record, what, head)

    def tapped(self, record: Record, what: Attributes = POD, head: RequestHead = PLAIN) -> AuditTap:
        tap = self.begin(record, what, head)
        assert tap is not None
        return tap

    def finish(self, record: Record, outcome: str = "complete", code: int = 200) -> list[dict[str, Any]]:
        record.outcome, record.code, record.ended = outcome, code, self.clock.seconds()
        self.audit.finished(record)
        return self.events()

    def events(self) -> list[dict[str, Any]]:
        """What was written since the last time."""
        self.clock.advance(0)
        events, self.sink.events = self.sink.events, []
        for each in events:
            self.assertEqual(wrong(each), [])
        return events

    def stages(self) -> list[str]:
        return [each["stage"] for each in self.events()]


class OnceTests(World):
    """A request is told of once in every outcome."""

    def setUp(self) -> None:
        super().setUp()
        self.use({"level": "Metadata"})

    def test_one_that_was_forwarded(self) -> None:
        for outcome, stage in (
            *(("complete", "ResponseComplete"), ("client-gone", "ResponseComplete"), ("timeout", "ResponseComplete")),
            *(("upstream-gone", "ResponseComplete"), ("shutdown", "ResponseComplete"), ("panic", "Panic")),
        ):
            record = self.record()
            self.begin(record)
            self.assertEqual(self.stages(), ["RequestReceived"])
            (event,) = self.finish(record, outcome)
            self.assertEqual(event["stage"], stage)

    def test_one_that_was_refused(self) -> None:
        events = self.finish(self.record(cause="no"), "refused", 403)
        self.assertEqual([each["stage"] for each in events], ["RequestReceived", "ResponseComplete"])
        self.assertEqual(events[1]["responseStatus"]["message"], "no")

    def test_one_whose_upgrade_was_refused(self) -> None:
        record = self.record(EXEC)
        tap = self.tapped(record, EXEC, UPGRADE)
        record.code = 403
        tap.response_head(403, b"HTTP/1.1 403 Forbidden\r\n\r\n")
        tap.response_data(b'{"kind":"Status"}')
        tap.ended()
        events = self.finish(record, code=403)
        self.assertEqual([each["stage"] for each in events], ["RequestReceived", "ResponseStarted", "ResponseComplete"])
        self.assertNotIn("cluster.core.oam.dev/exit-code", events[2]["annotations"])

    def test_one_that_was_sent_twice(self) -> None:
        record = self.record(WATCH)
        tap = self.tapped(record, WATCH)
        self.assertIs(self.begin(record, WATCH), tap)
        self.assertEqual(self.stages(), ["RequestReceived"])
        self.assertEqual(len(self.finish(record)), 1)

    def test_one_while_the_policy_changes(self) -> None:
        record = self.record()
        self.begin(record)
        self.use({"level": "None"})
        self.assertEqual(len(self.finish(record)), 2)
        self.assertEqual(self.finish(self.record()), [])

    def test_nothing_is_kept(self) -> None:
        for _ in range(3):
            record = self.record(WATCH)
            self.begin(record, WATCH)
            self.finish(record)
        self.assertEqual(self.audit._open, {})

    def test_stages_can_be_left_out(self) -> None:
        self.use({"level": "Metadata"}, omitStages=["RequestReceived", "ResponseStarted", "Panic"])
        for record, outcome, expected in (
            (self.record(), "complete", ["ResponseComplete"]),
            (self.record(WATCH), "complete", ["ResponseComplete"]),
            (self.record(), "panic", []),
        ):
            self.begin(record, WATCH if record.verb == "watch" else POD)
            self.assertEqual([each["stage"] for each in self.finish(record, outcome)], expected)


class AuditTests(World):
    def test_the_default_tells_the_end_of_everything(self) -> None:
        record = self.record(impersonated=Identity("reader"), rule="readers")
        self.begin(record)
        (event,) = self.finish(record, code=201)
        self.assertEqual(event["level"], "Metadata")
        self.assertEqual(event["user"], {"username": "jane", "groups": ["dev"]})
        self.assertEqual(event["impersonatedUser"], {"username": "reader"})
        self.assertEqual(event["annotations"]["cluster.core.oam.dev/rule"], "readers")
        self.assertEqual(event["objectRef"]["apiVersion"], "v1")
        self.assertEqual(event["responseStatus"]["code"], 201)

    def test_the_id(self) -> None:
        self.assertEqual(self.finish(self.record(audit_id="given"))[0]["auditID"], "given")
        self.use({"level": "Metadata"})
        record = self.record()
        self.begin(record)
        self.assertEqual(record.audit_id, "made-0")
        self.assertEqual({each["auditID"] for each in self.finish(record)}, {"made-0"})
        self.assertEqual(self.audit.audit_id("given"), "given")
        self.assertEqual(self.audit.audit_id("\r\n"), "made-1")

    def test_nothing_is_told_of_what_the_policy_leaves_out(self) -> None:
        self.use({"level": "None", "clusters": ["east"]}, {"level": "Metadata"})
        record = self.record()
        self.assertIsNone(self.begin(record))
        self.assertEqual(self.finish(record), [])
        self.assertEqual(len(self.finish(self.record(cluster="west"))), 2)

    def test_the_policy_knows_the_group(self) -> None:
        self.use({"level": "Metadata", "resources": [{"group": "apps"}]})
        record = self.record(Attributes("get", "apps", "v1", "deployments"))
        self.begin(record, Attributes("get", "apps", "v1", "deployments"))
        self.assertEqual(self.finish(record)[1]["objectRef"]["apiGroup"], "apps")

    def test_one_write_a_turn(self) -> None:
        writes: list[int] = []
        self.sink.write = lambda events: writes.append(len(events))  # type: ignore[method-assign]
        for _ in range(3):
            self.audit.finished(self.record(ended=1.0))
        self.assertEqual(writes, [])
        self.clock.advance(0)
        self.assertEqual(writes, [3])

    def test_the_end(self) -> None:
        self.audit.finished(self.record(ended=1.0))
        self.audit.close()
        self.assertEqual((self.sink.written, self.sink.closed), (1, True))

    def test_a_policy_that_cannot_be_used(self) -> None:
        policy = self.audit.policy
        self.assertRaises(ConfigurationError, self.audit.use, b"{}")
        session = {"level": "Metadata", "recordSession": {}}
        error = self.assertRaises(ConfigurationError, self.use, session)
        self.assertIn("no folder", error.message)
        self.assertIs(self.audit.policy, policy)

    def test_readings(self) -> None:
        self.finish(self.record())
        ((name, _, labels, values),) = self.audit.readings()
        self.assertEqual((name, labels), ("clustergateway_audit_events_total", ("sink", "result")))
        self.assertEqual(values, {("lines", "written"): 1, ("lines", "dropped"): 0})
        self.recorder = SessionRecorder(self.mktemp(), self.clock)
        *_, (name, _, _, values) = self.make().readings()
        self.assertEqual(name, "clustergateway_recorded_sessions_total")
        self.assertEqual(values, {("recorded",): 0, ("failed",): 0})


class BodyTests(World):
    def setUp(self) -> None:
        super().setUp()
        self.use({"level": "RequestResponse"}, omitStages=["RequestReceived"])

    def told(self, what: Attributes, request: bytes, response: bytes, answer: bytes = OK) -> dict[str, Any]:
        record = self.record(what, bytes_in=len(request), bytes_out=len(response))
        tap = self.begin(record, what, WITH_BODY)
        if tap is not None:
            tap.request_data(request[:5])
            tap.request_data(request[5:])
            tap.response_head(200, answer)
            tap.response_data(response)
            tap.ended()
        return self.finish(record)[-1]

    def test_both(self) -> None:
        event = self.told(POD, b'{"kind":"Pod","spec":{}}', b'{"kind":"Pod","status":{}}')
        self.assertEqual(event["requestObject"], {"kind": "Pod", "spec": {}})
        self.assertEqual(event["responseObject"], {"kind": "Pod", "status": {}})

    def test_only_the_request(self) -> None:
        self.use({"level": "Request"}, omitStages=["RequestReceived"])
        event = self.told(POD, b'{"kind":"Pod"}', b"{}")
        self.assertEqual(event["requestObject"], {"kind": "Pod"})
        self.assertNotIn("responseObject", event)

    def test_a_request_without_a_body_is_only_seen_to_fail(self) -> None:
        self.use({"level": "Request"}, omitStages=["RequestReceived"])
        self.assertTrue(self.tapped(self.record(), POD, PLAIN).only_failures)
        self.assertFalse(self.tapped(self.record(), POD, WITH_BODY).only_failures)

    def test_no_secret(self) -> None:
        event = self.told(SECRET, b'{"data":{"a":"aHVudGVyMg=="}}', b'{"data":{"a":"aHVudGVyMg=="}}')
        self.assertNotIn("aHVudGVyMg", json.dumps(event))
        for which in ("request", "response"):
            note = event["annotations"][f"cluster.core.oam.dev/{which}-object"]
            self.assertEqual(note, "omitted: secrets hold secrets")
        event = self.told(POD, b'{"kind":"Secret","data":{"a":"aHVudGVyMg=="}}', b'{"kind":"Pod"}')
        self.assertNotIn("aHVudGVyMg", json.dumps(event))
        self.assertEqual(event["annotations"]["cluster.core.oam.dev/request-object"], "omitted: it holds a secret")
        self.assertEqual(event["responseObject"], {"kind": "Pod"})

    def test_what_is_too_large(self) -> None:
        event = self.told(POD, b"[1]", b"[" + b"1," * 200_000 + b"1]")
        self.assertIn("larger", event["annotations"]["cluster.core.oam.dev/response-object"])

    def test_what_is_too_deep(self) -> None:
        event = self.told(POD, b"[1]", b"[" * 990 + b"]" * 990)
        self.assertEqual(event["stage"], "ResponseComplete")

    def test_no_body_of_a_watch(self) -> None:
        event = self.told(WATCH, b"", b'{"type":"ADDED"}')
        self.assertNotIn("responseObject", event)
        self.assertEqual(event["annotations"]["cluster.core.oam.dev/response-object"], "omitted: it is a stream")

    def test_managed_fields(self) -> None:
        self.use({"level": "RequestResponse", "omitManagedFields": True})
        event = self.told(POD, b"[]", b'{"metadata":{"managedFields":[]}}')
        self.assertEqual(event["responseObject"], {"metadata": {}})


class RefusedTests(World):
    """Why a cluster refuses is told at every level."""

    BODY = b'{"kind":"Status","status":"Failure","message":"pods is forbidden","reason":"Forbidden","code":403}'
    FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/json\r\n\r\n"

    def refused(self, body: bytes, what: Attributes = POD, head: bytes = FORBIDDEN) -> dict[str, Any]:
        record = self.record(what, bytes_out=len(body))
        tap = self.tapped(record, what)
        tap.response_head(403, head)
        tap.response_data(body[:20])
        tap.response_data(body[20:])
        tap.ended()
        event = self.finish(record, code=403)[-1]
        self.assertNotIn("responseObject", event)
        found: dict[str, Any] = event["responseStatus"]
        self.assertEqual((found["status"], found["code"]), ("Failure", 403))
        return found

    def test_message_and_reason(self) -> None:
        for level in ("Metadata", "Request"):
            self.use({"level": level})
            for what in (POD, WATCH, EXEC, SECRET):
                found = self.refused(self.BODY, what)
                self.assertEqual((found["message"], found["reason"]), ("pods is forbidden", "Forbidden"))

    def test_packed(self) -> None:
        head = self.FORBIDDEN.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
        self.assertEqual(self.refused(gzip.compress(self.BODY), head=head)["reason"], "Forbidden")

    def test_what_says_nothing(self) -> None:
        proxied = Attributes("get", "", "v1", "services", "proxy", "default", "web")
        for body, what in (
            *((b"no", POD), (b"", POD), (b'{"message":"x","reason":"y"}', POD), (b"[]", POD), (self.BODY, proxied)),
            *((self.BODY.replace(b"pods", b"x" * 9000), POD), (b'{"kind":"Status","message":1,"reason":[]}', POD)),
            (b'{"kind":"Secret","data":{},"message":"x"}', POD),
        ):
            self.assertEqual(set(self.refused(body, what)), {"metadata", "status", "code"}, body[:50])

    def test_it_shows_in_the_object_as_well(self) -> None:
        self.use({"level": "RequestResponse"})
        record = self.record(bytes_out=1)
        tap = self.tapped(record)
        tap.response_head(403, self.FORBIDDEN)
        tap.response_data(self.BODY)
        event = self.finish(record, code=403)[-1]
        self.assertEqual(event["responseObject"], json.loads(self.BODY))
        self.assertEqual(event["responseStatus"]["reason"], "Forbidden")

    def test_nobody_looks_for_it_in_vain(self) -> None:
        self.assertTrue(self.tapped(self.record()).only_failures)
        self.assertFalse(self.tapped(self.record(WATCH), WATCH).only_failures)
        self.assertIsNone(self.begin(self.record(proxied=False)))
        self.use({"level": "None"})
        self.assertIsNone(self.begin(self.record()))


class SessionTests(World):
    def session(self, *pieces: bytes) -> list[dict[str, Any]]:
        record = self.record(EXEC)
        tap = self.tapped(record, EXEC, UPGRADE)
        record.code, record.answered, record.upgrade = 101, self.clock.seconds(), "websocket"
        tap.response_head(101, SWITCHED)
        self.clock.advance(2)
        for piece in pieces:
            tap.request_data(encode_frame(Opcode.BINARY, b"\0ls\n", mask=b"abcd"))
            tap.response_data(piece)
        tap.ended()
        return self.finish(record, code=101)

    def test_start_end_and_exit_code(self) -> None:
        status = json.dumps(exit_status(3)).encode()
        started, complete = self.session(shown(Channel.STDOUT, b"hi"), shown(Channel.ERROR, status))
        self.assertEqual((started["stage"], started["responseStatus"]["code"]), ("ResponseStarted", 101))
        notes = {key.rpartition("/")[2]: value for key, value in complete["annotations"].items()}
        self.assertEqual(notes["exit-code"], "3")
        self.assertEqual(notes["session-started"], "1970-01-01T00:00:00.000000Z")
        self.assertEqual(notes["session-ended"], "1970-01-01T00:00:02.000000Z")

    def test_nonsense_leaves_the_exit_code_unknown(self) -> None:
        _, complete = self.session(b"\xff\xff\xff", shown(Channel.ERROR, b"{}"))
        self.assertNotIn("cluster.core.oam.dev/exit-code", complete["annotations"])

    def test_a_port_forward(self) -> None:
        record = self.record(FORWARD, bytes_in=3, bytes_out=4)
        tap = self.tapped(record, FORWARD, UPGRADE)
        record.upgrade, record.answered = "SPDY/3.1", 0.0
        tap.response_head(101, SWITCHED)
        tap.request_data(b"\0\1")
        tap.ended()
        notes = self.finish(record, code=101)[-1]["annotations"]
        self.assertEqual(notes["cluster.core.oam.dev/bytes-out"], "4")
        self.assertIn("cluster.core.oam.dev/session-ended", notes)

    def test_a_fault_of_ours_is_not_felt(self) -> None:
        record = self.record(EXEC)
        tap = self.tapped(record, EXEC, UPGRADE)
        tap.response_head(101, b"no head")
        tap.response_head(101, SWITCHED)

        class Broken:
            needs_client = True
            exit_code = None

            def client(self, data: bytes) -> list[Any]:
                raise ZeroDivisionError

            server = client

            def parting(self, error: GatewayError) -> bytes:
                raise ZeroDivisionError

        tap._decoder = Broken()
        tap.response_data(b"x")
        tap.request_data(b"x")
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.finish(record)


class RecordedTests(World):
    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.mktemp())
        self.recorder = SessionRecorder(str(self.folder), self.clock)
        self.audit = self.make()

    def run_session(self, level: str, *pieces: bytes, stop: Any = None, **session: bool) -> list[dict[str, Any]]:
        self.use({"level": level, "recordSession": session}, omitStages=["RequestReceived", "ResponseStarted"])
        record = self.record(EXEC)
        tap = self.tapped(record, EXEC, UPGRADE)
        if stop is not None:
            tap.bind(stop)
        tap.response_head(101, SWITCHED)
        for piece in pieces:
            tap.response_data(piece)
        self.clock.advance(1)
        tap.ended()
        return self.finish(record, code=101)

    def test_recorded_and_audited(self) -> None:
        status = json.dumps(exit_status(0)).encode()
        (event,) = self.run_session("Metadata", shown(Channel.STDOUT, b"hi"), shown(Channel.ERROR, status))
        (path,) = self.folder.iterdir()
        self.assertEqual(event["annotations"]["cluster.core.oam.dev/recording"], path.name)
        self.assertEqual(event["annotations"]["cluster.core.oam.dev/exit-code"], "0")
        self.assertIn('"hi"', path.read_text())

    def test_recorded_and_not_audited(self) -> None:
        self.assertEqual(self.run_session("None", shown(Channel.STDOUT, b"hi")), [])
        self.assertEqual(len(list(self.folder.iterdir())), 1)

    def test_a_session_that_must_be_recorded_and_no_longer_can_be_is_stopped(self) -> None:
        stopped: list[GatewayError] = []
        (event,) = self.run_session("Metadata", b"\xff\xff\xff", stop=stopped.append, required=True)
        self.assertEqual(len(stopped), 1)
        self.assertIn("cluster.core.oam.dev/recording-problem", event["annotations"])

    def test_a_session_that_must_be_recorded_and_cannot_be_is_refused(self) -> None:
        self.use({"level": "Metadata", "recordSession": {"required": True}})
        self.folder.rmdir()
        record = self.record(EXEC)
        self.assertRaises(ServiceUnavailable, self.begin, record, EXEC, UPGRADE)
        self.assertEqual([each["stage"] for each in self.finish(record, "refused", 503)][-1], "ResponseComplete")

    def test_only_sessions(self) -> None:
        self.use({"level": "None", "recordSession": {"required": True}})
        self.assertIsNone(self.begin(self.record(POD), POD, PLAIN))
        self.assertIsNone(self.begin(self.record(EXEC), EXEC, PLAIN))
        self.assertIsNone(self.begin(self.record(FORWARD), FORWARD, UPGRADE))

    def test_no_session_of_the_gateways_own(self) -> None:
        self.use({"level": "Metadata", "recordSession": {"required": True}})
        tap = self.tapped(self.record(EXEC, proxied=False), EXEC, UPGRADE)
        self.assertIsNone(tap.recording)
        self.assertEqual(list(self.folder.iterdir()), [])
