"""Requests that are not proxied, on the same connections as those that are; and the end of it all."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from clustergateway.errors import NotFound, TooManyRequests
from clustergateway.settings import Limits
from clustergateway.transport.channel import GatewayRequest

from .world import OK, World, answer, request, status

GET = request("GET /east/pods")


class Root(Resource):
    """Tells what it was asked; waits, breaks or refuses when asked to."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[GatewayRequest] = []
        self.gone: list[object] = []

    def render(self, request: GatewayRequest) -> bytes | int:
        self.seen.append(request)
        if request.path == b"/break":
            raise ZeroDivisionError("secret")
        if request.path == b"/refuse":
            raise TooManyRequests("later", retry_after=3)
        if request.path == b"/begun":
            request.write(b"x")
            raise NotFound("too late")
        if request.path == b"/wait":
            request.notifyFinish().addErrback(self.gone.append)
            return NOT_DONE_YET
        assert request.content is not None
        return b"%s %s %s" % (request.method, request.uri, request.content.read())


class Local(SynchronousTestCase):
    def setUp(self) -> None:
        self.root = Root()
        self.world = World(Limits(body=100), self.root)
        self.client = self.world.client()

    def test_get(self) -> None:
        self.world.send(self.client, request("GET /apis?x=%2F", "Accept: a", "Authorization: Bearer t"))
        code, _, body = answer(self.client.take())
        self.assertEqual((200, b"GET /apis?x=%2F "), (code, body))
        [seen] = self.root.seen
        self.assertEqual(b"a", seen.getHeader(b"accept"))
        self.assertEqual(((b"authorization", b"Bearer t"),), seen.claims.headers)
        [record] = self.world.records
        self.assertEqual(
            ("GET", "/apis?x=%2F", 200, "complete"), (record.method, record.target, record.code, record.outcome)
        )
        self.assertEqual(len(body), record.bytes_out)

    def test_options_of_the_server_itself(self) -> None:
        self.world.send(self.client, request("OPTIONS *"))
        self.assertEqual((200, b"OPTIONS * "), answer(self.client.take())[::2])

    def test_another_protocol_is_not_spoken_but_seen(self) -> None:
        self.world.send(self.client, request("GET /a", "Connection: upgrade", "Upgrade: websocket"))
        self.assertEqual(200, answer(self.client.take())[0])
        self.world.send(self.client, request("GET /a", "Upgrade: websocket"))
        self.assertEqual([b"websocket", None], [seen.getHeader(b"upgrade") for seen in self.root.seen])

    def test_bodies(self) -> None:
        self.world.send(self.client, request("PUT /a", "Content-Length: 5", body=b"abc"))
        self.assertEqual(b"", self.client.take())
        self.world.send(
            self.client, b"de" + request("PUT /b", "Transfer-Encoding: chunked", body=b"2\r\nxy\r\n0\r\n\r\n")
        )
        data = self.client.take()
        self.assertIn(b"PUT /a abcde", data)
        self.assertIn(b"PUT /b xy", data)
        self.assertEqual([5, 2], [record.bytes_in for record in self.world.records])

    def test_too_large(self) -> None:
        for lines, body in (
            (["Content-Length: 101"], b"x"),
            (["Transfer-Encoding: chunked"], b"65\r\n" + b"x" * 101 + b"\r\n"),
        ):
            client = self.world.client()
            self.world.send(client, request("PUT /a", *lines, body=body))
            self.assertEqual(413, status(client.received)["code"])
            self.assertEqual("close", answer(client.take())[1]["connection"])
        self.assertEqual([], self.root.seen)

    def test_expect_continue(self) -> None:
        self.world.send(self.client, request("PUT /a", "Expect: 100-continue", "Content-Length: 2"))
        self.assertEqual(b"HTTP/1.1 100 Continue\r\n\r\n", self.client.take())
        self.world.send(self.client, b"hi")
        self.assertEqual(b"PUT /a hi", answer(self.client.take())[2])

    def test_malformed_body(self) -> None:
        self.world.send(self.client, request("PUT /a", "Transfer-Encoding: chunked", body=b"zz\r\n"))
        self.assertEqual(400, status(self.client.take())["code"])
        self.assertEqual([], self.root.seen)

    def test_between_proxied_requests(self) -> None:
        self.world.send(self.client, GET + request("GET /one") + GET + request("GET /two"))
        self.world.send(self.world.cluster, OK)
        data = self.client.take()
        self.assertTrue(data.startswith(OK))
        self.assertIn(b"GET /one", data)
        self.assertNotIn(b"GET /two", data)
        self.world.send(self.world.cluster, OK)
        self.assertTrue(self.client.take().endswith(b"GET /two "))
        self.assertEqual(1, len(self.world.clusters))

    def test_one_after_the_other(self) -> None:
        self.world.send(self.client, request("GET /wait") + GET)
        self.assertEqual([], self.world.clusters)
        self.root.seen[0].finish()
        self.world.network.pump()
        self.assertIn(b"GET /pods", self.world.cluster.take())

    def test_a_flood_behind_one_that_waits(self) -> None:
        self.world.send(self.client, request("GET /wait"))
        self.world.send(self.client, GET * 3000)
        self.world.send(self.client, GET * 3000)
        self.assertEqual(3000 * len(GET), self.client.transport.waiting)

    def test_connection_close(self) -> None:
        for head in (request("GET /a", "Connection: close"), b"GET /a HTTP/1.0\r\n\r\n"):
            client = self.world.client()
            self.world.send(client, head)
            self.assertEqual(200, answer(client.take())[0])
            self.assertIsNotNone(client.lost)

    def test_errors(self) -> None:
        self.world.send(self.client, request("GET /refuse"))
        self.assertEqual(
            (429, "3"), (status(self.client.received)["code"], answer(self.client.take())[1]["retry-after"])
        )
        self.world.send(self.client, request("GET /break"))
        self.assertEqual(500, status(self.client.received)["code"])
        self.assertNotIn(b"secret", self.client.take())
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.world.send(self.client, request("HEAD /refuse"))
        self.assertEqual(b"", answer(self.client.take())[2])
        self.assertEqual([(429, "refused"), (500, "panic"), (429, "refused")], self.world.outcomes)

    def test_an_error_behind_the_beginning_of_an_answer(self) -> None:
        self.world.send(self.client, request("GET /begun"))
        self.assertIsNotNone(self.client.lost)
        self.assertNotIn(b"too late", self.client.take())

    def test_the_client_goes_away(self) -> None:
        self.world.send(self.client, request("GET /wait"))
        self.client.transport.abortConnection()
        self.world.network.pump()
        self.assertEqual(1, len(self.root.gone))
        self.assertEqual("client-gone", self.world.records[0].outcome)

    def test_a_slow_client(self) -> None:
        class Producer:
            told = ""

            def pauseProducing(self) -> None:
                self.told += "p"

            def resumeProducing(self) -> None:
                self.told += "r"

            def stopProducing(self) -> None:
                self.told += "s"

        world = World(None, self.root, high_water=100)
        client = world.client()
        world.send(client, request("GET /wait"))
        producer = Producer()
        self.root.seen[-1].registerProducer(producer, True)
        client.transport.pauseProducing()
        self.root.seen[-1].write(b"x" * 1000)
        self.assertEqual("p", producer.told)
        client.transport.resumeProducing()
        world.network.pump()
        self.assertEqual("pr", producer.told)

    def test_one_that_was_slow_before(self) -> None:
        """What Twisted Web was told of a slow client it is told of a ready one, though the request is over by then."""
        world = World(None, self.root, high_water=100)
        client = world.client()
        world.send(client, request("GET /wait"))
        client.transport.pauseProducing()
        self.root.seen[-1].write(b"x" * 1000)
        self.root.seen[-1].finish()
        world.network.pump()
        client.transport.resumeProducing()
        world.network.pump()
        client.take()
        world.send(client, request("GET /a"))
        self.assertEqual(200, answer(client.take())[0])
        [channel] = world.site._connections
        self.assertFalse(channel._waitingForTransport)


