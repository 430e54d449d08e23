from __future__ import annotations

import gc
import ssl
import weakref
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import UpstreamTlsFailed
from clustergateway.testing.certificates import Authority
from clustergateway.testing.wires import MemoryEndpoint, Network, Wire
from clustergateway.transport.contexts import ServerTls, server_context
from clustergateway.transport.tls import can_half_close, certificates, hang_up, is_tls, wrap_tls
from clustergateway.transport.tlslayer import TlsLayer
from clustergateway.transport.tlstransport import TlsError

from .tlspeers import AUTHORITY, JANE, SERVER, HalfPeer, Peer, calling

STRANGER = Authority("stranger")


class Server(Protocol):
    """
    The other end, TLS and all.

    @ivar received: decrypted.
    @ivar closed: whether close_notify came.
    """

    transport: Wire

    def __init__(self, context: ssl.SSLContext) -> None:
        self._bios = (ssl.MemoryBIO(), ssl.MemoryBIO())
        self.tls = context.wrap_bio(*self._bios, server_side=True)
        self.received = b""
        self.closed = False
        self.end: BaseException | None = None
        self._established = False

    def dataReceived(self, data: bytes) -> None:
        self._bios[0].write(data)
        try:
            if not self._established:
                self.tls.do_handshake()
                self._established = True
            while data := self.tls.read(65536):
                self.received += data
            self.closed = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.closed = True
        except ssl.SSLError:
            pass  # the alert is among what is flushed
        self.flush()

    def flush(self) -> None:
        self.transport.write(self._bios[1].read())

    def write(self, data: bytes) -> None:
        self.tls.write(data)
        self.flush()

    def notify_close(self) -> None:
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self.flush()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.end = reason.value


class Producer:
    def __init__(self) -> None:
        self.calls: list[str] = []

    def pauseProducing(self) -> None:
        self.calls.append("pause")

    def resumeProducing(self) -> None:
        self.calls.append("resume")

    def stopProducing(self) -> None:
        self.calls.append("stop")


class Layered(SynchronousTestCase):
    """
    @ivar wire: the transport below the client's TLS.
    """

    peer: type[Peer] = Peer

    def setUp(self) -> None:
        self.network = Network(high_water=50_000)
        self.context = server_context(ServerTls(SERVER.certificate, SERVER.key))
        self.endpoint = MemoryEndpoint(self.network, self.accept)
        self.way: Any = None

    def accept(self) -> Server:
        self.server = Server(self.context)
        return self.server

    def connecting(self, **more: Any) -> Deferred[Any]:
        if self.way is None:
            self.way = wrap_tls(self.endpoint, "localhost", calling(**more))
        connecting: Deferred[Any] = self.way.connect(Factory.forProtocol(self.peer))
        self.network.pump()
        return connecting

    def connect(self, **more: Any) -> Peer:
        peer = self.successResultOf(self.connecting(**more))
        assert isinstance(peer, Peer)
        self.wire = self.network.wires[-1].other
        return peer

    def refused(self, **more: Any) -> str:
        self.way = None
        return str(self.failureResultOf(self.connecting(**more), UpstreamTlsFailed).value.message)


