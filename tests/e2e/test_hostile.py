"""What attackers send to the real process, over real TLS: each costs little and gets a clear answer."""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import ssl
import threading
from base64 import urlsafe_b64encode
from contextlib import closing

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


class Slow(Hostile):
    """Who does not get on with it is sent away."""

    flags = IMPATIENT

    def drip(self, client: Client, piece: bytes) -> tuple[int, dict[str, str], bytes]:
        """Send this now and then until there is an answer."""
        while not select.select([client.socket], [], [], 0.2)[0]:
            client.send(piece)
        return client.answer()

    def test_a_head_that_does_not_come_to_its_end(self) -> None:
        for beginning, piece in ((b"G", b""), (b"GET /x HTTP/1.1\r\nHost: a\r\nX: ", b"x"), (b"\r\n", b"")):
            client = self.client()
            client.send(beginning)
            code, fields, body = self.drip(client, piece)
            self.assertEqual((408, "close", 408), (code, fields["connection"], said(body)["code"]))

    def test_a_body_that_does_not_come_to_its_end(self) -> None:
        for target in ("x", f"{PREFIX}/east"):
            for line, beginning in (("Content-Length: 10", b"hello"), (CHUNKED, b"5\r\nhel")):
                client = self.client()
                client.send(ask(target, line, method="PUT", body=beginning))
                code, fields, body = client.answer()
                self.assertEqual((408, "close", 408), (code, fields["connection"], said(body)["code"]))
        self.assertEqual(0, self.gateway.gauge(BUSY))

    def test_an_upload_that_the_cluster_does_not_take(self) -> None:
        """As long as bytes can be sent there is no end of it; a cluster that reads none is given up."""
        gateway = shared_gateway(f"--tls-transport={self.mode}", "--answer-timeout=1")
        over = threading.Event()
        self.addCleanup(over.set)
        gateway["west"].script = lambda conversation: void(over.wait(SECONDS))
        with closing(gateway.client()) as client:
            client.send(ask(f"{PREFIX}/west/proxy/x", f"Content-Length: {1 << 40}", method="POST"))
            pump = threading.Thread(target=self.pour, args=(client,), daemon=True)
            pump.start()
            code, fields, body = client.answer()
            self.assertEqual((504, "close"), (code, fields["connection"]))
            self.assertEqual("west", said(body)["details"]["name"])
        pump.join(SECONDS)
        self.assertFalse(pump.is_alive())

    @staticmethod
    def pour(client: Client) -> None:
        try:
            while True:
                client.send(b"x" * 65536)
        except OSError:
            pass

    def test_a_handshake_that_does_not_come_to_its_end(self) -> None:
        hello = client_hello()
        for beginning in (b"", hello[:1], hello[:-1], hello):
            with closing(self.gateway.plain()) as plain:
                plain.sendall(beginning)
                try:
                    while plain.recv(65536):
                        pass
                except ConnectionResetError:
                    pass

    def test_a_connection_without_a_request(self) -> None:
        self.assertEqual(b"", self.client().rest())

    def test_what_is_no_tls(self) -> None:
        for data in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 70_000):
            with closing(self.gateway.plain()) as plain:
                try:
                    plain.sendall(data)
                    while plain.recv(65536):
                        pass
                except OSError:
                    pass
        self.assertEqual(200, self.gateway.ask("/healthz")[0])
        self.assertNotIn("Traceback", self.gateway.process.output)


class SlowOnStockTls(Slow):
    mode = "twisted"


def void(value: object) -> None:
    """For scripts that are one expression."""


