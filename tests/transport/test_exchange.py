from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ConnectionLost, ConnectionRefusedError, DNSLookupError
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import Forbidden, GatewayError, ServiceUnavailable, Unauthenticated
from clustergateway.settings import Limits
from clustergateway.transport.forward import Forward
from clustergateway.transport.inbound import AT_A_TIME

from .world import OK, World, answer, request, status

GET = request("GET /east/pods")


class Requests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()

    def test_there_and_back(self) -> None:
        self.world.send(self.client, request("GET /east/pods?a=%2F&a=", "Accept: x/y", "X-Remote-User: root"))
        self.assertEqual(b"GET /pods?a=%2F&a= HTTP/1.1\r\nHost: up\r\nAccept: x/y\r\n\r\n", self.world.cluster.take())
        self.world.send(self.world.cluster, OK)
        self.assertEqual(OK, self.client.take())
        [record] = self.world.records
        self.assertEqual((200, "complete", 2, 0), (record.code, record.outcome, record.bytes_out, record.bytes_in))
        self.assertEqual("192.0.2.80:443", record.endpoint)

    def test_claims(self) -> None:
        self.world.send(self.client, request("GET /east/pods", "Authorization: Bearer t"))
        self.assertEqual(((b"authorization", b"Bearer t"),), self.world.claims[0].headers)
        self.assertEqual("192.0.2.1", self.world.claims[0].address)

    def test_connections_are_used_again(self) -> None:
        for _ in range(3):
            self.world.send(self.client, GET)
            self.world.send(self.world.cluster, OK)
        self.assertEqual(1, len(self.world.clusters))
        self.assertEqual([False, True, True], [record.reused for record in self.world.records])
        self.assertEqual((0, 1), (self.world.pool.busy, self.world.pool.idle))

    def test_pipelined_requests_are_answered_in_order(self) -> None:
        self.world.send(self.client, request("GET /east/1") + request("GET /east/2") + request("GET /east/3"))
        cluster = self.world.cluster
        for number in (b"1", b"2", b"3"):
            self.assertTrue(cluster.take().startswith(b"GET /" + number))
            self.world.send(cluster, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + number)
            self.assertTrue(self.client.take().endswith(b"\r\n\r\n" + number))
        self.assertEqual(1, len(self.world.clusters))

    def test_many_pipelined_requests_that_are_refused_at_once(self) -> None:
        self.world.decision = Forbidden("no")
        self.world.send(self.client, GET * 1000)
        self.assertEqual(AT_A_TIME, self.client.received.count(b"HTTP/1.1 403 Forbidden"), "others have their turn")
        for _ in range(1000 // AT_A_TIME + 1):
            self.world.clock.advance(0)
            self.world.network.pump()
        self.assertEqual(1000, self.client.take().count(b"HTTP/1.1 403 Forbidden"))
        self.assertEqual([(403, "refused")] * 1000, self.world.outcomes)

    def test_a_body_flows_before_it_is_complete(self) -> None:
        self.world.send(self.client, request("POST /east/pods", "Content-Length: 6", body=b"ab"))
        self.assertTrue(self.world.cluster.take().endswith(b"Content-Length: 6\r\n\r\nab"))
        self.world.send(self.client, b"cd")
        self.assertEqual(b"cd", self.world.cluster.take())
        self.world.send(self.client, b"ef" + GET)
        self.assertEqual(b"ef", self.world.cluster.take())
        self.world.send(self.world.cluster, OK)
        self.assertEqual(OK, self.client.take())
        self.assertTrue(self.world.cluster.take().startswith(b"GET /pods"))
        self.assertEqual(6, self.world.records[0].bytes_in)

    def test_a_chunked_body_passes_unchanged(self) -> None:
        body = b"3;x=y\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n"
        self.world.send(self.client, request("POST /east/pods", "Transfer-Encoding: chunked"))
        self.world.cluster.take()
        for byte in body:
            self.world.send(self.client, bytes([byte]))
        self.assertEqual(body, self.world.cluster.take())
        self.assertEqual(3, self.world.heads and 3)
        self.world.send(self.world.cluster, OK)
        self.assertEqual(3, self.world.records[0].bytes_in)

    def test_a_malformed_body_is_refused_and_cut(self) -> None:
        self.world.send(self.client, request("POST /east/pods", "Transfer-Encoding: chunked", body=b"1\r\na"))
        self.world.send(self.client, b"bc\r\n")
        code, fields, _ = answer(self.client.take())
        self.assertEqual((400, "close"), (code, fields["connection"]))
        self.assertIsNotNone(self.world.cluster.lost)

    def test_connection_close(self) -> None:
        self.world.send(self.client, request("GET /east/pods", "Connection: close"))
        self.world.send(self.world.cluster, OK)
        self.assertEqual("close", answer(self.client.take())[1]["connection"])
        self.assertIsNotNone(self.client.lost)
        self.assertIsNone(self.world.cluster.lost)

    def test_http10(self) -> None:
        self.world.send(self.client, b"GET /east/x HTTP/1.0\r\n\r\n")
        self.assertTrue(self.world.cluster.take().startswith(b"GET /x HTTP/1.1\r\n"))
        self.world.send(self.world.cluster, OK)
        self.assertEqual((200, {"content-length": "2", "connection": "close"}, b"ok"), answer(self.client.take()))
        self.assertIsNotNone(self.client.lost)

    def test_http10_keep_alive(self) -> None:
        self.world.send(self.client, b"GET /east/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        self.world.send(self.world.cluster, OK)
        self.assertEqual("keep-alive", answer(self.client.take())[1]["connection"])
        self.assertIsNone(self.client.lost)


class Decisions(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()

    def test_later(self) -> None:
        self.world.decision = decision = Deferred[Forward]()
        self.world.send(self.client, request("POST /east/pods", "Content-Length: 3", body=b"a"))
        self.world.send(self.client, b"bc" + GET)
        self.assertEqual([], self.world.clusters)
        self.world.decision = None
        decision.callback(self.world.forward(self.world.heads[0]))
        self.world.network.pump()
        self.assertTrue(self.world.cluster.take().endswith(b"\r\n\r\nabc"))
        self.world.send(self.world.cluster, OK)
        self.assertTrue(self.world.cluster.take().startswith(b"GET /pods"))

    def test_a_flood_before_the_decision_is_held_back(self) -> None:
        self.world.decision = decision = Deferred[Forward]()
        size = 3 * self.world.limits.high_water
        self.world.send(self.client, request("POST /east/pods", f"Content-Length: {size}"))
        self.world.send(self.client, b"x" * (size // 2))
        self.world.send(self.client, b"x" * (size // 2))
        self.assertEqual(size // 2, self.client.transport.waiting)
        decision.callback(self.world.forward(self.world.heads[0]))
        self.world.network.pump()
        self.assertEqual(size, self.world.cluster.take().count(b"x"))

    def test_refused(self) -> None:
        self.world.decision = Forbidden("jane may not", cluster="east")
        self.world.send(self.client, GET + GET)
        self.assertEqual(2, self.client.received.count(b"HTTP/1.1 403 Forbidden\r\n"))
        self.assertEqual([(403, "refused")] * 2, self.world.outcomes)
        self.assertEqual("jane may not", self.world.records[0].cause)

    def test_refused_later(self) -> None:
        self.world.decision = decision = Deferred[Forward]()
        self.world.send(self.client, GET)
        decision.errback(Unauthenticated("who are you"))
        self.world.network.pump()
        code, fields, _ = answer(self.client.take())
        self.assertEqual(401, code)
        self.assertIn("www-authenticate", fields)
        self.assertIsNone(self.client.lost)

    def test_refused_with_a_body_to_come(self) -> None:
        self.world.decision = Forbidden("no")
        self.world.send(self.client, request("POST /east/pods", "Content-Length: 100000", body=b"x" * 10))
        self.assertEqual("close", answer(self.client.take())[1]["connection"])
        self.assertTrue(self.client.half_closed)
        # What still comes is read, so that the answer is not lost to a reset; but not for ever.
        self.world.send(self.client, b"x" * 1000)
        self.assertEqual(0, self.client.transport.waiting)
        self.world.advance(7)
        self.assertIsNotNone(self.client.lost)

    def test_a_head_refusal_has_no_body(self) -> None:
        self.world.decision = Forbidden("no")
        self.world.send(self.client, request("HEAD /east/pods"))
        self.assertEqual(b"", answer(self.client.take())[2])

    def test_a_fault(self) -> None:
        self.world.decision = ZeroDivisionError("secret")
        self.world.send(self.client, GET)
        self.assertEqual(500, status(self.client.received)["code"])
        self.assertNotIn(b"secret", self.client.take())
        self.assertEqual([(500, "panic")], self.world.outcomes)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_the_client_goes_away_meanwhile(self) -> None:
        cancelled: list[Any] = []
        self.world.decision = Deferred(cancelled.append)
        self.world.send(self.client, GET)
        self.client.transport.abortConnection()
        self.world.network.pump()
        self.assertEqual(1, len(cancelled))
        self.assertEqual([(0, "client-gone")], self.world.outcomes)


class Answers(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()

    def get(self, data: bytes, head: bytes = GET) -> bytes:
        """What the client gets when the cluster answers this."""
        self.world.send(self.client, head)
        self.world.send(self.world.cluster, data)
        return self.client.take()

    def test_byte_for_byte_however_it_is_cut(self) -> None:
        data = b"HTTP/1.1 200 OK\r\nX-A:  b\r\nContent-Length: 5\r\nX-A: c\r\n\r\nhello"
        for size in range(1, len(data) + 1):
            self.world.send(self.client, GET)
            for start in range(0, len(data), size):
                self.world.send(self.world.cluster, data[start : start + size])
            self.assertEqual(data, self.client.take())
        self.assertEqual(1, len(self.world.clusters))

    def test_chunked_with_trailers(self) -> None:
        data = b"HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nX-T: 1\r\n\r\n"
        for size in range(1, len(data) + 1, 3):
            self.world.send(self.client, GET)
            for start in range(0, len(data), size):
                self.world.send(self.world.cluster, data[start : start + size])
            self.assertEqual(data, self.client.take())
        self.assertEqual(1, len(self.world.clusters))

    def test_hop_by_hop_fields_stay_behind(self) -> None:
        data = (
            b"HTTP/1.1 200 OK\r\nConnection: x-a, keep-alive\r\nX-A: 1\r\nKeep-Alive: 5\r\nX-B: 2\r\n"
            b"Content-Length: 0\r\n\r\n"
        )
        self.assertEqual(b"HTTP/1.1 200 OK\r\nX-B: 2\r\nContent-Length: 0\r\n\r\n", self.get(data))

    def test_the_upstream_closes_afterwards(self) -> None:
        data = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
        self.assertEqual(OK, self.get(data))
        self.assertEqual((0, 0), (self.world.pool.busy, self.world.pool.idle))
        self.assertEqual(OK, self.get(OK))
        self.assertEqual(2, len(self.world.clusters))

    def test_no_body(self) -> None:
        head = request("HEAD /east/pods")
        for data, asked in (
            (b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", head),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", head),
            (b"HTTP/1.1 204 No Content\r\n\r\n", GET),
            (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", GET),
        ):
            self.assertEqual(data, self.get(data, asked))
        self.assertEqual(1, len(self.world.clusters))

    def test_interim_answers(self) -> None:
        early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        self.assertEqual(early * 2 + OK, self.get(early + early + OK))
        self.assertEqual([(200, "complete")], self.world.outcomes)

    def test_interim_answers_are_not_for_http10(self) -> None:
        data = self.get(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK, b"GET /east/x HTTP/1.0\r\n\r\n")
        self.assertTrue(data.startswith(b"HTTP/1.1 200 OK\r\n"))

    def test_expect_continue(self) -> None:
        go_on = b"HTTP/1.1 100 Continue\r\n\r\n"
        self.world.send(self.client, request("PUT /east/x", "Expect: 100-continue", "Content-Length: 2"))
        self.assertIn(b"Expect: 100-continue\r\n", self.world.cluster.take())
        self.world.send(self.world.cluster, go_on)
        self.assertEqual(go_on, self.client.take())
        self.world.send(self.client, b"hi")
        self.assertEqual(b"hi", self.world.cluster.take())
        self.world.send(self.world.cluster, OK)
        self.assertEqual(OK, self.client.take())

    def test_ended_by_closing(self) -> None:
        self.assertEqual(
            b"HTTP/1.1 200 OK\r\nX-A: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
            self.get(b"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\nabc"),
        )
        self.world.send(self.world.cluster, b"de")
        self.assertEqual(b"2\r\nde\r\n", self.client.take())
        self.world.cluster.transport.loseConnection()
        self.world.network.pump()
        self.assertEqual(b"0\r\n\r\n", self.client.take())
        self.assertEqual(OK, self.get(OK))

    def test_ended_by_closing_for_http10(self) -> None:
        data = self.get(b"HTTP/1.1 200 OK\r\n\r\nabc", b"GET /east/x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        self.assertEqual(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", data)
        self.world.cluster.transport.loseConnection()
        self.world.network.pump()
        self.assertEqual(b"", self.client.take())
        assert self.client.lost is not None
        self.assertFalse(self.client.lost.check(ConnectionLost))

    def test_ended_by_a_broken_connection(self) -> None:
        self.get(b"HTTP/1.1 200 OK\r\n\r\nabc")
        self.world.cluster.transport.abortConnection()
        self.world.network.pump()
        assert self.client.lost is not None
        self.assertTrue(self.client.lost.check(ConnectionLost))
        self.assertEqual(b"", self.client.take())
        self.assertEqual([(200, "upstream-gone")], self.world.outcomes)

    def test_chunked_for_http10(self) -> None:
        data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        self.assertEqual(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabcde", self.get(data, b"GET /east/x HTTP/1.0\r\n\r\n")
        )
        self.assertIsNotNone(self.client.lost)

    def test_from_http10(self) -> None:
        data = b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"
        self.assertEqual(OK, self.get(data))
        self.assertIsNotNone(self.world.cluster.lost)

    def test_cut_short(self) -> None:
        for data in (
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        ):
            for end in ("loseConnection", "abortConnection"):
                world = self.world = World()
                self.client = world.client()
                self.assertEqual(data, self.get(data))
                getattr(world.cluster.transport, end)()
                world.network.pump()
                assert self.client.lost is not None
                self.assertTrue(self.client.lost.check(ConnectionLost))
                self.assertEqual([(200, "upstream-gone")], world.outcomes)

    def test_more_than_was_announced(self) -> None:
        self.assertEqual(OK, self.get(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"))
        self.assertEqual(OK, self.get(OK))
        self.assertEqual(2, len(self.world.clusters))

    def test_unasked_for(self) -> None:
        self.get(OK)
        self.world.send(self.world.cluster, OK)
        self.assertEqual(b"", self.client.take())
        self.assertEqual(OK, self.get(OK))
        self.assertEqual(2, len(self.world.clusters))

    def test_malformed(self) -> None:
        for data in (
            b"SSH-2.0-OpenSSH\r\n",
            b"HTTP/2 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX-A: b\nc\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70000,
        ):
            answered = status(self.get(data))
            self.assertEqual((502, "BadGateway"), (answered["code"], answered["reason"]), data)
            self.assertIn('cluster "east" upstream', answered["message"])
            self.assertIsNotNone(self.world.cluster.lost)

    def test_early(self) -> None:
        """An answer before the request is complete reaches the client, then its connection is closed safely."""
        self.world.send(self.client, request("POST /east/x", "Content-Length: 1000", body=b"abc"))
        self.world.send(self.world.cluster, b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        self.assertEqual((413, {"content-length": "2", "connection": "close"}, b"no"), answer(self.client.take()))
        self.assertIsNotNone(self.world.cluster.lost)
        self.world.send(self.client, b"x" * 500)
        self.assertIsNone(self.client.lost)
        self.world.advance(7)
        self.assertIsNotNone(self.client.lost)
        self.assertEqual([(413, "complete")], self.world.outcomes)

    def test_an_observer_that_fails(self) -> None:
        def fail(record: object) -> None:
            raise ZeroDivisionError

        self.world.finished = fail  # type: ignore[method-assign]
        self.assertEqual(OK, self.get(OK))
        self.assertEqual(OK, self.get(OK))
        self.assertEqual(2, len(self.flushLoggedErrors(ZeroDivisionError)))


class Backpressure(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World(high_water=1000)
        self.client = self.world.client()

    def test_a_slow_client(self) -> None:
        self.world.send(self.client, GET)
        self.client.transport.pauseProducing()
        self.world.send(self.world.cluster, b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + b"x" * 3000)
        self.world.send(self.world.cluster, b"x" * 3000)
        # The first piece waits in front of the client, the second in front of the gateway.
        self.assertEqual(3000, self.world.cluster.transport.waiting)
        self.client.transport.resumeProducing()
        self.world.network.pump()
        self.assertEqual(6000, self.client.take().count(b"x"))
        self.world.send(self.world.cluster, b"x" * 3000)
        self.assertEqual(3000, self.client.take().count(b"x"))

    def test_a_connection_is_not_put_back_paused(self) -> None:
        self.world.send(self.client, GET)
        self.client.transport.pauseProducing()
        self.world.send(self.world.cluster, b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000)
        self.assertEqual(1, self.world.pool.idle)
        other = self.world.client()
        self.world.send(other, GET)
        self.world.send(self.world.cluster, OK)
        self.assertEqual(OK, other.take())
        self.assertEqual(1, len(self.world.clusters))

    def test_a_connection_begins_paused_when_the_client_is_slow(self) -> None:
        big = b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000
        self.world.send(self.client, GET)
        self.world.send(self.client, GET)
        self.client.transport.pauseProducing()
        self.world.send(self.world.cluster, big)
        self.world.send(self.world.cluster, big)
        self.client.transport.resumeProducing()
        self.world.network.pump()
        self.world.send(self.world.cluster, big)
        self.assertEqual([(200, "complete")] * 2, self.world.outcomes)

    def test_a_slow_endpoint(self) -> None:
        self.world.send(self.client, request("PUT /east/y", "Content-Length: 9000"))
        self.world.cluster.transport.pauseProducing()
        self.world.send(self.client, b"x" * 3000)
        self.world.send(self.client, b"x" * 6000)
        self.assertEqual(6000, self.client.transport.waiting)
        self.world.cluster.transport.resumeProducing()
        self.world.network.pump()
        self.assertEqual(9000, self.world.cluster.take().count(b"x"))
        # A client that is held back is not a silent one.
        self.world.send(self.world.cluster, OK)
        self.assertEqual(OK, self.client.take())

    def test_a_client_that_pipelines_and_does_not_read(self) -> None:
        self.client.transport.pauseProducing()
        self.world.send(self.client, request("GET /nothing") * 500)
        self.assertLess(len(self.world.records), 20)
        more = request("GET /nothing") * 2500
        self.world.send(self.client, more)
        self.world.send(self.client, more)
        self.assertEqual(len(more), self.client.transport.waiting, "no more is read than is kept")
        self.client.transport.resumeProducing()
        self.world.network.pump()
        for _ in range(5500 // AT_A_TIME + 1):
            self.world.clock.advance(0)
            self.world.network.pump()
        self.assertEqual(5500, len(self.world.records))


class Trouble(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()

    def lose(self) -> None:
        self.world.cluster.transport.abortConnection()
        self.world.network.pump()

    def test_no_connection(self) -> None:
        for refusal, code, hop in (
            (ConnectionRefusedError(), 502, "connect"),
            (DNSLookupError(), 502, "dns"),
        ):
            self.world.endpoint.refusal = refusal
            self.world.send(self.client, GET)
            answered = status(self.client.take())
            self.assertEqual(code, answered["code"])
            self.assertIn(f'cluster "east" {hop}: ', answered["message"])
        self.assertEqual([(502, "refused")] * 2, self.world.outcomes)
        self.assertEqual(0, self.world.pool.busy)

    def test_no_connection_in_time(self) -> None:
        self.world.endpoint.silent = True
        self.world.send(self.client, GET)
        self.world.advance(self.world.limits.connect_timeout + 1)
        self.assertEqual(504, status(self.client.take())["code"])
        self.assertEqual([(504, "timeout")], self.world.outcomes)

    def test_reset_before_the_answer(self) -> None:
        self.world.send(self.client, GET)
        self.lose()
        answered = status(self.client.take())
        self.assertEqual((502, "east"), (answered["code"], answered["details"]["name"]))
        self.assertIsNone(self.client.lost)

    def test_a_stale_connection_is_replaced(self) -> None:
        self.world.send(self.client, GET)
        self.world.send(self.world.cluster, OK)
        self.world.send(self.client, GET)
        self.lose()
        self.assertEqual(2, len(self.world.clusters))
        self.assertIn(b"GET /pods", self.world.cluster.take())
        self.lose()
        self.assertEqual(2, len(self.world.clusters))
        self.assertEqual(502, self.world.records[-1].code)
        self.assertEqual(1, self.world.records[-1].retries)

    def test_what_is_not_repeated(self) -> None:
        for asked, heard in (
            (request("POST /east/x"), b""),
            (request("DELETE /east/x"), b""),
            (request("GET /east/x", "Content-Length: 1", body=b"x"), b""),
            (GET, b"HTTP/1.1 2"),
        ):
            world = self.world = World()
            client = world.client()
            world.send(client, GET)
            world.send(world.cluster, OK)
            client.take()
            world.send(client, asked)
            world.send(world.cluster, heard)
            self.lose()
            self.assertEqual(502, status(client.take())["code"])
            self.assertEqual(1, len(world.clusters))

    def test_an_idle_connection_that_ends_is_forgotten(self) -> None:
        self.world.send(self.client, GET)
        self.world.send(self.world.cluster, OK)
        self.lose()
        self.assertEqual(0, self.world.pool.idle)

    def test_no_answer_in_time(self) -> None:
        self.world.send(self.client, GET)
        self.world.advance(self.world.limits.answer_timeout + 2)
        answered = status(self.client.take())
        self.assertEqual((504, "Timeout"), (answered["code"], answered["reason"]))
        self.assertIsNotNone(self.world.cluster.lost)
        self.assertEqual([(504, "timeout")], self.world.outcomes)

    def test_a_request_that_is_not_taken(self) -> None:
        world = World(high_water=100)
        client = world.client()
        world.send(client, request("POST /east/x", "Content-Length: 1000"))
        world.cluster.transport.pauseProducing()
        world.send(client, b"x" * 500)
        world.advance(world.limits.answer_timeout + 2)
        self.assertEqual(504, status(client.take())["code"])

    def test_a_log_may_be_silent(self) -> None:
        def log(record: Any) -> None:
            record.subresource = "log"

        self.world.fill = log
        self.world.send(self.client, GET)
        self.world.advance(3 * self.world.limits.answer_timeout)
        self.world.send(self.world.cluster, OK)
        self.assertEqual(OK, self.client.take())

    def test_a_watch_may_be_silent_once_it_has_begun(self) -> None:
        self.world.send(self.client, GET)
        self.world.send(self.world.cluster, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        self.world.advance(3 * self.world.limits.answer_timeout)
        self.assertEqual([], self.world.records)

    def test_the_client_goes_away(self) -> None:
        self.world.send(self.client, GET)
        self.world.send(self.world.cluster, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel")
        self.client.transport.loseConnection()
        self.world.network.pump()
        self.assertIsNotNone(self.world.cluster.lost)
        self.assertEqual([(200, "client-gone")], self.world.outcomes)
        self.assertEqual(0, self.world.pool.busy)

    def test_the_client_goes_away_while_connecting(self) -> None:
        self.world.endpoint.silent = True
        self.world.send(self.client, GET)
        self.client.transport.abortConnection()
        self.world.network.pump()
        self.assertEqual([(0, "client-gone")], self.world.outcomes)
        self.assertEqual(0, self.world.pool.busy)

    def test_too_many(self) -> None:
        world = World(Limits(busy_upstream=1))
        first, second = world.client(), world.client()
        world.send(first, GET)
        world.send(second, GET)
        code, fields, _ = answer(second.received)
        self.assertEqual((429, "1"), (code, fields["retry-after"]))
        self.assertEqual(1, status(second.take())["details"]["retryAfterSeconds"])

    def test_a_pool_that_is_closed_while_busy(self) -> None:
        self.world.send(self.client, GET)
        self.world.pool.close()
        self.world.send(self.world.cluster, OK)
        self.assertEqual(OK, self.client.take())
        self.assertIsNotNone(self.world.cluster.lost)
        self.world.send(self.client, GET)
        self.assertEqual(503, status(self.client.take())["code"])


class Rejection(SynchronousTestCase):
    DENIED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nnope"

    def setUp(self) -> None:
        self.world = World()
        self.client = self.world.client()
        self.asked = 0

    def ask(self) -> Forward:
        self.asked += 1
        return Forward(self.world.pool, b"GET /again HTTP/1.1\r\n\r\n", self.world.forward(self.world.heads[-1]).record)

    def deny(self, asked: bytes = GET) -> None:
        self.world.send(self.client, asked)
        self.world.send(self.world.cluster, self.DENIED)

    def test_is_not_shown_as_401(self) -> None:
        for rejected in (None, lambda: None):
            self.world.options = {"rejected": rejected}
            self.deny()
            answered = status(self.client.take())
            self.assertEqual(502, answered["code"])
            self.assertIn("credential", answered["message"])
            self.assertEqual("UpstreamRejectedCredential", answered["details"]["causes"][0]["reason"])
            self.assertIsNotNone(self.world.cluster.lost)

    def test_an_applications_own(self) -> None:
        """What a proxied application answers is not about our credential."""

        def proxied(record: Any) -> None:
            record.subresource = "proxy"

        self.world.fill = proxied
        self.deny()
        self.assertEqual(self.DENIED, self.client.take())
        self.world.send(self.client, GET)
        body = b'{"kind":"Status","reason":"Unauthorized"}'
        self.world.send(self.world.cluster, b"HTTP/1.1 401 X\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        self.assertEqual(502, status(self.client.take())["code"])

    def test_another_credential(self) -> None:
        for rejected in (self.ask, lambda: succeed(self.ask())):
            self.world.options = {"rejected": rejected}
            self.deny()
            self.assertEqual(b"GET /again HTTP/1.1\r\n\r\n", self.world.cluster.take())
            self.world.send(self.world.cluster, OK)
            self.assertEqual(OK, self.client.take())

    def test_only_once(self) -> None:
        self.world.options = {"rejected": self.ask}
        self.deny()
        self.world.send(self.world.cluster, self.DENIED)
        self.assertEqual(502, status(self.client.take())["code"])
        self.assertEqual(1, self.asked)

    def test_a_small_body_is_sent_again(self) -> None:
        self.world.options = {"rejected": self.ask}
        self.deny(request("POST /east/x", "Content-Length: 3", body=b"abc"))
        self.assertEqual(b"GET /again HTTP/1.1\r\n\r\nabc", self.world.cluster.take())

    def test_a_streamed_body_is_not(self) -> None:
        self.world.options = {"rejected": self.ask}
        self.world.send(self.client, request("POST /east/x", "Content-Length: 3"))
        self.world.send(self.client, b"abc")
        self.world.send(self.world.cluster, self.DENIED)
        self.assertEqual(502, status(self.client.take())["code"])

    def test_a_replacement_that_fails(self) -> None:
        later: Deferred[Forward | None] = Deferred()
        self.world.options = {"rejected": lambda: later}
        self.deny()
        later.errback(ZeroDivisionError())
        self.world.network.pump()
        self.assertEqual(502, status(self.client.take())["code"])
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_the_client_goes_away_meanwhile(self) -> None:
        self.world.options = {"rejected": Deferred}
        self.deny()
        self.client.transport.abortConnection()
        self.world.network.pump()
        self.assertEqual([(0, "client-gone")], self.world.outcomes)


class Refusing(SynchronousTestCase):
    def test_the_body_of_a_refusal_counts(self) -> None:
        for method, size in (("GET", 1), ("HEAD", 0)):
            world = World()
            client = world.client()
            world.decision = Forbidden("no")
            world.send(client, request(f"{method} /east/x"))
            body = client.received.partition(b"\r\n\r\n")[2]
            self.assertEqual(len(body) > 0, size > 0)
            [record] = world.records
            self.assertEqual(record.bytes_out, len(body))
            self.assertEqual((403, "Forbidden"), (record.code, record.reason))


class Stopper:
    """A tap that can end the exchange."""

    only_failures = False
    stop: Any = None

    def bind(self, stop: Any) -> None:
        self.stop = stop

    def request_data(self, data: bytes) -> None: ...

    def response_head(self, code: int, head: bytes) -> None: ...

    def response_data(self, data: bytes) -> None: ...

    def ended(self) -> None: ...


class Tapping(SynchronousTestCase):
    def test_can_end_the_exchange(self) -> None:
        world = World()
        client = world.client()
        tap = Stopper()
        world.options = {"tap": tap}
        world.send(client, GET)
        world.send(world.cluster, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        self.assertIsNone(client.lost)
        tap.stop(ServiceUnavailable("no more"))
        world.network.pump()
        self.assertIsNotNone(client.lost)
        self.assertIsNotNone(world.cluster.lost)
        self.assertEqual("no more", world.records[0].cause)

    def test_sees_bodies(self) -> None:
        seen: list[tuple[str, Any]] = []

        class Tap:
            only_failures = False

            def bind(self, stop: object) -> None:
                """It never stops anything."""

            def request_data(self, data: bytes) -> None:
                seen.append(("request", data))

            def response_head(self, code: int, head: bytes) -> None:
                seen.append(("head", code))

            def response_data(self, data: bytes) -> None:
                seen.append(("response", data))

            def ended(self) -> None:
                seen.append(("ended", None))

        world = World()
        client = world.client()
        world.options = {"tap": Tap()}
        world.send(client, request("POST /east/x", "Transfer-Encoding: chunked", body=b"2\r\nhi\r\n0\r\n\r\n"))
        world.send(world.cluster, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n")
        world.send(client, GET)
        world.send(world.cluster, OK)
        bodies = [("head", 200), ("response", b"ok"), ("ended", None)]
        self.assertEqual([("request", b"hi"), ("head", 200), ("response", b"yes"), ("ended", None), *bodies], seen)

        # Who looks for failures alone does not see anything else.
        Tap.only_failures = True
        chunked = b"Transfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n"
        for answered in (b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 403 Forbidden\r\n"):
            seen.clear()
            client.take()
            world.send(client, GET)
            world.send(world.cluster, answered + chunked)
            self.assertEqual(answered + chunked, client.take())
            expected = [("head", 403), ("response", b"yes"), ("ended", None)] if b"403" in answered else []
            self.assertEqual(expected, seen)

    def test_says_farewell(self) -> None:
        class Farewell(Stopper):
            def parting(self, error: GatewayError) -> bytes:
                return f"farewell: {error.message}".encode()

        world = World()
        client = world.client()
        tap = Farewell()
        world.options = {"tap": tap}
        world.send(client, request("GET /east/x", "Connection: Upgrade", "Upgrade: websocket"))
        switched = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
        world.send(world.cluster, switched + b"hello ")
        client.take()
        tap.stop(ServiceUnavailable("no more"))
        tap.stop(ServiceUnavailable("once is enough"))
        world.network.pump()
        self.assertEqual(b"farewell: no more", client.take())
        self.assertTrue(client.half_closed)
        self.assertIsNotNone(world.cluster.lost)
        [record] = world.records
        self.assertEqual((101, "refused", "no more", 23), (record.code, record.outcome, record.cause, record.bytes_out))
        # What the client still says is nobody's business, but it gets to read.
        world.send(client, b"more")
        self.assertIsNone(client.lost)
        world.advance(7)
        self.assertIsNotNone(client.lost)
