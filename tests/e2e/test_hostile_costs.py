"""What is slow, silent, gone or too much costs the real process little, over real TLS."""

from __future__ import annotations

import contextlib
import queue
import select
import socket
import ssl
import threading
from contextlib import closing

from .hostile import BUSY, CHUNKED, MIB, Hostile
from .scripted import PREFIX, SECONDS, Client, Conversation, said, shared_gateway
from .scripted import request as ask

IMPATIENT = ("--head-timeout=1", "--body-timeout=1", "--handshake-timeout=1", "--idle-timeout=2")


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
            client.pour(b"x" * 65536)
            code, fields, body = client.answer()
            self.assertEqual((504, "close"), (code, fields["connection"]))
            self.assertEqual("west", said(body)["details"]["name"])
            with self.assertRaises(OSError):
                while True:
                    client.send(b"x" * 65536)

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
        self.assertEqual(0, self.gateway.gauge(BUSY))
        before = self.gateway.descriptors()
        for how in ("reset", "fin", "close_notify"):
            for flood in (False, True):
                client, gone = self.watch(flood)
                self.assertEqual(1, self.gateway.gauge(BUSY))
                self.leave(client, how)
                self.assertTrue(gone.wait(SECONDS), (how, flood))
        self.assertEqual(0, self.gateway.gauge(BUSY))
        self.assertLessEqual(self.settled(before), before)

    def settled(self, most: int) -> int:
        """
        How many descriptors there are once what is being closed is closed: each question takes some turns. The one
        that the last question itself came by may still be there, so one is not counted.
        """
        for _ in range(100):
            if (found := self.gateway.descriptors() - 1) <= most:
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
        upgrade = ("Upgrade: websocket", "Connection: Upgrade")
        for lines, body in ((("A: b",), b""), (("Content-Length: 5",), b"hello"), (upgrade, b"")):
            client = self.gateway.client()
            client.send(ask("x", *lines, method="POST", body=body))
            asked.get(timeout=SECONDS)
            self.leave(client, "reset")
            self.assertTrue(gone.get(timeout=SECONDS))
        self.assertEqual(0, self.gateway.gauge(BUSY))
        self.assertLessEqual(self.settled(before), before)

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
        self.assertGreater(self.gateway.gauge("clustergateway_client_connections"), 2000)
        self.assertLess(self.gateway.resident() - before, 2000 * 60_000)
        self.assertEqual(200, self.gateway.ask("x")[0])
        for client in clients:
            client.close()
        self.assertLessEqual(self.settled(descriptors), descriptors)

    def test_strangers_do_not_grow_the_metrics(self) -> None:
        before = self.gateway.metrics().count("\n")
        client = self.client()
        for number in range(50):
            client.send(ask(f"{PREFIX}/cluster{number}/proxy/api/v1/things{number}", token="wrong"))
            self.assertEqual(401, client.answer()[0])
        self.assertLess(self.gateway.metrics().count("\n") - before, 30)


class CostsOnStockTls(Costs):
    mode = "twisted"
