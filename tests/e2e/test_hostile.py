"""Heads and bodies that attackers send to the real process, over real TLS: each gets a clear answer."""

from __future__ import annotations

import queue

from .hostile import BUSY, CHUNKED, MIB, Hostile
from .scripted import PREFIX, Conversation, said
from .scripted import request as ask


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
            self.assertIn(code, (400, 403, 404), target)
            self.assertEqual(code, said(body)["code"])
        self.assertEqual([], self.upstream_saw())

    def test_what_is_encoded_twice_is_not_the_gateways_to_read(self) -> None:
        self.assertEqual(200, self.gateway.ask("%252e%252e/x")[0])
        self.assertEqual(200, self.gateway.ask("a%2Fb//c/d/?")[0])
        self.assertEqual(200, self.gateway.ask("?path=a%0d%0aX-Remote-User:%20root")[0])
        seen = [found.split(b" ")[1] for found in self.upstream_saw()]
        self.assertEqual([b"/%252e%252e/x", b"/a%2Fb//c/d/?", b"/?path=a%0d%0aX-Remote-User:%20root"], seen)
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
        heads_only = (False, False, False, False, True, False, True, False)
        codes = [client.answer(head_only=head_only)[0] for head_only in heads_only]
        self.assertEqual([200] * 8, codes)
        seen = self.upstream_saw()
        lines = [found.partition(b" HTTP")[0] for found in seen]
        self.assertEqual([b"POST /one", b"PUT /two", b"HEAD /three", b"DELETE /four"], lines)
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
