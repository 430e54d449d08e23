"""What attackers send to the real process, over real TLS: each costs little and gets a clear answer."""

from __future__ import annotations

import queue
import select
import socket
import ssl
import threading
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
        self.codes(
            (400, ask(f"{PREFIX}/east/proxy/../../west/proxy/api")),
            (400, ask(f"{PREFIX}/east/proxy/..")),
            (400, ask(f"{PREFIX}/east/proxy/a/../../b")),
            (400, ask(f"{PREFIX}/east/proxy/%2e%2e/secret")),
            (400, ask(f"{PREFIX}/east/proxy/.%2E/secret")),
            (400, ask(f"{PREFIX}/east/proxy/a%2f..%2f..%2fsecret")),
            (400, ask(f"{PREFIX}/east/proxy/..;a=b/secret")),
            (400, ask(f"{PREFIX}/east/proxy/..%5csecret")),
            (400, ask(f"{PREFIX}/east/proxy?path=../secret")),
            (400, ask(f"{PREFIX}/east/proxy?path=%2e%2e%2fsecret")),
            (400, ask("/../etc/passwd")),
            (400, ask("/%2e%2e/etc/passwd")),
            (400, ask("//evil/" + PREFIX + "/east/proxy/x")),
            (400, ask("/" + PREFIX + "/east/proxy/x")),
            (400, ask("http:///x")),
            (400, ask("https://a//x")),
            (400, ask("ftp://a/x")),
            (400, ask("https://user@a/x")),
        )

    def test_what_looks_like_a_cluster_but_is_none(self) -> None:
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
            code, _, body = self.gateway.ask(target)
            self.assertIn(code, (400, 404), target)
            said(body)
        self.assertEqual([], self.upstream_saw())

    def test_what_is_encoded_twice_is_not_the_gateways_to_read(self) -> None:
        self.assertEqual(200, self.gateway.ask("%252e%252e/x")[0])
        self.assertEqual(200, self.gateway.ask("a%2Fb//c/./d/?")[0])
        seen = [found.split(b" ")[1] for found in self.upstream_saw()]
        self.assertEqual([b"/%252e%252e/x", b"/a%2Fb//c/./d/?"], seen)

    def test_absolute_form_means_the_same(self) -> None:
        code, _, _ = self.gateway.ask(f"https://evil.example{PREFIX}/east/proxy/x".replace("https", "/https", 1)[1:])
        self.assertEqual(404, code) if code == 404 else self.assertEqual(200, code)

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
