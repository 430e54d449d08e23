"""What clients send that is no request, or comes too slowly."""

from __future__ import annotations

from twisted.internet.error import ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.settings import Limits

from .world import OK, World, answer, request, status

GET = request("GET /east/pods")


class Hostile(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()

    def refused(self, data: bytes) -> int:
        """Send this, and see it refused with a Status, the connection ended, and nothing sent on."""
        world = self.world = World()
        client = world.client()
        world.send(client, data)
        code, fields, _ = answer(client.received)
        self.assertEqual("close", fields["connection"])
        self.assertEqual(code, status(client.received)["code"])
        self.assertTrue(client.half_closed)
        world.send(client, GET)
        self.assertEqual(1, client.received.count(b"HTTP/1.1 "))
        self.assertEqual([], world.clusters)
        world.advance(7)
        self.assertIsNotNone(client.lost)
        [record] = world.records
        self.assertEqual((code, "refused"), (record.code, record.outcome))
        return code

    def test_codes(self) -> None:
        for code, data in (
            (400, request("POST /east/x", "Content-Length: 5", "Transfer-Encoding: chunked")),
            (400, request("POST /east/x", "Content-Length: 5", "Content-Length: 6")),
            (400, request("POST /east/x", "Content-Length: +5")),
            (400, request("GET /east/x", "A: b", " c")),
            (400, b"GET /east/x HTTP/1.1\nHost: a\n\n"),
            (400, request("GET /east/x", "A: \x00")),
            (400, request("GET /east/x", "A : b")),
            (400, request("GET //east/x")),
            (400, request("GET /east/../../x")),
            (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n"),
            (414, request("GET /east/" + "x" * 20_000)),
            (431, request("GET /east/x", "A: " + "b" * 100_000)),
            (431, request("GET /east/x", *["A: b"] * 10_000)),
            (501, request("CONNECT east:443")),
            (505, b"GET /east/x\r\n"),
            (505, b"PUT /east/x HTTP/2.0\r\n\r\n"),
        ):
            self.assertEqual(code, self.refused(data), data[:50])

    def test_smuggling(self) -> None:
        """Bytes behind a refused head are not another request."""
        hidden = request("GET /east/secret")
        self.refused(
            request("POST /east/x", "Content-Length: 0", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + hidden)
        )

    def test_absolute_form(self) -> None:
        self.world.send(self.client, b"GET https://other/east/x HTTP/1.1\r\nHost: gw\r\n\r\n")
        self.assertTrue(self.world.cluster.take().startswith(b"GET /x HTTP/1.1\r\nHost: up\r\n"))

    def test_endless_chunk_extensions(self) -> None:
        self.world.send(self.client, request("POST /east/x", "Transfer-Encoding: chunked"))
        for _ in range(100):
            self.world.send(self.client, b"1;" + b"x" * 1000 + b"\r\na\r\n")
        self.assertEqual(400, status(self.client.take())["code"])
        self.assertLess(len(self.world.cluster.received), 20_000)
        self.assertIsNotNone(self.world.cluster.lost)


class Slow(SynchronousTestCase):
    def setUp(self) -> None:
        self.limits = Limits(head_timeout=5, body_timeout=10, idle_timeout=20)
        self.world = World(self.limits)
        self.client = self.world.client()

    def test_a_head_byte_by_byte(self) -> None:
        self.world.advance(15)
        for byte in b"GET / H":
            self.world.send(self.client, bytes([byte]))
            self.world.advance(1)
        self.assertEqual(408, status(self.client.take())["code"])
        self.world.advance(7)
        self.assertIsNotNone(self.client.lost)
        self.assertEqual([(408, "timeout")], self.world.outcomes)

    def test_the_second_head_has_its_own_time(self) -> None:
        self.world.send(self.client, GET[:5])
        self.world.advance(4)
        self.world.send(self.client, GET[5:] + GET[:5])
        self.world.advance(4)
        self.world.send(self.world.cluster, OK)
        self.world.advance(4)
        self.assertEqual(OK, self.client.take())
        self.world.advance(3)
        self.assertEqual(408, status(self.client.take())["code"])

    def test_a_body_that_stops(self) -> None:
        self.world.send(self.client, request("POST /east/x", "Content-Length: 10", body=b"a"))
        for _ in range(3):
            self.world.advance(8)
            self.world.send(self.client, b"b")
        self.world.advance(12)
        self.assertEqual(408, status(self.client.take())["code"])
        self.assertIsNotNone(self.world.cluster.lost)
        self.assertEqual([(408, "timeout")], self.world.outcomes)

    def test_a_body_that_stops_behind_an_answer(self) -> None:
        self.world.send(self.client, request("POST /east/x", "Content-Length: 10", body=b"a"))
        self.world.send(self.world.cluster, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
        self.world.advance(12)
        assert self.client.lost is not None
        self.assertTrue(self.client.lost.check(ConnectionLost))
        self.assertEqual([(200, "timeout")], self.world.outcomes)

    def test_a_body_that_is_held_back_has_not_stopped(self) -> None:
        world = World(self.limits, high_water=100)
        client = world.client()
        world.send(client, request("POST /east/x", "Content-Length: 1000"))
        world.cluster.transport.pauseProducing()
        world.send(client, b"x" * 500)
        world.advance(30)
        self.assertEqual([], world.records)

    def test_an_idle_connection(self) -> None:
        self.world.advance(19)
        self.assertIsNone(self.client.lost)
        self.world.send(self.client, GET)
        self.world.advance(30)
        self.world.send(self.world.cluster, OK)
        self.world.advance(19)
        self.assertIsNone(self.client.lost)
        self.world.advance(3)
        self.assertIsNotNone(self.client.lost)

    def test_one_that_does_not_read_its_last_answer(self) -> None:
        world = World(self.limits, high_water=10)
        client = world.client()
        client.transport.pauseProducing()
        world.send(client, request("GET /east/x", "Connection: close"))
        world.send(world.cluster, OK)
        world.advance(self.limits.body_timeout + 2)
        self.assertIsNotNone(client.lost)

    def test_one_that_does_not_read_why_it_is_refused(self) -> None:
        world = World(Limits(head_timeout=5, body_timeout=1000), high_water=10)
        client = world.client()
        client.transport.pauseProducing()
        world.send(client, GET[:5])
        world.advance(6)
        self.assertIsNone(client.lost)
        for _ in range(8):
            world.advance(1)
        self.assertIsNotNone(client.lost)


class Limited(SynchronousTestCase):
    def test_connections(self) -> None:
        world = World(Limits(connections=2))
        first = world.client()
        world.client()
        self.assertIsNone(world.site.buildProtocol(None))
        first.transport.loseConnection()
        world.network.pump()
        self.assertEqual(1, world.site.connections)
        self.assertIsNotNone(world.site.buildProtocol(None))

    def test_nothing_ticks_when_nobody_is_there(self) -> None:
        world = World()
        client = world.client()
        self.assertEqual(1, len(world.clock.getDelayedCalls()))
        client.transport.loseConnection()
        world.network.pump()
        self.assertEqual([], world.clock.getDelayedCalls())
