from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from datetime import datetime, timezone

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError, UpstreamTlsFailed
from clustergateway.testing.certificates import Authority
from clustergateway.testing.wires import MemoryEndpoint, Network
from clustergateway.transport import tls as tls_room
from clustergateway.transport import tlsstock
from clustergateway.transport.contexts import ServerTls, server_context
from clustergateway.transport.endpoints.direct import client_endpoint
from clustergateway.transport.tls import ServerContexts, certificates, wrap_tls
from clustergateway.transport.tlstransport import TlsTransport

from .tlspeers import AUTHORITY, JANE, SERVER, HalfPeer, Loopback, Peer, calling, reactor, serving

LONG_AGO = datetime(2020, 1, 1, tzinfo=timezone.utc)
STRANGER = Authority("stranger")


class Producer:
    """Writes as long as it may."""

    def __init__(self, peer: Peer, pieces: int) -> None:
        self.peer = peer
        self.left = pieces
        self.pauses = 0
        self._paused = False

    def go(self) -> None:
        while self.left and not self._paused:
            self.left -= 1
            self.peer.transport.write(b"x" * 50_000)

    def pauseProducing(self) -> None:
        self.pauses += 1
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        reactor.callLater(0, self.go)

    def stopProducing(self) -> None:
        self.left = 0


