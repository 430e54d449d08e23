"""What users read when a cluster cannot be reached or breaks off: the real process, over real TLS."""

from __future__ import annotations

import atexit
import json
import os
import queue
import subprocess
import threading
from datetime import datetime, timezone
from functools import cache
from typing import Any

from clustergateway.testing.certificates import LONG_AGO, Authority
from tests.lines import logged

from .scripted import (
    CLIENT_TOKEN,
    CLUSTER_TOKEN,
    OK,
    PREFIX,
    SECONDS,
    Conversation,
    Gateway,
    ScriptedTestCase,
    request,
    said,
)
from .world import KUBECTL, NO_KUBECTL

FLAGS = ("--connect-timeout=2", "--answer-timeout=1")
QUERY = "que5ry-5eCr3t"


@cache
def gateway(mode: str) -> Gateway:
    """A gateway with every kind of cluster that does not work."""
    found = Gateway(f"--tls-transport={mode}", *FLAGS, prepare=troubled)
    atexit.register(found.close)
    return found


def troubled(found: Gateway) -> None:
    authority = found.authority
    found.add("expired", authority.server("127.0.0.1", valid=(LONG_AGO, datetime(2021, 1, 1, tzinfo=timezone.utc))))
    found.add("wrong-host", authority.server("other.example"))
    found.add("unknown-ca", Authority("nobody").server("127.0.0.1"))
    found.add("not-a-server", authority.client("127.0.0.1"))
    found.add("plain", tls=False).script = plain_http
    found.add("hangs-up", tls=False).script = hang_up
    for name in ("silent", "late"):
        found.add(name, tls=False).script = silent
    found.add("mute").script = mute
    for name in ("dead", "down", "broken"):
        found.declare(name, "https://127.0.0.1:1")  # one that no other test can be given
    found.declare("nowhere", "https://no-such-host.invalid:6443")


