"""What attackers send to the real process, over real TLS: each costs little and gets a clear answer."""

from __future__ import annotations

import queue
import select
import socket
import ssl
import threading
from base64 import urlsafe_b64encode
from contextlib import closing
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from .scripted import CLIENT_TOKEN, CLUSTER_TOKEN, OK, PREFIX, SECONDS, Client, Conversation, Gateway
from .scripted import request as ask
from .scripted import said, shared_gateway

IMPATIENT = ("--head-timeout=1", "--body-timeout=1", "--handshake-timeout=1", "--idle-timeout=2")
MIB = 1 << 20


class Hostile(SynchronousTestCase):
    """
    @cvar mode: of TLS, in the gateway.
    @cvar flags: of the gateway.
    """

    mode = "merged"
    flags: tuple[str, ...] = ()

    def setUp(self) -> None:
        self.gateway: Gateway = shared_gateway(f"--tls-transport={self.mode}", *self.flags)
        self.east = self.gateway["east"]
        self.east.script = self.east.answer
        self.east.requests = queue.Queue()

    def client(self) -> Client:
        client = self.gateway.client()
        self.addCleanup(client.close)
        return client

    def upstream_saw(self) -> list[bytes]:
        """What reached the cluster since this was asked last. A request of our own behind it shows that this is all."""
        code, _, body = self.gateway.ask("the-end")
        self.assertEqual((200, b"ok"), (code, body))
        seen: list[bytes] = []
        while not (found := self.east.requests.get(timeout=SECONDS)).startswith(b"GET /the-end "):
            seen.append(found)
        return seen

    def refused(self, data: bytes) -> int:
        """
        Send this: it is answered with a Status and the end of the connection, and nothing of it reaches a cluster.

        @return: the code.
        """
        client = self.client()
        try:
            client.send(data)
        except OSError:
            pass  # refused before all was sent
        code, fields, body = client.answer()
        self.assertEqual("close", fields.get("connection"), data[:60])
        self.assertEqual(code, said(body)["code"])
        self.assertNotIn(CLIENT_TOKEN, body.decode())
        client.close()
        return code


