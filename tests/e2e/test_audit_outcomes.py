"""
The audit log of the real process: however a request ends, its end is told once, in the file and to the webhook; and
sessions that must be recorded end when they no longer can be.
"""

from __future__ import annotations

import atexit
import json
import queue
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from shutil import rmtree
from threading import Event
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.asciicast import parse_events, parse_header
from clustergateway.model.channels import Channel, encode_message, exit_status
from clustergateway.model.websocket import Decoder, Opcode, encode_frame
from clustergateway.testing.certificates import Authority
from tests.lines import logged
from tests.model.test_auditevent import wrong

from .scripted import OK, PREFIX, SECONDS, Client, Conversation, Gateway, ScriptedTestCase, Upstream, request

POLICY = """
apiVersion: audit.k8s.io/v1
kind: Policy
rules:
- level: Metadata
  resources: [{group: "", resources: [pods/exec]}]
  recordSession: {required: true}
- level: RequestResponse
"""
RECEIVER_TOKEN = "receiver-t0ken"
EXEC = "api/v1/namespaces/default/pods/web/exec?command=sh&stdout=true"
UPGRADE = (
    *("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
    *("Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Protocol: v5.channel.k8s.io"),
)
SWITCHED = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: x\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n\r\n"
)


class Receiver:
    """
    What events are sent to. It fails once, to see whether they come again.

    @ivar lists: what it accepted.
    """

    def __init__(self, folder: Path) -> None:
        authority = Authority("receiver")
        (folder / "receiver-ca.crt").write_bytes(authority.certificate)
        self.upstream = Upstream(authority.server("127.0.0.1", "localhost"), folder)
        self.upstream.script = self._serve
        self.lists: queue.Queue[dict[str, Any]] = queue.Queue()
        self.heads: list[bytes] = []
        self._failed = False
        server = f"https://127.0.0.1:{self.upstream.port}/events"
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "r", "cluster": {"server": server, "certificate-authority": "receiver-ca.crt"}}],
            "users": [{"name": "r", "user": {"token": RECEIVER_TOKEN}}],
            "contexts": [{"name": "r", "context": {"cluster": "r", "user": "r"}}],
            "current-context": "r",
        }
        (folder / "receiver.kubeconfig").write_text(json.dumps(config))

    def _serve(self, conversation: Conversation) -> None:
        while data := conversation.request():
            head, _, body = data.partition(b"\r\n\r\n")
            self.heads.append(head)
            if self._failed:
                self.lists.put(json.loads(body))
                conversation.send(OK)
            else:
                self._failed = True
                conversation.send(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")


@cache
def audited() -> tuple[Gateway, Path, Receiver]:
    """A gateway, what it writes, and whom it tells."""
    folder = Path(tempfile.mkdtemp(prefix="cluster-gateway-audited-"))
    atexit.register(rmtree, folder)
    (folder / "policy.yaml").write_text(POLICY)
    receiver = Receiver(folder)
    atexit.register(receiver.upstream.close)
    gateway = Gateway(
        *(f"--audit-policy-file={folder / 'policy.yaml'}", f"--audit-log-path={folder / 'audit.log'}"),
        *(f"--audit-webhook-config-file={folder / 'receiver.kubeconfig'}",),
        *(f"--session-recording-dir={folder / 'sessions'}", "--session-recording-maxsize=1", "--answer-timeout=2"),
    )
    atexit.register(gateway.close)
    return gateway, folder, receiver


def shown(channel: Channel, data: bytes) -> bytes:
    """A message to the client."""
    return encode_frame(Opcode.BINARY, encode_message(channel, data))


class Outcomes(ScriptedTestCase):
    def find_gateway(self) -> Gateway:
        found, self.folder, self.receiver = audited()
        return found

    def setUp(self) -> None:
        super().setUp()
        self.audit_id = f"{self.id().rpartition('.')[2]}-{time.monotonic_ns()}"

    def send(self, target: str, *lines: str, method: str = "GET", body: bytes = b"", token: str = "") -> Client:
        """A request that the log can be asked about."""
        client = self.client()
        more = {"token": token} if token else {}
        client.send(request(target, f"Audit-Id: {self.audit_id}", *lines, method=method, body=body, **more))
        return client

    def events(self) -> list[dict[str, Any]]:
        """What the log says of this test's request, once it is over."""
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            events = [event for event in logged(self.folder / "audit.log") if event["auditID"] == self.audit_id]
            if any(event["stage"] == "ResponseComplete" for event in events):
                self.assertEqual([problem for event in events for problem in wrong(event)], [])
                return events
            time.sleep(0.02)
        raise AssertionError(f"nothing of {self.audit_id}")

    def ended(self) -> tuple[str, int]:
        """
        Outcome and code of this test's request. Asked again after another request, there is still one end.
        """
        self.events()
        self.assertEqual(self.gateway.ask("/healthz")[0], 200)
        stages = [event["stage"] for event in self.events()]
        self.assertEqual((stages[0], stages[-1]), ("RequestReceived", "ResponseComplete"))
        self.assertEqual(len(set(stages)), len(stages))
        end = self.events()[-1]
        return end["annotations"]["cluster.core.oam.dev/outcome"], end["responseStatus"]["code"]

    def note(self, name: str) -> str:
        found: str = self.events()[-1]["annotations"].get(f"cluster.core.oam.dev/{name}", "")
        return found

    def upgraded(self, *messages: bytes) -> Callable[[Conversation], None]:
        def script(conversation: Conversation) -> None:
            conversation.request()
            conversation.send(SWITCHED + b"".join(messages))
            conversation.ended()

        return script

    def test_complete(self) -> None:
        self.send("api/v1/pods").answer()
        self.assertEqual(self.ended(), ("complete", 200))
        # The cluster is told the same id.
        self.assertIn(f"Audit-Id: {self.audit_id}".encode(), self.east.requests.get(timeout=SECONDS))

    def test_refused(self) -> None:
        # Who connects here is no front proxy, whatever they say.
        code, _, body = self.send(f"{PREFIX}/nowhere/proxy/api", "X-Forwarded-For: 192.0.2.7").answer()
        self.assertEqual(self.ended(), ("refused", code))
        self.assertEqual(code, 404)
        end = self.events()[-1]
        self.assertEqual(end["responseObject"], json.loads(body))
        self.assertEqual(self.note("bytes-out"), str(len(body)))
        self.assertEqual((end["responseStatus"]["reason"], end["sourceIPs"]), ("NotFound", ["127.0.0.1"]))

    def test_a_stranger(self) -> None:
        self.assertEqual(self.send("api/v1/pods", token="wrong").answer()[0], 401)
        self.assertEqual(self.ended(), ("refused", 401))
        self.assertEqual((self.events()[-1]["user"]["username"], self.note("cluster")), ("system:anonymous", "east"))

    def test_of_the_gateway_itself(self) -> None:
        self.assertEqual(self.send(PREFIX).answer()[0], 200)
        self.assertEqual(self.ended(), ("complete", 200))
        self.assertEqual(self.events()[-1]["objectRef"]["resource"], "clustergateways")
        self.assertEqual(self.events()[-1]["responseObject"]["kind"], "ClusterGatewayList")

    def test_a_watch_of_the_gateway_itself(self) -> None:
        client = self.send(f"{PREFIX}?watch=true")
        self.assertEqual(client.head()[0], 200)
        end = time.monotonic() + SECONDS
        stages: list[str] = []
        while "ResponseStarted" not in stages:
            self.assertLess(time.monotonic(), end, "it is not told of while it runs")
            time.sleep(0.02)
            events = logged(self.folder / "audit.log")
            stages = [event["stage"] for event in events if event["auditID"] == self.audit_id]
        self.assertEqual(stages, ["RequestReceived", "ResponseStarted"])
        client.close()
        self.assertEqual(self.ended(), ("client-gone", 200))
        self.assertEqual(self.events()[-1]["responseStatus"], {"metadata": {}, "code": 200})

    def test_the_client_hangs_up(self) -> None:
        def watch(conversation: Conversation) -> None:
            conversation.request()
            conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
            conversation.ended()

        self.east.script = watch
        client = self.send("api/v1/pods?watch=true")
        client.head()
        client.close()
        self.assertEqual(self.ended(), ("client-gone", 200))
        self.assertEqual(self.events()[1]["stage"], "ResponseStarted")

    def test_the_client_hangs_up_before_the_answer(self) -> None:
        def silent(conversation: Conversation) -> None:
            conversation.request()
            client.close()
            conversation.ended()

        self.east.script = silent
        client = self.send("api/v1/pods")
        self.assertEqual(self.ended(), ("client-gone", 499))

    def test_the_cluster_hangs_up(self) -> None:
        arrived = Event()

        def half(conversation: Conversation) -> None:
            conversation.request()
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
            # A reset takes with it what the other side has not read yet.
            arrived.wait(SECONDS)
            conversation.reset()

        self.east.script = half
        self.send("api/v1/pods").head()
        arrived.set()
        self.assertEqual(self.ended(), ("upstream-gone", 200))

    def test_the_cluster_says_nothing(self) -> None:
        def silent(conversation: Conversation) -> None:
            conversation.request()
            conversation.ended()

        self.east.script = silent
        self.assertEqual(self.send("api/v1/pods").answer()[0], 504)
        self.assertEqual(self.ended(), ("timeout", 504))

    def test_a_refused_upgrade(self) -> None:
        def refuse(conversation: Conversation) -> None:
            conversation.request()
            conversation.send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")

        self.east.script = refuse
        self.assertEqual(self.send(EXEC, *UPGRADE).answer()[::2], (403, b"no"))
        self.assertEqual(self.ended(), ("complete", 403))
        self.assertEqual(self.note("recording"), "")
        self.assertEqual(list((self.folder / "sessions").glob(f"*{self.audit_id[:64]}*")), [])

    def test_a_session(self) -> None:
        status = shown(Channel.ERROR, json.dumps(exit_status(3)).encode())
        self.east.script = self.upgraded(
            shown(Channel.STDOUT, b"hello\r\n"), status, encode_frame(Opcode.CLOSE, b"\x03\xe8")
        )
        client = self.send(EXEC, *UPGRADE)
        self.assertEqual(client.head()[0], 101)
        client.take(5)
        client.close()
        self.assertEqual(self.ended(), ("complete", 101))
        self.assertEqual(self.note("exit-code"), "3")
        header, *lines = (self.folder / "sessions" / self.note("recording")).read_text().splitlines(keepends=True)
        self.assertEqual(parse_header(header).about["user"], "mallory")
        shown_, exited = parse_events(lines)
        self.assertEqual((shown_.text, exited.code, exited.text), ("hello\r\n", "m", "exit status 3"))

    def test_a_session_in_which_nothing_is_shown(self) -> None:
        before = self.gateway.gauge('clustergateway_recorded_sessions_total{result="recorded"')
        self.east.script = self.upgraded(encode_frame(Opcode.CLOSE, b"\x03\xe8"))
        client = self.send(EXEC, *UPGRADE)
        self.assertEqual(client.head()[0], 101)
        client.take(4)
        client.close()
        self.assertEqual(self.ended(), ("complete", 101))
        header, *lines = (self.folder / "sessions" / self.note("recording")).read_text().splitlines(keepends=True)
        self.assertEqual((parse_header(header).about["user"], lines), ("mallory", []))
        after = self.gateway.gauge('clustergateway_recorded_sessions_total{result="recorded"')
        self.assertEqual(after, before + 1)

    def test_a_session_that_can_no_longer_be_recorded_is_ended(self) -> None:
        screen = shown(Channel.STDOUT, b"x" * 60_000)
        self.east.script = self.upgraded(*([screen] * 30))
        client = self.send(EXEC, *UPGRADE)
        self.assertEqual(client.head()[0], 101)
        *_, said, close = Decoder(masked=False).feed(client.rest())
        self.assertEqual((said.payload[:1], json.loads(said.payload[1:])["reason"]), (b"\3", "ServiceUnavailable"))
        self.assertIn("larger than 1048576 bytes", json.loads(said.payload[1:])["message"])
        self.assertEqual(close.opcode, Opcode.CLOSE)
        self.assertEqual(self.ended(), ("refused", 101))
        self.assertIn("larger than 1048576 bytes", self.note("recording-problem"))
        recorded = self.folder / "sessions" / self.note("recording")
        self.assertLessEqual(recorded.stat().st_size, 1 << 20)
        _, *lines = recorded.read_text().splitlines(keepends=True)
        self.assertGreater(len(list(parse_events(lines))), 10)

    def test_a_session_that_nobody_understands_is_ended(self) -> None:
        self.east.script = self.upgraded(b"\xff" * 100)
        client = self.send(EXEC, *UPGRADE)
        client.head()
        self.assertRaises(OSError, client.rest)
        self.assertEqual(self.ended(), ("refused", 101))

    def test_bodies(self) -> None:
        def answer(conversation: Conversation) -> None:
            data = conversation.request()
            body = data.partition(b"\r\n\r\n")[2]
            conversation.send(
                b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nConnection: close\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )

        self.east.script = answer
        body = b'{"kind":"ConfigMap","data":{"a":"b"}}'
        length = f"Content-Length: {len(body)}"
        self.send(
            "api/v1/namespaces/a/configmaps", "Content-Type: application/json", length, method="POST", body=body
        ).answer()
        end = self.events()[-1]
        self.assertEqual((end["requestObject"], end["responseObject"]), (json.loads(body),) * 2)

    def test_the_webhook_is_told_the_same(self) -> None:
        self.send("api/v1/pods").answer()
        events = self.events()
        told: list[dict[str, Any]] = []
        while not any(event["auditID"] == self.audit_id for event in told):
            found = self.receiver.lists.get(timeout=SECONDS)
            self.assertEqual((found["kind"], found["apiVersion"]), ("EventList", "audit.k8s.io/v1"))
            told += found["items"]
        self.assertEqual([event for event in told if event["auditID"] == self.audit_id], events)
        log = logged(self.folder / "audit.log")
        # Nothing is lost by the failure at the beginning, and nothing told twice.
        self.assertEqual(log[: len(told)], told)
        head = self.receiver.heads[-1]
        self.assertTrue(head.startswith(b"POST /events"), head)
        self.assertIn(f"authorization: bearer {RECEIVER_TOKEN}".encode(), head.lower())
        self.assertEqual(self.gateway.gauge('clustergateway_audit_events_total{result="dropped"'), 0.0)
        self.assertGreater(self.gateway.gauge('clustergateway_audit_events_total{result="written"'), 0.0)


class OnStandardOutput(SynchronousTestCase):
    def test_a_line_is_an_event(self) -> None:
        gateway = Gateway("--audit-log-path=-")
        self.addCleanup(gateway.close)
        gateway.ask("api/v1/pods", "Audit-Id: shown")
        end = time.monotonic() + SECONDS
        while '"auditID":"shown"' not in gateway.process.output:
            self.assertLess(time.monotonic(), end, gateway.process.output)
            time.sleep(0.02)
        (line,) = (line for line in gateway.process.output.splitlines() if '"auditID":"shown"' in line)
        self.assertEqual(wrong(json.loads(line)), [])
