from __future__ import annotations

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from clustergateway.testing.wires import MemoryEndpoint, Network, Wire


@implementer(IPushProducer)
class End(Protocol):
    transport: Wire

    def __init__(self) -> None:
        self.seen: list[object] = []

    def dataReceived(self, data: bytes) -> None:
        self.seen.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.seen.append(type(reason.value))

    def pauseProducing(self) -> None:
        self.seen.append("pause")

    def resumeProducing(self) -> None:
        self.seen.append("resume")

    def stopProducing(self) -> None:
        self.seen.append("stop")


@implementer(IHalfCloseableProtocol)
class HalfEnd(End):
    def readConnectionLost(self) -> None:
        self.seen.append("half")

    def writeConnectionLost(self) -> None:
        pass


class Wires(SynchronousTestCase):
    def setUp(self) -> None:
        self.network = Network(high_water=10)
        self.client, self.server = End(), HalfEnd()
        self.network.connect(self.client, self.server)

    def pump(self) -> tuple[list[object], list[object]]:
        self.network.pump()
        return self.client.seen, self.server.seen

    def test_nothing_happens_before_it_is_let(self) -> None:
        self.client.transport.write(b"a")
        self.client.transport.writeSequence([b"b", b"c"])
        self.assertEqual([], self.server.seen)
        self.assertEqual(([], [b"abc"]), self.pump())
        self.assertEqual(b"abc", self.client.transport.sent)

    def test_closing_comes_after_what_was_written(self) -> None:
        self.client.transport.write(b"a")
        self.client.transport.loseConnection()
        self.client.transport.write(b"b")
        self.assertEqual(([ConnectionDone], [b"a", ConnectionDone]), self.pump())

    def test_aborting_comes_at_once(self) -> None:
        self.client.transport.write(b"a")
        self.client.transport.abortConnection()
        self.assertEqual(([ConnectionAborted], [ConnectionLost]), self.pump())

    def test_half_close(self) -> None:
        self.client.transport.loseWriteConnection()
        self.client.transport.write(b"a")
        self.server.transport.write(b"b")
        self.assertEqual(([b"b"], ["half"]), self.pump())
        self.server.transport.loseWriteConnection()
        self.assertEqual(([b"b", ConnectionDone], ["half", ConnectionDone]), self.pump())

    def test_pausing(self) -> None:
        self.server.transport.pauseProducing()
        self.client.transport.write(b"a")
        self.assertEqual(([], []), self.pump())
        self.assertEqual(1, self.client.transport.waiting)
        self.server.transport.resumeProducing()
        self.assertEqual(([], [b"a"]), self.pump())

    def test_backpressure(self) -> None:
        self.client.transport.registerProducer(self.client, True)
        self.assertRaises(RuntimeError, self.client.transport.registerProducer, self.client, True)
        self.client.transport.write(b"x" * 11)
        self.assertEqual(["pause"], self.client.seen)
        self.assertEqual((["pause", "resume"], [b"x" * 11]), self.pump())
        self.client.transport.loseConnection()
        self.assertEqual(["pause", "resume"], self.pump()[0])
        self.client.transport.unregisterProducer()
        self.assertEqual(["pause", "resume", ConnectionDone], self.pump()[0])

    def test_cutting_comes_at_once(self) -> None:
        self.client.transport.registerProducer(self.client, True)
        self.client.transport.write(b"a")
        self.client.transport.cut()
        self.assertEqual((["stop", ConnectionLost], [ConnectionLost]), (self.client.seen, self.server.seen))
        self.assertEqual((["stop", ConnectionLost], [ConnectionLost]), self.pump())

    def test_addresses(self) -> None:
        self.assertEqual(self.client.transport.getPeer(), self.server.transport.getHost())
        self.assertEqual("192.0.2.1", self.server.transport.getPeer().host)


class Endpoints(SynchronousTestCase):
    def test_leads_to_what_accepts(self) -> None:
        network, server = Network(), End()
        endpoint = MemoryEndpoint(network, lambda: server)
        client = self.successResultOf(endpoint.connect(Factory.forProtocol(End)))
        assert isinstance(client, End)
        client.transport.write(b"a")
        network.pump()
        self.assertEqual([b"a"], server.seen)
        self.assertEqual(([client.transport], server.transport), (endpoint.wires, client.transport.other))

    def test_refuses_and_keeps_silent(self) -> None:
        endpoint = MemoryEndpoint(Network(), End)
        endpoint.refusal = ConnectionRefusedError()
        self.failureResultOf(endpoint.connect(Factory.forProtocol(End)), ConnectionRefusedError)
        endpoint.silent = True
        self.assertNoResult(endpoint.connect(Factory.forProtocol(End)))
        self.assertEqual((2, []), (endpoint.attempts, endpoint.wires))