class Heads(Hostile):
    def codes(self, *cases: tuple[int, bytes]) -> None:
        found = [(self.refused(data), data[:60]) for _, data in cases]
        self.assertEqual([(code, data[:60]) for code, data in cases], found)
        self.assertEqual([], self.upstream_saw())

    def test_framing_that_can_be_read_in_two_ways(self) -> None:
        self.codes(
            (400, ask("x", "Content-Length: 5", "Transfer-Encoding: chunked", method="POST", body=b"0\r\n\r\n")),
            (400, ask("x", "Transfer-Encoding: chunked", "Content-Length: 5", method="POST", body=b"0\r\n\r\n")),
            (400, ask("x", "Content-Length: 5", "Content-Length: 5", method="POST", body=b"hello")),
            (400, ask("x", "Content-Length: 5, 5", method="POST", body=b"hello")),
            (400, ask("x", "Content-Length: +5", method="POST", body=b"hello")),
            (400, ask("x", "Content-Length: -5", method="POST", body=b"hello")),
            (400, ask("x", "Content-Length: 0x5", method="POST", body=b"hello")),
            (400, ask("x", "Content-Length: 5\x0b", method="POST", body=b"hello")),
            (400, ask("x", "Content-Length: \xb2", method="POST", body=b"hello")),
            (400, ask("x", "Content-Length: " + "9" * 30, method="POST", body=b"hello")),
            (400, ask("x", "Content-Length:", method="POST", body=b"hello")),
            (400, ask("x", "Transfer-Encoding: xchunked", method="POST", body=b"0\r\n\r\n")),
            (400, ask("x", "Transfer-Encoding: gzip, chunked", method="POST", body=b"0\r\n\r\n")),
            (400, ask("x", "Transfer-Encoding: chunked, identity", method="POST", body=b"0\r\n\r\n")),
            (400, ask("x", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked", method="POST")),
            (400, ask("x", "Transfer-Encoding: \x0bchunked", method="POST", body=b"0\r\n\r\n")),
            (400, ask("x", "Transfer-Encoding : chunked", method="POST", body=b"0\r\n\r\n")),
            (400, ask("x", "Connection: Content-Length", "Content-Length: 5", method="POST", body=b"hello")),
            (400, ask("x", "Connection: close, Transfer-Encoding", "Transfer-Encoding: chunked", method="POST")),
            (400, ask("x", "Transfer-Encoding: chunked", method="POST").replace(b"HTTP/1.1", b"HTTP/1.0")),
        )

    def test_lines_that_are_no_header(self) -> None:
        self.codes(
            (400, ask("x", "A: b", " folded")),
            (400, ask("x", "A: b", "\tfolded")),
            (400, ask("x", " first")),
            (400, ask("x", "A : b")),
            (400, ask("x", "A\t: b")),
            (400, ask("x", "A: \x00")),
            (400, ask("x", "A\x00: b")),
            (400, ask("x", "A: b\x7f")),
            (400, ask("x", "A: b\rX: c")),
            (400, ask("x", "A: b\nX: c")),
            (400, ask("x", "no colon")),
            (400, ask("x", ": no name")),
            (400, ask("x", "A\u00e9: b")),
            (400, ask("x").replace(b"\r\n", b"\n")),
            (400, b"GET /healthz HTTP/1.1\nHost: a\r\n\r\n"),
            (400, b"\n\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, ask("x", "Host: other")),
            (400, b"GET /healthz HTTP/1.1\r\n\r\n"),
            (400, b"GET /healthz HTTP/1.1\r\nHost: a/b\r\n\r\n"),
            (400, b"GET /healthz HTTP/1.1\r\nHost: a@b\r\n\r\n"),
        )

    def test_request_lines(self) -> None:
        self.codes(
            (501, b"CONNECT east:443 HTTP/1.1\r\nHost: east:443\r\n\r\n"),
            (501, b"TRACE /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
            (501, b"get /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
            (501, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            (505, b"GET /healthz\r\n\r\n"),
            (505, b"GET /healthz\r\n"),
            (505, b"GET /healthz HTTP/2.0\r\nHost: a\r\n\r\n"),
            (505, b"GET /healthz HTTP/1.2\r\nHost: a\r\n\r\n"),
            (400, b"GET /healthz HTTP/1.10\r\nHost: a\r\n\r\n"),
            (400, b"GET /healthz http/1.1\r\nHost: a\r\n\r\n"),
            (400, b"GET  /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, b"GET /healthz HTTP/1.1 \r\nHost: a\r\n\r\n"),
            (400, b"GET /health\tz HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, b"GET /health\x00z HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, b"GET /health\xffz HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, b"GET /healthz#top HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, b"GET healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, b"GET * HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, b"G(T /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"),
            (400, b"\x80\x2e\x01\x03\x01\r\n\r\n"),
        )

    def test_sizes(self) -> None:
        self.codes(
            (431, ask("x", "A: " + "b" * 100_000)),
            (431, ask("x", "A" * 100_000 + ": b")),
            (431, ask("x", *["A: b"] * 10_000)),
            (431, ask("x", *["A:"] * 300)),
            (414, ask("x" * 17_000)),
            (414, ask("x?" + "y" * 100_000)),
            (414, b"G" * 100_000),
            (431, b"GET /healthz HTTP/1.1\r\nHost: a\r\n" + b"b" * 100_000),
        )

    def test_paths_that_climb(self) -> None:
        """Two heads that nobody could serve, and many that are well-formed: those leave the connection as it was."""
        self.codes(
            (400, ask("/../etc/passwd")),
            (400, ask("/%2e%2e/etc/passwd")),
            (400, ask("//evil/" + PREFIX + "/east/proxy/x")),
            (400, ask("/" + PREFIX + "/east/proxy/x")),
            (400, ask("/x").replace(b"/x", b"http:///x")),
            (400, ask("/x").replace(b"/x", b"https://a//x")),
            (400, ask("/x").replace(b"/x", b"ftp://a/x")),
            (400, ask("/x").replace(b"/x", b"https://user@a/x")),
        )
        client = self.client()
        for target in (
            "/../../west/proxy/api",
            "/..",
            "/a/../../b",
            "/%2e%2e/secret",
            "/.%2E/secret",
            "/a%2f..%2f..%2fsecret",
            "/..;a=b/secret",
            "/..%5csecret",
            "/..\\secret",
            "?path=../secret",
            "?path=%2e%2e%2fsecret",
            "?path=..;/secret",
            "?path=..%5csecret",
        ):
            client.send(ask(f"{PREFIX}/east/proxy{target}"))
            code, _, body = client.answer()
            self.assertEqual((400, 400), (code, said(body)["code"]), target)
        self.assertEqual([], self.upstream_saw())

    def test_what_looks_like_a_cluster_but_is_none(self) -> None:
        client = self.client()
        for target in (
            f"{PREFIX}/east%2fproxy/x",
            f"{PREFIX}/%65ast/proxy/x",
            f"{PREFIX}/east//proxy/x",
            f"{PREFIX}/east/%70roxy/x",
            f"{PREFIX}/./east/proxy/x",
            f"{PREFIX}/x/../east/proxy/x",
            f"/apis/../{PREFIX[1:]}/east/proxy/x",
            f"{PREFIX}/EAST/proxy/x",
            f"{PREFIX}/east/proxyx",
            f"{PREFIX}/../clustergateways/east/proxy/x",
        ):
            client.send(ask(target))
            code, _, body = client.answer()
            # What begins with an API group that there is none of is not even for everybody to ask about.
            self.assertIn(code, (403, 404), target)
            self.assertEqual(code, said(body)["code"])
        self.assertEqual([], self.upstream_saw())

    def test_what_is_encoded_twice_is_not_the_gateways_to_read(self) -> None:
        self.assertEqual(200, self.gateway.ask("%252e%252e/x")[0])
        self.assertEqual(200, self.gateway.ask("a%2Fb//c/./d/?")[0])
        self.assertEqual(200, self.gateway.ask("?path=a%0d%0aX-Remote-User:%20root")[0])
        seen = [found.split(b" ")[1] for found in self.upstream_saw()]
        self.assertEqual([b"/%252e%252e/x", b"/a%2Fb//c/./d/?", b"/?path=a%0d%0aX-Remote-User:%20root"], seen)
        self.assertEqual(200, self.gateway.ask(f"{PREFIX}/east/proxy?path=a%0d%0aX-Remote-User:%20root")[0])
        [seen_head] = self.upstream_saw()
        self.assertTrue(seen_head.startswith(b"GET /a%0D%0AX-Remote-User:%20root HTTP/1.1\r\n"), seen_head)

    def test_absolute_form_names_no_other_server(self) -> None:
        client = self.client()
        client.send(ask("x").replace(b"GET /", b"GET https://evil.example/"))
        self.assertEqual(200, client.answer()[0])
        [seen] = self.upstream_saw()
        self.assertTrue(seen.startswith(b"GET /x HTTP/1.1\r\nHost: 127.0.0.1:"), seen)
        self.assertNotIn(b"evil", seen)

    def test_http10(self) -> None:
        client = self.client()
        client.send(ask("x").replace(b"HTTP/1.1", b"HTTP/1.0"))
        code, fields = client.head()
        self.assertEqual((200, "close"), (code, fields["connection"]))
        self.assertEqual(b"ok", client.rest())
        [seen] = self.upstream_saw()
        self.assertTrue(seen.startswith(b"GET /x HTTP/1.1\r\n"), seen)


class HeadsOnStockTls(Heads):
    mode = "twisted"


CHUNKED = "Transfer-Encoding: chunked"
BUSY = 'clustergateway_upstream_connections{cluster="east",state="busy"}'


class Bodies(Hostile):
    def setUp(self) -> None:
        super().setUp()
        self.seen: queue.Queue[bytes] = queue.Queue()

    def keep(self, conversation: Conversation) -> None:
        """A script: keep what comes, and wait until the gateway closes."""
        while request := conversation.request():
            self.seen.put(request)

    def cut(self, data: bytes) -> int:
        """
        Send a proxied request whose body is malformed: it ends both connections.

        @return: the code.
        """
        self.east.script = self.keep
        client = self.client()
        try:
            client.send(data)
        except OSError:
            pass  # refused before all was sent
        code, fields, body = client.answer()
        self.assertEqual("close", fields["connection"])
        self.assertEqual(code, said(body)["code"])
        self.assertEqual(0, self.gateway.gauge(BUSY))
        client.close()
        return code

    def test_chunks(self) -> None:
        post = ask("x", CHUNKED, method="POST")
        for body in (
            b"5\r\nhello\r\nzz\r\n",
            b"5\r\nhello!\r\n",
            b"5\r\nhello\n",
            b"5\nhello\r\n",
            b"-1\r\n",
            b"+5\r\nhello\r\n",
            b"0x5\r\nhello\r\n",
            b" 5\r\nhello\r\n",
            b"1" * 17 + b"\r\n",
            b"5;a\x00\r\nhello\r\n",
            b"5;a\rb\r\nhello\r\n",
            b"5;" + b"a" * 5000,
            b"0\r\nX-Remote-User: root\r\n\r\n",
            b"0\r\nContent-Length: 5\r\n\r\n",
            b"0\r\nAuthorization: Bearer x\r\n\r\n",
            b"0\r\n folded\r\n\r\n",
            b"0\r\n" + b"A: b\r\n" * 5000,
            b"1;a=b\r\nx\r\n" * 20_000,
        ):
            self.assertEqual(400, self.cut(post + body), body[:40])
            self.assertEqual(400, self.refused(ask("/version", CHUNKED, method="POST") + body), body[:40])
        while not self.seen.empty():
            seen = self.seen.get()
            self.assertFalse(seen.endswith(b"0\r\n\r\n"), "the cluster was told that the body is complete")

    def test_a_list_too_large_for_what_is_not_proxied(self) -> None:
        path = f"{PREFIX}/east"
        for method in ("PUT", "POST"):
            self.assertEqual(413, self.refused(ask(path, f"Content-Length: {2 * MIB}", method=method)))
            self.assertEqual(413, self.refused(ask(path, "Content-Length: " + "9" * 18, method=method)))
            chunks = b"10000\r\n" + b"x" * 65536 + b"\r\n"
            self.assertEqual(413, self.refused(ask(path, CHUNKED, method=method) + chunks * 40))

    def test_forms_are_nobodys_business(self) -> None:
        """Twisted Web reads some bodies by itself, before any resource is asked."""
        for kind, body in (
            ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
            ("multipart/form-data", b"--x\r\nbroken"),
            ("multipart/form-data; boundary=" + "x" * 5000, b"--x--"),
            ("application/x-www-form-urlencoded", b"a&" * 100_000),
        ):
            lines = (f"Content-Type: {kind}", f"Content-Length: {len(body)}")
            code, _, answer = self.gateway.ask("/version", *lines, method="POST", body=body)
            self.assertEqual((405, 405), (code, said(answer)["code"]), kind)

    def test_an_upload_to_nobody_known_is_not_taken(self) -> None:
        client = self.client()
        client.send(ask("x", f"Content-Length: {100 * MIB}", "Expect: 100-continue", method="POST", token="wrong"))
        code, fields, body = client.answer()
        self.assertEqual((401, "close", 401), (code, fields["connection"], said(body)["code"]))


class BodiesOnStockTls(Bodies):
    mode = "twisted"


class Smuggling(Hostile):
    """What is one request to the gateway is one request to the cluster, and the other way round."""

    def test_pipelined_requests_to_clusters_and_to_the_gateway_in_one_piece(self) -> None:
        hidden = ask("hidden")
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
        client = self.client()
        client.send(
            ask("one", f"Content-Length: {len(hidden)}", method="POST", body=hidden)
            + ask("/healthz")
            + ask("two", CHUNKED, method="PUT", body=chunked)
            + ask("/version", f"Content-Length: {len(hidden)}", body=hidden)
            + ask("three", method="HEAD")
            + ask("four", "Content-Length: 0", method="DELETE")
            + ask("/healthz", method="HEAD")
            + ask(f"{PREFIX}/west/proxy/five")
        )
        codes = []
        for head_only in (False, False, False, False, True, False, True, False):
            codes.append(client.answer(head_only=head_only)[0])
        self.assertEqual([200] * 8, codes)
        seen = self.upstream_saw()
        self.assertEqual([b"POST /one", b"PUT /two", b"HEAD /three", b"DELETE /four"], [found.partition(b" HTTP")[0] for found in seen])
        self.assertTrue(seen[0].endswith(b"\r\n\r\n" + hidden))
        self.assertTrue(seen[1].endswith(b"\r\n\r\n" + chunked))

    def test_nothing_behind_a_refused_head_is_served(self) -> None:
        client = self.client()
        bad = ask("bad", "Content-Length: 6", CHUNKED, method="POST", body=b"0\r\n\r\n")
        client.send(ask("good") + bad + ask("hidden") * 3)
        self.assertEqual(200, client.answer()[0])
        self.assertEqual(400, client.answer()[0])
        with self.assertRaises((OSError, EOFError)):
            client.head()
        self.assertEqual([b"/good"], [found.split(b" ")[1] for found in self.upstream_saw()])

    def test_an_identity_is_for_one_request(self) -> None:
        def bare(data: bytes) -> bytes:
            return b"\r\n".join(line for line in data.split(b"\r\n") if not line.startswith(b"Authorization"))

        client = self.client()
        for data, code in ((ask("x"), 200), (bare(ask("x")), 401), (ask("x"), 200), (bare(ask("/version")), 401)):
            client.send(data)
            self.assertEqual(code, client.answer()[0])
        client.send(ask("x") + bare(ask("x")) + ask("x", token="wrong") + ask("x"))
        self.assertEqual([200, 401, 401, 200], [client.answer()[0] for _ in range(4)])

    def test_the_rest_of_a_body_that_was_answered_early_is_no_request(self) -> None:
        def script(conversation: Conversation) -> None:
            conversation.socket.recv(10)
            conversation.send(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
            conversation.ended()

        self.east.script = script
        client = self.client()
        client.send(ask("x", "Content-Length: 10000", method="POST", body=b"first"))
        code, fields, _ = client.answer()
        self.assertEqual((413, "close"), (code, fields["connection"]))
        self.east.script = self.east.answer
        try:
            client.send(ask("hidden") * 3)
            self.assertEqual(b"", client.rest())
        except OSError:
            pass
        self.assertEqual([], self.upstream_saw())


class SmugglingOnStockTls(Smuggling):
    mode = "twisted"


IDENTITY = (
    "X-Remote-User: system:admin",
    "X-Remote-Group: system:masters",
    "X-Remote-Uid: 0",
    "X-Remote-Extra-Scopes: all",
    "x-REMOTE-user: root",
    "X_Remote_User: root",
    "X-Remote_User: root",
    "X_Remote-Group: system:masters",
    "Impersonate-User: root",
    "Impersonate-Group: system:masters",
    "Impersonate-Uid: 0",
    "Impersonate-Extra-a: b",
    "Impersonate_User: root",
    "impersonate_group: system:masters",
    "Cookie: session=1",
    "Proxy-Authorization: Basic cm9vdDpyb290",
    "X-Forwarded-For: 10.0.0.1",
    "X-Forwarded-User: root",
    "X_Forwarded_For: 10.0.0.1",
    "Forwarded: for=10.0.0.1",
    "X-Real-IP: 10.0.0.1",
    "Via: 1.1 evil",
    "TE: trailers",
    "Keep-Alive: timeout=5",
    "Proxy-Connection: keep-alive",
    "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
    "Authorization_: Bearer evil",
    "Transfer_Encoding: chunked",
    "Content_Length: 5",
)


class Identities(Hostile):
    def heads(self, *lines: str) -> list[bytes]:
        """What a cluster is sent of a request with these lines, by the usual way and by an upgrade."""
        self.assertEqual(200, self.gateway.ask("x", *lines)[0])
        self.assertEqual(200, self.gateway.ask("x", "Upgrade: websocket", "Connection: Upgrade", *lines)[0])
        return self.upstream_saw()

    def test_no_header_of_the_client_is_an_identity_upstream(self) -> None:
        mine = f"Authorization: Bearer {CLUSTER_TOKEN}".encode()
        for head in self.heads("X-Kept: yes", *IDENTITY):
            [line, *fields, _, _] = head.split(b"\r\n")
            names = [field.partition(b":")[0].lower() for field in fields]
            upgrade = [b"connection", b"upgrade"] if b"upgrade" in names else []
            self.assertEqual([b"x-kept", *upgrade, b"host", b"authorization"], [n for n in names if n != b"authorization_"])
            self.assertIn(mine, fields)
            self.assertNotIn(CLIENT_TOKEN.encode(), head)
            self.assertEqual(b"GET /x HTTP/1.1", line)

    def test_connection_takes_nothing_of_the_gateways_away(self) -> None:
        for options in (
            "Authorization",
            "close, authorization, x-remote-user",
            "keep-alive, Impersonate-User, Impersonate-Group",
            "X-Kept, cookie",
        ):
            self.assertEqual(200, self.gateway.ask("x", f"Connection: {options}", "X-Kept: yes", *IDENTITY)[0])
            [head] = self.upstream_saw()
            self.assertEqual(1, head.count(b"\r\nAuthorization: "))
            self.assertIn(f"\r\nAuthorization: Bearer {CLUSTER_TOKEN}\r\n".encode(), head)
            self.assertNotIn(b"mpersonate", head)
            self.assertNotIn(b"emote", head)
            self.assertNotIn(b"Connection", head)
        for options in ("Host", "content-length", "close, Transfer-Encoding"):
            self.assertEqual(400, self.refused(ask("x", f"Connection: {options}")))

    def test_a_token_among_the_websocket_protocols_stays_here(self) -> None:
        secret = "base64url.bearer.authorization.k8s.io." + urlsafe_b64encode(CLIENT_TOKEN.encode()).decode().rstrip("=")
        line = f"Sec-WebSocket-Protocol: v5.channel.k8s.io, {secret}, v4.channel.k8s.io"
        data = ask("x", line, "Upgrade: websocket", "Connection: Upgrade")
        client = self.client()
        client.send(data)
        self.assertEqual(401, client.answer()[0], "two tokens are one too many")
        client.send(data.replace(f"Authorization: Bearer {CLIENT_TOKEN}\r\n".encode(), b""))
        self.assertEqual(200, client.answer()[0])
        [head] = self.upstream_saw()
        self.assertIn(b"\r\nSec-WebSocket-Protocol: v5.channel.k8s.io, v4.channel.k8s.io\r\n", head)
        self.assertNotIn(secret.encode(), head)

    def test_http2_is_not_offered_to_a_cluster(self) -> None:
        """What h2c carries would be requests that nobody has read."""
        for offer in ("h2c", "H2C", "h2c, websocket", "websocket, h2c", "websocket,h2c "):
            lines = (f"Upgrade: {offer}", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABk")
            self.assertEqual(200, self.gateway.ask("x", *lines)[0])
            [head] = self.upstream_saw()
            self.assertNotIn(b"h2c", head.lower())
            self.assertNotIn(b"http2", head.lower())

    def test_the_names_of_headers_are_checked_before_anything_else(self) -> None:
        for line in ("X-Remote-User : root", "X-Remote-User\x0b: root", "X-Remote-User", "\x00X-Remote-User: root"):
            self.assertEqual(400, self.refused(ask("x", line)))
        self.assertEqual([], self.upstream_saw())


class IdentitiesOnStockTls(Identities):
    mode = "twisted"