class Bytes(Layered):
    def test_both_ways(self) -> None:
        client = self.connect()
        self.assertIsInstance(client.transport, TlsLayer)
        for size in (1, 16384, 16385, 300_000):
            data = bytes(range(256)) * (size // 256 + 1)
            client.received = self.server.received = b""
            client.transport.write(data)
            self.server.write(data)
            self.network.pump()
            self.assertEqual((data, data), (client.received, self.server.received))
        client.transport.writeSequence([b"a", b"", b"b"])
        client.transport.write(b"")
        self.network.pump()
        self.assertTrue(self.server.received.endswith(b"ab"))

    def test_a_record_in_pieces(self) -> None:
        client = self.connect()
        self.server.tls.write(b"hello")
        for byte in self.server._bios[1].read():
            self.assertEqual(b"", client.received)
            self.server.transport.write(bytes([byte]))
            self.network.pump()
        self.assertEqual(b"hello", client.received)

    def test_what_is_known_of_it(self) -> None:
        self.context = server_context(ServerTls(SERVER.certificate, SERVER.key, AUTHORITY.certificate))
        client = self.connect(certificate=JANE.certificate, key=JANE.key)
        self.assertIsNotNone(self.server.tls.getpeercert(True))
        self.assertTrue(is_tls(client.transport))
        self.assertTrue(can_half_close(client.transport))
        self.assertEqual("http/1.1", client.transport.negotiated)
        self.assertEqual("192.0.2.80", client.transport.getPeer().host)
        self.assertEqual("192.0.2.1", client.transport.getHost().host)
        self.assertEqual(ssl.PEM_cert_to_DER_cert(SERVER.certificate.decode()), certificates(client.transport)[0])

    def test_sessions_are_resumed(self) -> None:
        self.context.options &= ~ssl.OP_NO_TICKET
        self.context.num_tickets = 2
        resumed = []
        for _ in range(3):
            client = self.connect()
            resumed.append(client.transport.tls.session_reused)
        self.assertEqual([False, True, True], resumed)

    def test_backpressure(self) -> None:
        client = self.connect()
        producer = Producer()
        client.transport.registerProducer(producer, True)
        self.assertRaises(RuntimeError, client.transport.registerProducer, producer, True)
        client.transport.write(b"x" * 100_000)
        self.assertEqual(["pause"], producer.calls)
        self.network.pump()
        self.assertEqual(["pause", "resume"], producer.calls)
        client.transport.unregisterProducer()
        client.transport.write(b"x" * 100_000)
        self.assertEqual(["pause", "resume"], producer.calls)

    def test_a_reader_that_pauses(self) -> None:
        client = self.connect()
        client.transport.pauseProducing()
        self.server.write(b"hello")
        self.network.pump()
        self.assertEqual(b"", client.received)
        client.transport.resumeProducing()
        self.network.pump()
        self.assertEqual(b"hello", client.received)


class Handshakes(Layered):
    def test_failed_checks_are_named(self) -> None:
        self.assertIn("host name", self.refused(server_name="other"))
        self.assertIsNotNone(self.server.end)
        self.assertIn("issuer", self.refused(ca=STRANGER.certificate))

    def test_the_other_side_refuses(self) -> None:
        """In TLS 1.3 a client has finished its handshake before its certificate is looked at."""
        self.context = server_context(ServerTls(SERVER.certificate, SERVER.key, STRANGER.certificate))
        client = self.connect(certificate=JANE.certificate, key=JANE.key)
        self.assertIsInstance(client.end, TlsError)

    def test_what_is_no_tls(self) -> None:
        for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00" * 100):
            self.endpoint.accept = lambda answer=answer: Plain(answer)  # type: ignore[misc]
            self.assertIn("TLS", self.refused())

    def test_the_connection_ends_in_the_middle(self) -> None:
        self.endpoint.accept = lambda: Plain(b"")
        connecting = self.connecting()
        self.assertNoResult(connecting)
        self.network.wires[-1].loseConnection()
        self.network.pump()
        self.assertIn("closed", self.failureResultOf(connecting, UpstreamTlsFailed).value.message)

    def test_cancelled(self) -> None:
        self.endpoint.accept = lambda: Plain(b"")
        connecting = self.connecting()
        connecting.cancel()
        self.network.pump()
        self.failureResultOf(connecting)
        self.assertIsNotNone(self.network.wires[-1].ended)


class Ends(Layered):
    def test_here(self) -> None:
        client = self.connect()
        client.transport.write(b"last words")
        hang_up(client.transport)
        client.transport.write(b"ghost")
        client.transport.loseConnection()
        self.network.pump()
        self.assertEqual((b"last words", True), (self.server.received, self.server.closed))
        self.assertIsInstance(client.end, ConnectionDone)
        self.assertIsInstance(self.server.end, ConnectionDone)

    def test_with_a_producer(self) -> None:
        client = self.connect()
        client.transport.registerProducer(Producer(), True)
        client.transport.stopProducing()
        self.network.pump()
        self.assertIsInstance(client.end, ConnectionDone)

    def test_there(self) -> None:
        client = self.connect()
        self.server.write(b"last words")
        self.server.notify_close()
        self.network.pump()
        self.assertEqual(b"last words", client.received)
        self.assertIsInstance(client.end, ConnectionDone)
        self.assertTrue(self.server.closed)

    def test_cut_off(self) -> None:
        """The end of the connection without that of TLS is not an orderly end."""
        client = self.connect()
        self.server.write(b"hel")
        self.server.transport.loseConnection()
        self.network.pump()
        self.assertEqual(b"hel", client.received)
        self.assertIsInstance(client.end, ConnectionLost)

    def test_nothing_is_left_for_the_garbage_collector(self) -> None:
        gc.disable()
        self.addCleanup(gc.enable)
        client = self.connect()
        peer = weakref.ref(client)
        hang_up(client.transport)
        self.network.pump()
        self.network.wires.clear()
        del client
        self.assertIsNone(peer())

    def test_damage(self) -> None:
        client = self.connect()
        self.server.write(b"good")
        self.server.transport.write(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        self.network.pump()
        self.assertEqual(b"good", client.received)
        self.assertIsInstance(client.end, TlsError)
        self.assertIsInstance(self.server.end, ConnectionLost)

    def test_aborted(self) -> None:
        client = self.connect()
        client.transport.write(b"x")
        client.transport.abortConnection()
        client.transport.abortConnection()
        client.transport.write(b"ghost")
        client.transport.loseConnection()
        self.network.pump()
        self.assertEqual((b"", False), (self.server.received, self.server.closed))
        self.assertIsInstance(client.end, ConnectionAborted)
        client.transport.resumeProducing()
        client.transport.loseWriteConnection()


class HalfClosed(Layered):
    peer = HalfPeer

    def test_here(self) -> None:
        client = self.connect()
        client.transport.write(b"last words")
        client.transport.loseWriteConnection()
        client.transport.write(b"ghost")
        self.network.pump()
        self.assertEqual((b"last words", True), (self.server.received, self.server.closed))
        self.server.write(b"x" * 100_000)
        self.server.notify_close()
        self.network.pump()
        self.assertEqual(100_000, len(client.received))
        self.assertIsInstance(client.end, ConnectionDone)

    def test_there(self) -> None:
        client = self.connect()
        self.server.notify_close()
        self.network.pump()
        assert isinstance(client, HalfPeer)
        self.assertTrue(client.half_closed)
        self.assertIsNone(client.end)
        client.transport.write(b"still here")
        self.network.pump()
        # What comes after close_notify is nothing.
        self.assertEqual(b"", client.received)
        client.transport.loseConnection()
        self.network.pump()
        self.assertIsInstance(client.end, ConnectionDone)


class Plain(Protocol):
    """Says something as soon as something comes."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(self._answer)  # type: ignore[union-attr]