def plain_http(conversation: Conversation) -> None:
    conversation.send(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
    conversation.ended()


def hang_up(conversation: Conversation) -> None:
    conversation.socket.recv(1)


def silent(conversation: Conversation) -> None:
    """Accepts, and says nothing, not even TLS."""
    conversation.ended()


def mute(conversation: Conversation) -> None:
    """Takes a request, and says nothing."""
    conversation.request()
    conversation.ended()


class Troubled(ScriptedTestCase):
    """
    @cvar mode: of TLS, in the gateway.
    """

    mode = "merged"

    def find_gateway(self) -> Gateway:
        return gateway(self.mode)

    def trouble(
        self, cluster: str, code: int, reason: str, hop: str, *words: str, method: str = "GET"
    ) -> dict[str, Any]:
        """
        Ask a cluster; the answer is a Status of ours that names it, the hop, and what these words say.

        @return: the Status.
        """
        target = f"{PREFIX}/{cluster}/proxy/api/v1/pods?{QUERY}"
        found, fields, body = self.gateway.ask(target, "Cookie: " + QUERY, method=method)
        status = said(body)
        self.assertEqual((code, code, reason), (found, status["code"], status["reason"]), status)
        self.assertEqual("application/json", fields["content-type"])
        self.assertIn(cluster, status["message"])
        self.assertEqual(cluster, status["details"]["name"])
        if hop:
            self.assertIn(hop, status["message"])
            self.assertEqual(hop, status["details"]["causes"][0]["field"])
        for word in words:
            self.assertIn(word, status["message"])
        for secret in (CLIENT_TOKEN, CLUSTER_TOKEN, QUERY, "Traceback", "Errno"):
            self.assertNotIn(secret, body.decode())
        return status


class Reaching(Troubled):
    def test_unknown_cluster(self) -> None:
        self.trouble("north", 404, "NotFound", "")

    def test_refused(self) -> None:
        self.trouble("dead", 502, "BadGateway", "connect", "refused")

    def test_unresolvable(self) -> None:
        self.trouble("nowhere", 502, "BadGateway", "dns", "host name has no address")

    def test_each_check_of_tls(self) -> None:
        for cluster, words in (
            ("expired", "it is expired"),
            ("wrong-host", "for another"),
            ("unknown-ca", "its issuer is unknown"),
            ("not-a-server", "it is not meant for servers"),
            ("plain", "does not speak TLS"),
            ("hangs-up", "closed the connection during the handshake"),
        ):
            self.trouble(cluster, 502, "BadGateway", "tls", words)

    def test_no_connection_in_time(self) -> None:
        self.trouble("silent", 504, "Timeout", "connect", "in time")

    def test_no_answer_in_time(self) -> None:
        self.trouble("mute", 504, "Timeout", "upstream", "no answer in time")
        busy = 'clustergateway_upstream_connections{cluster="mute",state="busy"}'
        self.assertEqual(0, self.gateway.gauge(busy))

    def test_an_answer_that_begins_and_does_not_go_on(self) -> None:
        def script(conversation: Conversation) -> None:
            conversation.request()
            conversation.send(b"HTTP/1.1 200 OK\r\nA: b")
            conversation.ended()

        self.east.script = script
        self.trouble("east", 504, "Timeout", "upstream", "no answer in time")


class ReachingOnStockTls(Reaching):
    mode = "twisted"


class Credentials(Troubled):
    def test_ours_is_not_accepted(self) -> None:
        """Passed on as 401 it would make clients log out."""

        def script(conversation: Conversation) -> None:
            conversation.request()
            body = json.dumps({"kind": "Status", "code": 401, "reason": "Unauthorized", "message": CLUSTER_TOKEN})
            head = f"HTTP/1.1 401 Unauthorized\r\nContent-Length: {len(body)}\r\nWWW-Authenticate: Bearer\r\n\r\n"
            conversation.send((head + body).encode())
            conversation.ended()

        self.east.script = script
        for method in ("GET", "DELETE"):
            self.trouble("east", 502, "BadGateway", "upstream", "credential", "401", method=method)
        client = self.client()
        client.send(request("x", "Content-Length: 5", method="POST", body=b"hello"))
        code, fields, body = client.answer()
        self.assertEqual((502, "UpstreamRejectedCredential"), (code, said(body)["details"]["causes"][0]["reason"]))
        self.assertNotIn("www-authenticate", fields)


class CredentialsOnStockTls(Credentials):
    mode = "twisted"


CONTENT = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhello"
CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nhello"


class Resets(Troubled):
    def breaks_off(self, beginning: bytes, orderly: bool) -> threading.Event:
        """
        Have the cluster begin an answer, and end the connection when the event is set that is returned.
        """
        now = threading.Event()
        self.addCleanup(now.set)

        def script(conversation: Conversation) -> None:
            conversation.request()
            conversation.send(beginning)
            now.wait(SECONDS)
            if not orderly:
                conversation.reset()

        self.east.script = script
        return now

    def test_before_the_answer(self) -> None:
        for beginning in (b"", b"HTTP/1.1 200 OK\r\nContent-Le"):
            for orderly in (True, False):
                self.breaks_off(beginning, orderly).set()
                self.trouble("east", 502, "BadGateway", "upstream", "before it answered")

    def test_after_the_answer_began(self) -> None:
        """Never as if that were all there is."""
        for beginning, marker in ((CONTENT, b"hello"), (CHUNKS, b"hello\r\n"), (UNTIL_CLOSE, b"hello\r\n")):
            for orderly in (True, False):
                if orderly and beginning is UNTIL_CLOSE:
                    continue  # that is its end
                now = self.breaks_off(beginning, orderly)
                client = self.client()
                client.send(request("x"))
                code, _ = client.head()
                self.assertEqual(200, code)
                seen = b""
                while not seen.endswith(marker):
                    seen += client.take(1)
                now.set()
                with self.assertRaises(OSError) as caught:
                    client.rest()
                self.assertNotIsInstance(caught.exception, TimeoutError)

    def test_an_end_by_close_is_an_end(self) -> None:
        self.breaks_off(UNTIL_CLOSE, True).set()
        self.assertEqual((200, b"hello"), self.gateway.ask("x")[::2])

    def test_with_http10_there_is_no_end_of_the_connection_either(self) -> None:
        now = self.breaks_off(UNTIL_CLOSE, False)
        client = self.client()
        client.send(request("x").replace(b"HTTP/1.1", b"HTTP/1.0"))
        self.assertEqual(200, client.head()[0])
        self.assertEqual(b"hello", client.take(5))
        now.set()
        with self.assertRaises(OSError) as caught:
            client.rest()
        self.assertNotIsInstance(caught.exception, TimeoutError)


class ResetsOnStockTls(Resets):
    mode = "twisted"


class Stale(Troubled):
    """A kept connection that the cluster has given up, without the gateway knowing yet."""

    def twice(self, method: str) -> tuple[int, list[bytes]]:
        """
        One request that is answered, and another on the same connection that is not.

        @return: code of the second, and what the cluster was asked.
        """
        asked: queue.Queue[bytes] = queue.Queue()
        east = self.east

        def first(conversation: Conversation) -> None:
            asked.put(conversation.request())
            conversation.send(OK)
            east.script = second
            asked.put(conversation.request())
            conversation.reset()

        def second(conversation: Conversation) -> None:
            asked.put(conversation.request())
            conversation.send(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

        east.script = first
        self.assertEqual(200, self.gateway.ask("one")[0])
        body = b"hello" if method in ("POST", "PUT") else b""
        lines = (f"Content-Length: {len(body)}",) if body else ()
        code, _, answer = self.gateway.ask("two", *lines, method=method, body=body)
        if code != 200:
            self.assertEqual("east", said(answer)["details"]["name"])
        return code, [asked.get(timeout=SECONDS).partition(b" HTTP")[0] for _ in range(asked.qsize())]

    def test_what_may_be_repeated_is(self) -> None:
        self.assertEqual((200, [b"GET /one", b"GET /two", b"GET /two"]), self.twice("GET"))

    def test_what_may_not_is_not(self) -> None:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            self.assertEqual((502, [b"GET /one", method.encode() + b" /two"]), self.twice(method))


class StaleOnStockTls(Stale):
    mode = "twisted"


class Breaking(Troubled):
    def test_a_cluster_that_is_down_is_not_tried_again_at_once(self) -> None:
        """And nobody who asks another cluster notices."""
        for _ in range(3):
            self.trouble("late", 504, "Timeout", "connect")
        tried = self.gateway["late"].connections
        code, fields, body = self.gateway.ask(f"{PREFIX}/late/proxy/x")
        status = said(body)
        self.assertEqual((503, "ServiceUnavailable"), (code, status["reason"]))
        # Clients of Kubernetes would obey it ten times over before they say a word.
        self.assertNotIn("retry-after", fields)
        self.assertIn("late", status["message"])
        self.assertIn("in time", status["message"], "it says what the matter was")
        self.assertEqual(tried, self.gateway["late"].connections)
        self.assertEqual(1, self.gateway.gauge('clustergateway_breaker_open{cluster="late"}'))

    def test_another_cluster_is_served_while_one_hangs(self) -> None:
        waiting = self.client()
        waiting.send(request(f"{PREFIX}/mute/proxy/x"))
        for _ in range(20):
            self.assertEqual(200, self.gateway.ask("x")[0])
        self.assertEqual(504, waiting.answer()[0])


class BreakingOnStockTls(Breaking):
    mode = "twisted"


class Kubectl(Troubled):
    if NO_KUBECTL:
        skip = NO_KUBECTL

    def kubectl(self, cluster: str, *arguments: str) -> str:
        """@return: what it complains about, when it knows nothing of the cluster from before."""
        assert KUBECTL is not None
        folder = self.gateway.folder
        command = [KUBECTL, "--kubeconfig", str(folder / "kubeconfig"), "--context", cluster]
        done = subprocess.run(
            [*command, "get", *arguments],
            cwd=folder,
            env={**os.environ, "HOME": self.mktemp()},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        self.assertEqual(1, done.returncode)
        return done.stderr

    def test_what_it_prints(self) -> None:
        raw = ("--raw", "/api/v1/namespaces/default/pods")
        self.assertIn(
            'Error from server (BadGateway): cluster "broken" connect: connection refused\n',
            self.kubectl("broken", *raw),
        )
        self.assertIn(
            'cluster "expired" tls: the endpoint\'s certificate is not accepted: it is expired',
            self.kubectl("expired", *raw),
        )

    def test_what_it_prints_of_discovery(self) -> None:
        """Its first requests, of whose errors it shows nothing but the code, and warnings."""
        for cluster, words in (
            ("expired", "the endpoint's certificate is not accepted: it is expired"),
            ("nowhere", "host name has no address"),
        ):
            said = self.kubectl(cluster, "pods")
            warnings = [line for line in said.splitlines() if line.startswith(f'Warning: cluster "{cluster}"')]
            self.assertIn(words, " ".join(warnings))


class Written(Troubled):
    def test_no_secret_is_logged_or_counted(self) -> None:
        """Whatever the tests before this one have sent, and some more."""
        for cluster in ("down", "expired", "nowhere", "north", "east"):
            self.gateway.ask(f"{PREFIX}/{cluster}/proxy/x?{QUERY}", "Cookie: " + QUERY)
        written = self.gateway.log.read_text() + self.gateway.process.output + self.gateway.metrics()
        for secret in (CLIENT_TOKEN, CLUSTER_TOKEN, QUERY, "PRIVATE KEY", "Traceback"):
            self.assertNotIn(secret, written)
        lines = logged(self.gateway.log)
        [refused] = [line for line in lines if line["cluster"] == "down"]
        self.assertEqual(
            (502, "refused", "connection refused"), (refused["code"], refused["outcome"], refused["cause"])
        )


class WrittenOnStockTls(Written):
    mode = "twisted"