class Merged(Loopback):
    async def test_bytes_both_ways(self) -> None:
        client, server = await self.pair()
        for size in (1, 16384, 16385, 1_000_000):
            for here, there in ((client, server), (server, client)):
                here.transport.write(b"a" * size)
                await there.got(size)
                self.assertEqual(b"a" * size, there.received)
                there.received = b""
        client.transport.writeSequence([b"b", b"", b"c"])
        await server.got(2)
        self.assertEqual(b"bc", server.received)

    async def test_application_protocol(self) -> None:
        client, server = await self.pair()
        for peer in (client, server):
            transport = peer.transport
            negotiated = transport.negotiated if self.mode == "merged" else transport.negotiatedProtocol.decode()
            self.assertEqual("http/1.1", negotiated)

    async def test_dead_peers_are_noticed(self) -> None:
        for peer in await self.pair():
            self.assertTrue(peer.transport.getTcpKeepAlive())
            self.assertTrue(peer.transport.getTcpNoDelay())

    async def test_client_certificates(self) -> None:
        middle = Authority("middle", AUTHORITY)
        through = middle.client("john")
        for pair, between in ((JANE, set()), (through, {middle.der})):
            tls = calling(certificate=pair.certificate, key=pair.key)
            _, server = await self.pair(serving(client_ca=AUTHORITY.certificate), tls)
            leaf, sent = certificates(server.transport)
            self.assertEqual(pair.der, leaf)
            # OpenSSL may add what it finds among the CAs that it was given.
            self.assertEqual(between, {*sent} - {AUTHORITY.der})

    async def test_no_client_certificate(self) -> None:
        for client_ca in (b"", AUTHORITY.certificate):
            _, server = await self.pair(serving(client_ca=client_ca))
            self.assertEqual((None, ()), certificates(server.transport))

    async def test_a_strangers_certificate(self) -> None:
        tls = calling(certificate=(pair := STRANGER.client("root")).certificate, key=pair.key)
        port = self.listen(serving(client_ca=AUTHORITY.certificate))
        client = await self.connect(port, tls)
        client.transport.write(b"hello")
        await client.lost()
        await self.accepted[0].lost()
        self.assertEqual(b"", self.accepted[0].received)

    async def refused(self, port: int, words: str, host: str = "localhost", **more: object) -> None:
        try:
            await self.connect(port, calling(**more), host)
        except UpstreamTlsFailed as error:
            self.assertIn(words, error.message)
            self.assertEqual("tls", error.hop)
        else:
            self.fail("no error")

    async def test_failed_checks_are_named(self) -> None:
        good = self.listen(serving())
        old = AUTHORITY.server("localhost", valid=(LONG_AGO, datetime(2021, 1, 1, tzinfo=timezone.utc)))
        new = AUTHORITY.server(
            "localhost", valid=(datetime(2110, 1, 1, tzinfo=timezone.utc), datetime(2120, 1, 1, tzinfo=timezone.utc))
        )
        await self.refused(self.listen(serving(old)), "expired")
        await self.refused(self.listen(serving(new)), "not valid yet")
        await self.refused(self.listen(serving(AUTHORITY.server("other"))), "host name")
        await self.refused(good, "host name", server_name="other.example")
        await self.refused(self.listen(serving(AUTHORITY.server("localhost"))), "IP address", "127.0.0.1")
        await self.refused(good, "issuer", ca=STRANGER.certificate)

    async def test_checks_that_are_not_made(self) -> None:
        await self.pair(serving(AUTHORITY.server("other")), calling(server_name="other"))
        await self.pair(serving(STRANGER.server("other")), calling(ca=None, insecure=True))

    async def test_an_intermediate_is_trust_enough(self) -> None:
        middle = Authority("middle", AUTHORITY)
        await self.pair(serving(middle.server("localhost")), calling(ca=middle.certificate))

    async def test_addresses(self) -> None:
        await self.connect(self.listen(serving()), calling(), "127.0.0.1")

    async def test_what_is_no_tls(self) -> None:
        class Plain(Protocol):
            def dataReceived(self, data: bytes) -> None:
                assert self.transport is not None
                self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        class Silent(Protocol):
            def connectionMade(self) -> None:
                assert self.transport is not None
                self.transport.loseConnection()

        plain = self.keep(reactor.listenTCP(0, Factory.forProtocol(Plain), interface="127.0.0.1"))
        silent = self.keep(reactor.listenTCP(0, Factory.forProtocol(Silent), interface="127.0.0.1"))
        await self.refused(plain, "does not speak TLS")
        await self.refused(silent, "closed the connection")

    async def test_an_unusable_client_certificate(self) -> None:
        await self.refused(self.listen(serving()), "key", certificate=JANE.certificate, key=SERVER.key)

    async def test_cancelled(self) -> None:
        silent = self.keep(reactor.listenTCP(0, Factory.forProtocol(self.accept), interface="127.0.0.1"))
        endpoint = client_endpoint(reactor, "127.0.0.1", silent, calling(), self.mode)
        connecting = endpoint.connect(Factory.forProtocol(Peer))
        while not self.accepted:
            await self.turn()
        await self.accepted[0].got(1)
        connecting.cancel()
        try:
            await connecting
        except Exception as error:
            self.assertNotIsInstance(error, AssertionError)
        else:
            self.fail("no error")

    async def test_a_new_certificate(self) -> None:
        now = [SERVER]
        port = self.listen(lambda: ServerTls(now[0].certificate, now[0].key))
        first = await self.connect(port, calling())
        now[0] = STRANGER.server("localhost")
        await self.connect(port, calling(ca=STRANGER.certificate))
        now[0] = replace(SERVER, key=JANE.key)
        await self.connect(port, calling(ca=STRANGER.certificate))
        self.assertIsNone(first.end)

    async def test_ends(self) -> None:
        for how, error in (("loseConnection", ConnectionDone), ("abortConnection", ConnectionLost)):
            for side in (0, 1):
                ends = await self.pair()
                here, there = ends[side], ends[1 - side]
                here.transport.write(b"bye")
                if how == "loseConnection":
                    getattr(here.transport, how)()
                else:
                    await there.got(3)
                    getattr(here.transport, how)()
                self.assertIsInstance(await there.lost(), error)
                self.assertEqual(b"bye", there.received)
                await here.lost()

    async def test_a_large_answer_before_the_end(self) -> None:
        client, server = await self.pair()
        server.transport.write(b"x" * 5_000_000)
        server.transport.loseConnection()
        await client.lost()
        self.assertEqual(5_000_000, len(client.received))

    async def test_backpressure(self) -> None:
        client, server = await self.pair()
        for here, there in ((client, server), (server, client)):
            producer = Producer(here, 200)
            here.transport.registerProducer(producer, True)
            there.transport.pauseProducing()
            producer.go()
            while producer.left == 200 or not producer.pauses:
                await self.turn()
            self.assertGreater(producer.left, 0)
            there.transport.resumeProducing()
            await there.got(200 * 50_000)
            here.transport.unregisterProducer()

    async def test_a_producer_cannot_be_registered_twice(self) -> None:
        client, _ = await self.pair()
        client.transport.registerProducer(Producer(client, 0), True)
        self.assertRaises(RuntimeError, client.transport.registerProducer, Producer(client, 0), True)
        client.transport.unregisterProducer()

    async def test_writing_to_what_is_gone(self) -> None:
        client, server = await self.pair()
        client.transport.abortConnection()
        client.transport.write(b"x")
        await client.lost()
        client.transport.write(b"x")
        client.transport.loseConnection()
        client.transport.abortConnection()
        await server.lost()
        self.assertEqual(b"", server.received)


class Stock(Merged):
    mode = "twisted"