class Retired(SynchronousTestCase):
    """When other client certificates mean something, who was not asked for one has to come again."""

    def setUp(self) -> None:
        self.root = Root()
        self.world = World(resource=self.root)

    def retire(self) -> None:
        self.world.site.retire()
        self.world.network.pump()

    def test_idle_connections_are_closed(self) -> None:
        client = self.world.client()
        self.world.send(client, request("GET /apis"))
        self.retire()
        self.assertIsNotNone(client.lost)
        self.world.client()  # new ones are welcome
        self.assertEqual(1, self.world.site.connections)

    def test_new_ones_get_their_first_answer(self) -> None:
        client = self.world.client()
        self.retire()
        self.assertIsNone(client.lost)
        self.world.send(client, request("GET /apis"))
        self.assertEqual(200, answer(client.take())[0])
        self.assertTrue(self.root.seen[0].claims.outdated)
        self.assertIsNotNone(client.lost)

    def test_busy_ones_finish(self) -> None:
        client = self.world.client()
        self.world.send(client, GET)
        self.retire()
        self.assertIsNone(client.lost)
        self.world.send(self.world.cluster, OK)
        self.assertEqual(200, answer(client.take())[0])
        self.assertIsNotNone(client.lost)


class Shutdown(SynchronousTestCase):
    def setUp(self) -> None:
        self.root = Root()
        self.world = World(resource=self.root)

    def begin(self) -> list[None]:
        done: list[None] = []
        self.world.site.begin_shutdown().addCallback(done.append)
        self.world.network.pump()
        return done

    def test_nobody_there(self) -> None:
        self.assertEqual([None], self.begin())

    def test_idle_connections_are_closed(self) -> None:
        client = self.world.client()
        self.world.send(client, GET)
        self.world.send(self.world.cluster, OK)
        self.assertEqual([None], self.begin())
        self.assertIsNotNone(client.lost)
        self.assertIsNone(self.world.site.buildProtocol(None))

    def test_busy_ones_finish(self) -> None:
        proxied, local, begun = self.world.client(), self.world.client(), self.world.client()
        self.world.send(proxied, GET)
        cluster = self.world.cluster
        self.world.send(local, request("GET /wait"))
        self.world.send(begun, GET)
        self.world.send(self.world.cluster, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        done = self.begin()
        self.assertEqual([], done)
        self.world.send(cluster, OK)
        self.assertEqual("close", answer(proxied.take())[1]["connection"])
        self.root.seen[0].finish()
        self.world.send(self.world.cluster, b"ok")
        self.assertEqual(OK, begun.take())
        self.assertEqual([None], done)
        self.assertEqual([(200, "complete")] * 3, self.world.outcomes)

    def test_the_rest_is_cut(self) -> None:
        client = self.world.client()
        self.world.send(client, GET)
        done = self.begin()
        self.world.site.abort()
        self.world.network.pump()
        self.assertEqual([None], done)
        self.assertIsNotNone(client.lost)
        self.assertEqual([(0, "shutdown")], self.world.outcomes)

    def test_an_answer_that_has_begun_and_is_cut(self) -> None:
        client = self.world.client()
        self.world.send(client, request("GET /wait"))
        self.root.seen[0].write(b"half")
        self.begin()
        self.world.site.abort()
        self.world.network.pump()
        self.assertEqual([(200, "shutdown")], self.world.outcomes)
        self.assertEqual(4, self.world.records[0].bytes_out)

    def test_a_decision_that_never_comes(self) -> None:
        client = self.world.client()
        self.world.decision = Deferred()
        self.world.send(client, GET)
        self.begin()
        self.world.site.abort()
        self.world.network.pump()
        self.assertEqual([(0, "shutdown")], self.world.outcomes)
