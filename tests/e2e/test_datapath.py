"""The data path on real sockets, TLS on both sides, with either kind of TLS."""

from __future__ import annotations

import gc
import weakref
from typing import Any, cast

from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Factory
from twisted.trial.unittest import SkipTest
from twisted.web.resource import Resource

from clustergateway.errors import GatewayError
from clustergateway.model.http1 import RequestHead
from clustergateway.model.identity import Claims
from clustergateway.model.record import Record
from clustergateway.settings import Limits
from clustergateway.testing.certificates import Authority
from clustergateway.transport.channel import GatewaySite
from clustergateway.transport.contexts import ClientTls
from clustergateway.transport.endpoints.direct import client_endpoint
from clustergateway.transport.forward import Forward
from clustergateway.transport.pool import Pool
from clustergateway.transport.tls import listen

from ..transport.tlspeers import AUTHORITY, JANE, HalfPeer, Loopback, Peer, calling, reactor, serving
from ..transport.world import OK, request, status

GET = request("GET /east/pods")
SIZE = 8_000_000


class Merged(Loopback):
    """
    @ivar accepted: the cluster's ends of connections.
    """

    peer: type[Peer] = HalfPeer
    limits = Limits(handshake_timeout=0.1)

    def setUp(self) -> None:
        super().setUp()
        self.records: list[Record] = []
        self.claims: list[Claims] = []
        self.site = GatewaySite(Resource(), self, self, self.limits, reactor)
        port = listen(reactor, 0, "127.0.0.1", self.site, serving(client_ca=AUTHORITY.certificate), self.mode)
        self.gateway = self.keep(port)
        self.route(calling())

    def route(self, tls: ClientTls) -> None:
        """How the cluster is reached from now on."""
        endpoint = client_endpoint(reactor, "localhost", self.listen(serving()), tls, self.mode)
        self.pool = Pool(endpoint, reactor, self.limits, "east")
        self.addCleanup(self.pool.close)

    def matches(self, target: bytes) -> bool:
        return True

    def decide(self, head: RequestHead, claims: Claims) -> Forward:
        self.claims.append(claims)
        record = Record(head.method.decode(), head.target.decode(), reactor.seconds(), cluster="east")
        more = b"Connection: Upgrade\r\nUpgrade: %s\r\n" % head.upgrade if head.upgrade else b""
        wire = b"%s %s HTTP/1.1\r\nHost: up\r\n%s%s\r\n" % (head.method, head.target, head.block, more)
        return Forward(self.pool, wire, record)

    def refused(self, head: RequestHead, claims: Claims, error: GatewayError) -> Record:
        return Record(head.method.decode(), head.target.decode(), reactor.seconds())

    def finished(self, record: Record) -> None:
        self.records.append(record)

    async def client(self) -> Peer:
        return await self.connect(self.gateway, calling(certificate=JANE.certificate, key=JANE.key))

    async def cluster(self, number: int = 0) -> Peer:
        """The cluster's end of a connection, when a request has come on it."""
        while len(self.accepted) <= number or b"\r\n\r\n" not in self.accepted[number].received:
            await self.turn()
        return self.accepted[number]

    async def test_there_and_back(self) -> None:
        client = await self.client()
        for _ in range(3):
            client.transport.write(GET)
            cluster = await self.cluster()
            self.assertEqual(b"GET /east/pods HTTP/1.1\r\nHost: up\r\n\r\n", cluster.received)
            cluster.received = b""
            cluster.transport.write(OK)
            await client.got(len(OK))
            self.assertEqual(OK, client.received)
            client.received = b""
        self.assertEqual(1, len(self.accepted))
        self.assertEqual({JANE.der}, {claims.certificate for claims in self.claims})

    async def test_large_bodies(self) -> None:
        client = await self.client()
        client.transport.write(request("PUT /east/x", f"Content-Length: {SIZE}"))
        cluster = await self.cluster()
        head = len(cluster.received)
        client.transport.write(b"u" * SIZE)
        await cluster.got(head + SIZE)
        cluster.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % SIZE + b"d" * SIZE)
        await client.until(lambda: client.received.count(b"d", -SIZE) == SIZE)
        [record] = self.records
        self.assertEqual((SIZE, SIZE), (record.bytes_in, record.bytes_out))

    async def test_a_client_that_does_not_read_stops_the_cluster(self) -> None:
        client = await self.client()
        client.transport.write(GET)
        cluster = await self.cluster()
        client.transport.pauseProducing()
        paused: list[str] = []

        class Producer:
            def pauseProducing(self) -> None:
                paused.append("pause")

            def resumeProducing(self) -> None:
                paused.append("resume")

            def stopProducing(self) -> None:
                pass

        cluster.transport.registerProducer(Producer(), True)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (4 * SIZE)
        cluster.transport.write(head + b"d" * (4 * SIZE))
        for _ in range(200):
            await self.turn()
        self.assertEqual(["pause"], paused)
        client.transport.resumeProducing()
        await client.got(len(head) + 4 * SIZE)
        self.assertEqual(["pause", "resume"], paused)
        cluster.transport.unregisterProducer()

    async def test_an_upgrade(self) -> None:
        client = await self.client()
        client.transport.write(request("POST /east/exec", "Connection: Upgrade", "Upgrade: SPDY/3.1"))
        cluster = await self.cluster()
        cluster.transport.write(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\nhello"
        )
        await client.until(lambda: client.received.endswith(b"\r\n\r\nhello"))
        client.transport.write(b"x" * 1_000_000)
        await cluster.until(lambda: cluster.received.endswith(b"x" * 1_000_000))
        await self.end_upgrade(client, cluster)
        self.assertEqual((101, "complete"), (self.records[0].code, self.records[0].outcome))

    async def end_upgrade(self, client: Peer, cluster: Peer) -> None:
        """One direction first."""
        client.transport.loseWriteConnection()
        await cluster.until(lambda: cluster.half_closed)
        cluster.transport.write(b"the rest")
        await client.until(lambda: client.received.endswith(b"the rest"))
        cluster.transport.loseConnection()
        await client.lost()

    async def test_a_reset_is_not_an_end(self) -> None:
        client = await self.client()
        client.transport.write(GET)
        cluster = await self.cluster()
        cluster.transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        await client.until(lambda: client.received.endswith(b"1\r\nx\r\n"))
        cluster.transport.abortConnection()
        self.assertIsInstance(await client.lost(), ConnectionLost)
        self.assertFalse(client.received.endswith(b"0\r\n\r\n"))

    async def test_a_cluster_with_another_certificate(self) -> None:
        self.route(calling(ca=Authority("other").certificate))
        client = await self.client()
        client.transport.write(GET)
        await client.until(lambda: client.received.endswith(b"}"))
        answered = status(client.received)
        self.assertEqual(502, answered["code"])
        self.assertIn('cluster "east" tls: the endpoint\'s certificate is not accepted', answered["message"])

    async def test_a_client_that_stops_in_the_handshake(self) -> None:
        silent = await plain(self.gateway)
        await silent.lost()
        self.assertEqual([], self.records)

    async def test_a_client_that_does_not_speak_tls(self) -> None:
        client = await plain(self.gateway)
        client.transport.write(GET)
        await client.lost()
        self.assertNotIn(b"HTTP/1.1 200", client.received)

    async def test_a_closed_connection_leaves_nothing(self) -> None:
        """Without the help of the garbage collector, which looks seldom in a gateway."""
        if self.mode == "twisted":
            raise SkipTest("stock Twisted TLS refers to itself")
        gc.collect()
        gc.disable()
        self.addCleanup(gc.enable)
        client = await self.client()
        client.transport.write(GET)
        cluster = await self.cluster()
        cluster.transport.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
        await client.until(lambda: client.received.endswith(b"ok"))
        channel: Any = next(iter(self.site._connections))
        left: list[weakref.ref[object]] = [weakref.ref(channel), weakref.ref(channel.transport.tls)]
        del channel
        client.transport.loseConnection()
        await client.lost()
        while self.site.connections:
            await self.turn()
        await self.turn()
        self.assertEqual([None, None], [reference() for reference in left])

    async def test_the_end(self) -> None:
        idle, busy = await self.client(), await self.client()
        busy.transport.write(GET)
        cluster = await self.cluster()
        gone = self.site.begin_shutdown()
        await idle.lost()
        cluster.transport.write(OK)
        await busy.lost()
        self.assertIn(b"\r\nConnection: close\r\n", busy.received)
        await gone


class Stock(Merged):
    mode = "twisted"
    peer = Peer

    async def end_upgrade(self, client: Peer, cluster: Peer) -> None:
        client.transport.loseConnection()
        await cluster.lost()


async def plain(port: int) -> Peer:
    """A TCP connection without TLS."""
    endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
    return cast("Peer", await endpoint.connect(Factory.forProtocol(Peer)))