class HalfClosed(Loopback):
    """What only the merged transport can do."""

    peer = HalfPeer

    async def test_one_direction_ends(self) -> None:
        for side in (0, 1):
            ends = await self.pair()
            here, there = ends[side], ends[1 - side]
            here.transport.write(b"last words")
            here.transport.loseWriteConnection()
            here.transport.write(b"ghost")
            await there.until(lambda there=there: there.half_closed)  # type: ignore[misc]
            self.assertEqual(b"last words", there.received)
            there.transport.write(b"x" * 300_000)
            await here.got(300_000)
            there.transport.loseConnection()
            self.assertIsInstance(await here.lost(), ConnectionDone)
            await there.lost()

    async def test_the_other_side_goes_away_after_its_end(self) -> None:
        client, server = await self.pair()
        client.transport.loseWriteConnection()
        await server.until(lambda: server.half_closed)
        client.transport.abortConnection()
        await server.lost()

    async def test_cut_off(self) -> None:
        """The end of the connection without that of TLS is not an orderly end."""
        client, server = await self.pair()
        server.transport._base.loseWriteConnection()
        self.assertIsInstance(await client.lost(), ConnectionLost)


class Recorded:
    """A socket that keeps what options were set."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.options: list[tuple[int, int, int]] = []

    def setsockopt(self, level: int, name: int, value: int) -> None:
        self.options.append((level, name, value))
        self._sock.setsockopt(level, name, value)

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


class Pieces(Loopback):
    async def test_part_of_a_record_is_acknowledged_at_once(self) -> None:
        """Or a sender that gathers small writes would wait for the acknowledgement, and this side for the rest."""
        client, server = await self.pair()
        recorded = client.transport._socket = Recorded(client.transport.socket)
        server.transport.write(b"x" * 1000)
        await client.got(1000)
        self.assertEqual([], recorded.options)
        server.transport._encrypt(b"y" * 1000)
        record = server.transport._outgoing.read()
        server.transport._send(record[:500])
        while not recorded.options:
            await self.turn()
        self.assertEqual([(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)], recorded.options)
        server.transport._send(record[500:])
        await client.got(2000)


class Sessions(Loopback):
    async def test_are_resumed(self) -> None:
        context = server_context(serving()())
        context.options &= ~ssl.OP_NO_TICKET
        context.num_tickets = 2
        factory = tls_room._MergedFactory(Factory.forProtocol(self.accept), lambda: context, 65536)
        port = self.keep(reactor.listenTCP(0, factory, interface="127.0.0.1"))
        endpoint = client_endpoint(reactor, "localhost", port, calling())
        resumed = []
        for number in range(3):
            client = await self.through(endpoint)
            while len(self.accepted) <= number:
                await self.turn()
            self.accepted[number].transport.write(b"hello")
            await client.got(5)
            resumed.append(client.transport.tls.session_reused)
        self.assertEqual([False, True, True], resumed)


class StockTunnels(SynchronousTestCase):
    """Twisted's TLS on transports that are no sockets; ours is in test_tlslayer.py."""

    def setUp(self) -> None:
        self.network = Network()
        self.server = Peer()
        context = tlsstock.server_context(serving()())
        factory = TLSMemoryBIOFactory(
            tlsstock.ServerConnections(lambda: context), False, Factory.forProtocol(lambda: self.server)
        )
        self.endpoint = MemoryEndpoint(self.network, lambda: factory.buildProtocol(None))

    def connect(self, **more: object) -> Deferred[object]:
        connecting = wrap_tls(self.endpoint, "localhost", calling(**more), "twisted").connect(Factory.forProtocol(Peer))
        self.network.pump()
        return connecting  # type: ignore[return-value]

    def test_works(self) -> None:
        client = self.successResultOf(self.connect())
        assert isinstance(client, Peer)
        self.assertNotIsInstance(client.transport, TlsTransport)
        self.assertFalse(tls_room.can_half_close(client.transport))
        self.server.transport.loseConnection()
        self.network.pump()
        self.assertIsInstance(client.end, ConnectionDone)

    def test_fails(self) -> None:
        for more, words in (({"server_name": "other"}, "host name"), ({"ca": STRANGER.certificate}, "issuer")):
            self.server = Peer()
            failure = self.failureResultOf(self.connect(**more), UpstreamTlsFailed)
            self.assertIn(words, failure.value.message)


class Contexts(SynchronousTestCase):
    def test_a_first_certificate_must_be_good(self) -> None:
        self.assertRaises(ConfigurationError, ServerContexts, lambda: ServerTls(b"", b""), "merged")

    def test_a_later_one_need_not(self) -> None:
        now = [serving()()]
        for mode in ("merged", "twisted"):
            contexts = ServerContexts(lambda: now[-1], mode)
            first = contexts.current()
            self.assertIs(first, contexts.current())
            now.append(replace(now[0], key=JANE.key))
            self.assertIs(first, contexts.current())
            now.append(replace(now[0], client_ca=AUTHORITY.certificate))
            self.assertIsNot(first, contexts.current())
            now.append(now[0])