def client_hello() -> bytes:
    """What a TLS client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


class Answers(Hostile):
    """What a cluster in bad hands answers harms its own clients at most."""

    def scripted(self, answer: bytes) -> None:
        """Have the cluster say this to one request, and then wait for the gateway to close."""

        def script(conversation: Conversation) -> None:
            conversation.request()
            conversation.send(answer)
            conversation.ended()

        self.east.script = script

    def malformed(self, answer: bytes) -> None:
        """An answer that the client does not get to see, in whose place it gets a Status."""
        self.scripted(answer)
        client = self.client()
        client.send(ask("x"))
        code, _, body = client.answer()
        self.assertEqual((502, "BadGateway"), (code, said(body)["reason"]), answer[:60])
        self.assertEqual("east", said(body)["details"]["name"])
        self.assertNotIn(b"evil", body)
        client.send(ask("/healthz"))
        self.assertEqual(200, client.answer()[0], "the client's connection can go on")
        self.assertEqual(0, self.gateway.gauge(BUSY))

    def test_malformed_heads(self) -> None:
        for answer in (
            b"evil\r\n\r\n",
            b"\r\n\r\n",
            b"HTTP/2.0 200 OK\r\n\r\n",
            b"HTTP/0.9 200 OK\r\n\r\n",
            b"HTTP/1.1 20 OK\r\n\r\n",
            b"HTTP/1.1 2000 OK\r\n\r\n",
            b"HTTP/1.1 -200 OK\r\n\r\n",
            b"HTTP/1.1 600 OK\r\n\r\n",
            b"HTTP/1.1  200 OK\r\n\r\n",
            b"HTTP/1.1 200 O\x00K\r\n\r\n",
            b"HTTP/1.1 200 OK\nA: evil\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: b\n\nHTTP/1.1 200 evil\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: b\rSet-Cookie: evil\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: b\r\n evil\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA : evil\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nevil\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nA: \x00evil\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nevil",
            b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nevil",
            b"HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nevil",
            b"HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\nevil",
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nevil",
            b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 2\r\n\r\nevil",
            b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nevil",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nevil",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\nevil",
            b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 4\r\n\r\nevil",
            b"HTTP/1.1 200 OK\r\nA: " + b"x" * 100_000,
            b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
            b"HTTP/1.1 200 " + b"x" * 100_000,
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: evil\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        ):
            self.malformed(answer)

    def test_a_flood_of_interim_answers(self) -> None:
        for flood in (b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000, b"HTTP/1.1 103 Hints\r\nA: b\r\n\r\n" * 100):
            self.scripted(flood)
            client = self.client()
            client.send(ask("x"))
            count = 0
            while (found := client.answer())[0] < 200:
                count += 1
            self.assertEqual(502, found[0])
            self.assertLess(count, 100)

    def test_a_body_where_there_is_none(self) -> None:
        hidden = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
        for code, method in ((204, "GET"), (304, "GET"), (200, "HEAD"), (200, "GET")):
            size = b"0" if (code, method) == (200, "GET") else b"%d" % len(hidden)
            self.scripted(b"HTTP/1.1 %d Fine\r\nContent-Length: %s\r\n\r\n%s" % (code, size, hidden))
            client = self.client()
            client.send(ask("x", method=method))
            self.assertEqual(code, client.answer(head_only=True)[0])
            self.assertEqual(0, self.gateway.gauge(IDLE), "what said too much is not asked again")
            self.east.script = self.east.answer
            client.send(ask("x"))
            self.assertEqual(b"ok", client.answer()[2])

    def test_more_than_was_promised(self) -> None:
        for answer in (
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + b"evil" * 10,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + b"evil" * 10,
        ):
            self.scripted(answer)
            client = self.client()
            client.send(ask("x"))
            self.assertEqual((200, b"ok"), client.answer()[::2])
            self.assertEqual(0, self.gateway.gauge(IDLE))
            self.east.script = self.east.answer
            client.send(ask("x"))
            self.assertEqual((200, b"ok"), client.answer()[::2])

    def test_what_nobody_asked_for_is_not_the_next_ones_answer(self) -> None:
        asked, answered = threading.Event(), threading.Event()

        def script(conversation: Conversation) -> None:
            conversation.request()
            conversation.send(OK)
            asked.wait(SECONDS)
            conversation.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")
            conversation.ended()
            answered.set()

        self.east.script = script
        self.assertEqual(b"ok", self.gateway.ask("x")[2])
        self.assertEqual(1, self.gateway.gauge(IDLE), "the connection is kept")
        self.east.script = self.east.answer
        asked.set()
        self.assertTrue(answered.wait(SECONDS), "the gateway closes it")
        self.assertEqual(0, self.gateway.gauge(IDLE))
        self.assertEqual(b"ok", self.gateway.ask("x")[2])

    def test_malformed_bodies_end_the_clients_connection_without_an_end_of_the_body(self) -> None:
        for body in (b"2\r\nok\r\nzz\r\nevil", b"2\r\nokevil", b"2;" + b"x" * 5000, b"0\r\nContent-Length: 4\r\n\r\n"):
            self.scripted(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            client = self.client()
            client.send(ask("x"))
            self.assertEqual(200, client.head()[0])
            received = b""
            with self.assertRaises(OSError):
                while data := client.socket.recv(65536):
                    received += data
            self.assertNotIn(b"0\r\n\r\n", received)

    def test_headers_of_one_hop_do_not_travel(self) -> None:
        lines = (b"Connection: X-Secret", b"X-Secret: evil", b"Keep-Alive: timeout=1", b"Proxy-Authenticate: Basic")
        self.scripted(b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"Content-Length: 2", b"", b"ok"]))
        _, fields, _ = self.gateway.ask("x")
        self.assertEqual({"content-length": "2"}, fields)


class AnswersOnStockTls(Answers):
    mode = "twisted"


IDLE = BUSY.replace("busy", "idle")
CHUNK = b"10000\r\n" + b"x" * 65536 + b"\r\n"


class Costs(Hostile):
    """What stays of those who were here, and what those cost who do nothing."""

    def watch(self, flood: bool) -> tuple[Client, threading.Event]:
        """
        A watch whose client is here, with something to read.

        @return: the client, and what is set once the cluster's connection is closed.
        """
        gone = threading.Event()

        def script(conversation: Conversation) -> None:
            conversation.request()
            try:
                conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
                while flood:
                    conversation.send(CHUNK)
                conversation.ended()
            except OSError:
                pass
            gone.set()

        self.east.script = script
        client = self.gateway.client()
        client.send(ask("api/v1/pods?watch=true"))
        self.assertEqual(200, client.head()[0])
        client.take(10)
        return client, gone

    def leave(self, client: Client, how: str) -> None:
        if how == "reset":
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        elif how == "close_notify":
            with contextlib.suppress(OSError):
                client.socket.unwrap()
        client.close()

    def test_a_client_that_disappears_takes_its_cluster_connection_with_it(self) -> None:
        self.assertEqual(200, self.gateway.ask("x")[0])
        before = self.gateway.descriptors(), self.gateway.gauge(BUSY)
        for how in ("reset", "fin", "close_notify"):
            for flood in (False, True):
                client, gone = self.watch(flood)
                self.assertEqual(1, self.gateway.gauge(BUSY))
                self.leave(client, how)
                self.assertTrue(gone.wait(SECONDS), (how, flood))
        self.assertEqual(before, (self.settled(before[0]), self.gateway.gauge(BUSY)))

    def settled(self, most: int) -> int:
        """How many descriptors there are when what is being closed is closed: each question takes some turns."""
        for _ in range(100):
            if (found := self.gateway.descriptors()) <= most:
                break
            self.gateway.ask("/healthz")
        return found

    def test_a_client_that_disappears_before_it_is_answered(self) -> None:
        before = self.gateway.descriptors()
        asked, gone = queue.Queue[bytes](), queue.Queue[bool]()

        def script(conversation: Conversation) -> None:
            asked.put(conversation.request())
            gone.put(conversation.ended())

        self.east.script = script
        for line, body in (("A: b", b""), ("Content-Length: 5", b"hello"), ("Upgrade: websocket\r\nConnection: Upgrade", b"")):
            client = self.gateway.client()
            client.send(ask("x", line, method="POST", body=body))
            asked.get(timeout=SECONDS)
            self.leave(client, "reset")
            self.assertTrue(gone.get(timeout=SECONDS))
        self.assertEqual(0, self.gateway.gauge(BUSY))
        self.assertEqual(before, self.settled(before))

    def test_a_flood_for_a_client_that_does_not_read(self) -> None:
        before = self.gateway.resident()
        watches = []
        sent = 0
        lock = threading.Lock()

        def script(conversation: Conversation) -> None:
            nonlocal sent
            conversation.request()
            conversation.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            conversation.socket.settimeout(2)  # as long as nothing more fits into any buffer on the way
            try:
                while True:
                    conversation.send(CHUNK)
                    with lock:
                        sent += len(CHUNK)
            except OSError:
                stuck.release()

        stuck = threading.Semaphore(0)
        self.east.script = script
        for _ in range(8):
            client = self.client()
            client.send(ask("api/v1/pods?watch=true"))
            self.assertEqual(200, client.head()[0])
            watches.append(client)
        for _ in watches:
            self.assertTrue(stuck.acquire(timeout=SECONDS), "the cluster is held back")
        self.assertGreater(sent, 8 * MIB)
        self.assertLess(self.gateway.resident() - before, 16 * MIB)
        self.assertEqual(200, self.gateway.ask("/healthz")[0])

    def test_a_client_that_pipelines_and_does_not_read(self) -> None:
        before = self.gateway.resident()
        for one in (ask("/version"), ask("x", token="wrong")):
            client = self.client()
            client.socket.settimeout(2)
            sent = 0
            with self.assertRaises(TimeoutError):
                while sent < 100 * MIB:
                    client.send(one * 1000)
                    sent += len(one) * 1000
        self.assertLess(self.gateway.resident() - before, 8 * MIB)

    def test_others_are_served_while_one_pipelines(self) -> None:
        """Between two answers to somebody else there is time for some of a flood, not for all of what was read."""
        flood = self.client()
        flood.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n" * 6000)
        other = self.client()
        other.send(ask("/healthz"))
        self.assertEqual(200, other.answer()[0])
        for _ in range(6000):
            self.assertEqual(200, flood.answer()[0])

    def test_idle_connections(self) -> None:
        self.gateway.ask("/healthz")
        before, descriptors = self.gateway.resident(), self.gateway.descriptors()
        clients = [self.client() for _ in range(2000)]
        self.assertEqual(2001, self.gateway.gauge("clustergateway_client_connections"))
        self.assertLess(self.gateway.resident() - before, 2000 * 60_000)
        self.assertEqual(200, self.gateway.ask("x")[0])
        for client in clients:
            client.close()
        self.assertEqual(descriptors, self.settled(descriptors))

    def test_strangers_do_not_grow_the_metrics(self) -> None:
        before = self.gateway.metrics().count("\n")
        client = self.client()
        for number in range(50):
            client.send(ask(f"{PREFIX}/cluster{number}/proxy/api/v1/things{number}", token="wrong"))
            self.assertEqual(401, client.answer()[0])
        self.assertLess(self.gateway.metrics().count("\n") - before, 30)


class CostsOnStockTls(Costs):
    mode = "twisted"


class Silence(Hostile):
    def test_no_secret_and_no_traceback_is_written(self) -> None:
        """Whatever the tests before this one have sent."""
        query = "que5ry-5eCr3t"
        self.gateway.ask(f"x?{query}", f"Cookie: {query}")
        self.gateway.ask("x", f"Authorization: Bearer {query}")
        self.refused(ask("x", f"X {query}"))
        self.refused(ask(f"x {query}"))
        self.refused(ask("x", f"Content-Length: {query}"))
        written = self.gateway.log.read_text() + self.gateway.process.output + self.gateway.metrics()
        for secret in (CLIENT_TOKEN, CLUSTER_TOKEN, query, "PRIVATE KEY"):
            self.assertNotIn(secret, written)
        self.assertNotIn("Traceback", written)
        self.assertIn('"user":"mallory"', written)


class SilenceOnStockTls(Silence):
    mode = "twisted"
