"""What a cluster in bad hands answers harms its own clients at most: the real process, over real TLS."""

from __future__ import annotations

import threading

from .hostile import BUSY, IDLE, Hostile
from .scripted import OK, SECONDS, Conversation, said
from .scripted import request as ask


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
        for body in (
            b"2\r\nok\r\nzz\r\nevil",
            b"2\r\nokevil\r\n",
            b"2;" + b"x" * 5000,
            b"0\r\nContent-Length: 4\r\n\r\n",
        ):
            self.scripted(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
            client = self.client()
            client.send(ask("x"))
            received = b""
            with self.assertRaises(OSError) as caught:
                while data := client.socket.recv(65536):
                    received += data
            self.assertNotIsInstance(caught.exception, TimeoutError)
            self.assertNotIn(b"0\r\n\r\n", received)

    def test_headers_of_one_hop_do_not_travel(self) -> None:
        lines = (
            b"Connection: X-Secret, close",
            b"X-Secret: evil",
            b"Keep-Alive: timeout=1",
            b"Proxy-Authenticate: Basic",
        )
        self.scripted(b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"Content-Length: 2", b"", b"ok"]))
        _, fields, _ = self.gateway.ask("x")
        self.assertEqual({"content-length": "2"}, fields)


class AnswersOnStockTls(Answers):
    mode = "twisted"
