from __future__ import annotations

from itertools import count
from typing import Any

from h2.settings import SettingCodes
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.interfaces import (
    IHostResolution,
    IProtocol,
    IPullProducer,
    IPushProducer,
    IResolutionReceiver,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from clustergateway.errors import (
    ClusterUnavailable,
    ServiceUnavailable,
    UpstreamError,
    UpstreamMalformed,
    UpstreamRefused,
    UpstreamReset,
    UpstreamTimeout,
)
from clustergateway.model.konnectivity import (
    CloseDial,
    CloseRequest,
    CloseResponse,
    Data,
    DialRequest,
    DialResponse,
    Drain,
    Packet,
)
from clustergateway.testing.konnectivity import Connection, ProxyServer
from clustergateway.testing.wires import MemoryEndpoint, Network
from clustergateway.transport.endpoints.addresses import Addresses
from clustergateway.transport.endpoints.konnectivity import Konnectivity, KonnectivityLimits, Server
from clustergateway.transport.endpoints.tunnel import Tunnel

MIB = 1 << 20


class Talk(Protocol):
    """Writes down what happens."""

    def __init__(self) -> None:
        self.got = b""
        self.lost: BaseException | None = None

    def dataReceived(self, data: bytes) -> None:
        self.got += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason.value

    @property
    def tunnel(self) -> Tunnel:
        assert isinstance(self.transport, Tunnel)
        return self.transport


class Echo(Protocol):
    def dataReceived(self, data: bytes) -> None:
        assert self.transport is not None
        self.transport.write(data)


@implementer(IPushProducer)
class Valve:
    """A producer that only remembers."""

    def __init__(self) -> None:
        self.paused = False
        self.stopped = False
        self.pauses = 0

    def pauseProducing(self) -> None:
        self.paused = True
        self.pauses += 1

    def resumeProducing(self) -> None:
        self.paused = False

    def stopProducing(self) -> None:
        self.stopped = True


class Names:
    """A resolver of names that are known beforehand."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self.names = names
        self.asked: list[str] = []

    def resolveHostName(
        self, resolutionReceiver: IResolutionReceiver, hostName: str, *_: Any, **__: Any
    ) -> IHostResolution:
        self.asked.append(hostName)
        resolution: Any = object()
        resolutionReceiver.resolutionBegan(resolution)
        for address in self.names.get(hostName, []):
            resolutionReceiver.addressResolved(IPv4Address("TCP", address, 0))
        resolutionReceiver.resolutionComplete()
        return resolution  # type: ignore[no-any-return]


class World:
    """Proxy-servers by address, a gateway, a far end that echoes."""

    def __init__(self, names: dict[str, list[str]], limits: KonnectivityLimits | None = None) -> None:
        self.clock = Clock()
        self.names = Names(names)
        self.network = Network()
        self.far = MemoryEndpoint(self.network, Echo)
        self.servers: dict[str, ProxyServer] = {}
        self.ways: dict[str, MemoryEndpoint] = {}
        for addresses in names.values():
            for address in addresses:
                self.add(address)
        self.konnectivity = Konnectivity(
            self.clock,
            [(name, 8090) for name in names],
            Addresses(self.clock, self.names),  # type: ignore[arg-type]
            self.reach,
            count(1000).__next__,
            limits,
        )

    def add(self, address: str) -> None:
        server = self.servers[address] = ProxyServer()
        server.far_ends["c1:443"] = self.far
        self.ways[address] = MemoryEndpoint(self.network, lambda: server.buildProtocol(None))

    def reach(self, server: Server) -> IStreamClientEndpoint:
        way: IStreamClientEndpoint = self.ways[server.address]
        return way

    def flush(self) -> None:
        """Until nothing moves any more; time stands still."""
        for _ in range(100):
            self.network.pump()
            self.clock.advance(0)

    def dial(self, host: str = "c1") -> Deferred[IProtocol]:
        dialled = self.konnectivity.endpoint(host, 443).connect(Factory.forProtocol(Talk))
        self.flush()
        return dialled


class KonnectivityTests(SynchronousTestCase):
    """Everything here happens in memory."""

    def setUp(self) -> None:
        self.world = World({"proxy": ["10.0.0.1"]})
        self.server = self.world.servers["10.0.0.1"]

    @property
    def connection(self) -> Connection:
        return self.server.connections[-1]

    def talk(self, host: str = "c1") -> Talk:
        talk = self.successResultOf(self.world.dial(host))
        assert isinstance(talk, Talk)
        return talk

    def dialling(self) -> tuple[Deferred[IProtocol], int, int]:
        """@return: a dial that a test answers itself, its stream, its random."""
        self.server.automatic = False
        dialled = self.world.dial()
        stream, packet = self.connection.heard[-1]
        assert isinstance(packet, DialRequest)
        return dialled, stream, packet.random

    def opened(self) -> tuple[Talk, int]:
        """@return: an open tunnel with connection id 7 that a test plays the other side of."""
        dialled, stream, random = self.dialling()
        self.say(stream, DialResponse(random, 7))
        talk = self.successResultOf(dialled)
        assert isinstance(talk, Talk)
        return talk, stream

    def say(self, stream: int, *packets: Packet) -> None:
        for packet in packets:
            self.connection.send(stream, packet)
        self.world.flush()

    def heard(self, stream: int) -> list[Packet]:
        return [packet for number, packet in self.connection.heard if number == stream]

    def assertNothingLeft(self) -> None:
        self.world.clock.advance(11)
        self.world.flush()
        konnectivity = self.world.konnectivity
        self.assertEqual((0, 0), (konnectivity.tunnels, konnectivity.unconnected))
        self.assertEqual([], self.world.clock.getDelayedCalls())
        for connection in self.server.connections:
            self.assertEqual({}, connection.streams)

    # Opening and closing.

    def test_bytes_both_ways(self) -> None:
        talk = self.talk()
        talk.tunnel.writeSequence([b"hel", b"lo"])
        self.world.flush()
        self.assertEqual(b"hello", talk.got)
        self.assertEqual(1, self.world.konnectivity.tunnels)

    def test_what_the_server_sees(self) -> None:
        _, stream, random = self.dialling()
        self.assertEqual([DialRequest("c1:443", random)], self.heard(stream))
        headers = self.connection.headers[stream]
        self.assertEqual(
            ("POST", "https", "/ProxyService/Proxy", "application/grpc", "trailers", "proxy:8090"),
            tuple(headers[k] for k in (":method", ":scheme", ":path", "content-type", "te", ":authority")),
        )

    def test_ipv6_far_end(self) -> None:
        self.server.automatic = False
        self.world.dial("fd00::1").addErrback(lambda _: None)
        packet = self.connection.heard[-1][1]
        assert isinstance(packet, DialRequest)
        self.assertEqual("[fd00::1]:443", packet.address)

    def test_one_connection_for_many_tunnels(self) -> None:
        talks = [self.talk() for _ in range(50)]
        for number, talk in enumerate(talks):
            talk.tunnel.write(b"%d" % number)
        self.world.flush()
        self.assertEqual([b"%d" % n for n in range(50)], [talk.got for talk in talks])
        self.assertEqual((50, 1), (self.world.konnectivity.tunnels, self.world.konnectivity.connections))

    def test_tunnels_wanted_at_once_share_the_first_connection(self) -> None:
        endpoint = self.world.konnectivity.endpoint("c1", 443)
        dialled = [endpoint.connect(Factory.forProtocol(Talk)) for _ in range(20)]
        self.world.flush()
        for one in dialled:
            self.successResultOf(one)
        self.assertEqual(1, self.world.ways["10.0.0.1"].attempts)

    def test_this_end_hangs_up(self) -> None:
        talk, stream = self.opened()
        talk.tunnel.write(b"last words")
        talk.tunnel.loseConnection()
        talk.tunnel.write(b"never said")
        self.assertIsNone(talk.lost)
        self.world.flush()
        self.assertIsInstance(talk.lost, ConnectionDone)
        self.assertEqual([Data(7, b"last words"), CloseRequest(7)], self.heard(stream)[1:])
        self.assertEqual([], self.connection.ended, "the stream waits for the answer")
        self.say(stream, CloseResponse(7))
        self.assertEqual([stream], self.connection.ended)
        self.assertNothingLeft()

    def test_the_answer_to_hanging_up_is_not_waited_for_for_ever(self) -> None:
        talk, stream = self.opened()
        talk.tunnel.loseConnection()
        self.world.flush()
        self.world.clock.advance(9.9)
        self.world.flush()
        self.assertEqual((0, 1), (self.world.konnectivity.tunnels, self.world.konnectivity.unconnected))
        self.world.clock.advance(0.2)
        self.world.flush()
        self.assertEqual([stream], self.connection.ended)
        self.assertNothingLeft()

    def test_the_far_end_hangs_up(self) -> None:
        talk, stream = self.opened()
        self.say(stream, Data(7, b"bye"), CloseResponse(7))
        self.assertEqual(b"bye", talk.got)
        self.assertIsInstance(talk.lost, ConnectionDone)
        self.assertNothingLeft()

    def test_the_far_end_fails(self) -> None:
        talk, stream = self.opened()
        self.say(stream, CloseResponse(7, "read: connection reset by peer"))
        self.assertIsInstance(talk.lost, ConnectionLost)
        self.assertIn("reset by peer", str(talk.lost))
        self.assertNothingLeft()

    def test_abort(self) -> None:
        talk, stream = self.opened()
        talk.tunnel.abortConnection()
        self.assertIsNone(talk.lost, "not from inside the call")
        self.world.flush()
        self.assertIsInstance(talk.lost, ConnectionAborted)
        self.assertEqual(CloseRequest(7), self.heard(stream)[-1])
        self.assertNothingLeft()

    def test_abort_with_half_a_packet_under_way(self) -> None:
        talk, stream = self.opened()
        talk.tunnel.write(b"x" * MIB)
        talk.tunnel.abortConnection()
        self.world.flush()
        self.assertEqual([stream], self.connection.ended)
        self.assertIsInstance(talk.lost, ConnectionAborted)
        self.assertNothingLeft()

    def test_closing_behind_a_window_that_never_opens(self) -> None:
        talk, stream = self.opened()
        talk.tunnel.write(b"x" * MIB)
        talk.tunnel.loseConnection()
        self.world.flush()
        self.assertIsNone(talk.lost, "there is something to send yet")
        self.world.clock.advance(10)
        self.world.flush()
        self.assertIsNotNone(talk.lost)
        self.assertEqual([stream], self.connection.ended)
        self.assertNothingLeft()

    def test_closing_behind_a_window_that_opens(self) -> None:
        talk, stream = self.opened()
        talk.tunnel.write(b"x" * 100000)
        talk.tunnel.loseConnection()
        self.world.flush()
        self.connection.credit(stream, MIB)
        self.world.flush()
        sent = [packet for packet in self.heard(stream) if isinstance(packet, Data)]
        self.assertEqual(100000, sum(len(packet.data) for packet in sent))
        self.assertEqual(CloseRequest(7), self.heard(stream)[-1])
        self.assertIsInstance(talk.lost, ConnectionDone)
        self.assertNothingLeft()

    def test_a_factory_that_changes_its_mind(self) -> None:
        refusing = Factory()
        refusing.buildProtocol = lambda addr: None  # type: ignore[method-assign]
        dialled = self.world.konnectivity.endpoint("c1", 443).connect(refusing)
        self.world.flush()
        self.failureResultOf(dialled)
        self.assertNothingLeft()

    # Dials that fail.

    def test_refused_by_the_far_end(self) -> None:
        failure = self.failureResultOf(self.world.dial("unknown"), UpstreamRefused)
        self.assertIn("unknown:443", str(failure.value))
        self.assertEqual("connect", failure.value.hop)
        self.assertEqual((1, 1), (self.world.konnectivity.dials, self.world.konnectivity.failures))
        self.assertNothingLeft()

    def test_cancelled(self) -> None:
        dialled, stream, random = self.dialling()
        dialled.cancel()
        self.failureResultOf(dialled)
        self.world.flush()
        self.assertEqual(CloseDial(random), self.heard(stream)[-1])
        self.assertNothingLeft()

    def test_cancelled_too_late(self) -> None:
        dialled, stream, random = self.dialling()
        dialled.cancel()
        self.failureResultOf(dialled)
        self.say(stream, DialResponse(random, 9))
        self.assertEqual(CloseRequest(9), self.heard(stream)[-1], "the agent's connection is not forgotten")
        self.say(stream, CloseResponse(9))
        self.assertEqual([stream], self.connection.ended)
        self.assertNothingLeft()

    def test_no_answer(self) -> None:
        dialled, stream, random = self.dialling()
        self.world.clock.advance(9.9)
        self.assertNoResult(dialled)
        self.world.clock.advance(0.2)
        self.failureResultOf(dialled, UpstreamTimeout)
        self.world.flush()
        self.assertEqual(CloseDial(random), self.heard(stream)[-1])
        self.assertNothingLeft()

    def test_a_connection_that_went_silent_gets_nothing_new(self) -> None:
        self.talk()
        self.world.ways["10.0.0.1"].wires[0].other.pauseProducing()
        dialled = self.world.dial()
        self.world.clock.advance(10)
        self.failureResultOf(dialled, UpstreamTimeout)
        self.world.clock.advance(2)
        self.talk()
        self.assertEqual(2, self.world.ways["10.0.0.1"].attempts)

    def test_impatient_dials_add_up(self) -> None:
        self.talk()
        self.world.ways["10.0.0.1"].wires[0].other.pauseProducing()
        for _ in range(6):
            dialled = self.world.dial()
            self.world.clock.advance(0.5)
            dialled.cancel()
            self.failureResultOf(dialled)
            self.world.clock.advance(0.5)
        self.world.clock.advance(2)
        self.talk()
        self.assertEqual(2, self.world.ways["10.0.0.1"].attempts)

    def test_an_agent_that_is_silent_does_not_speak_for_the_server(self) -> None:
        self.talk()
        dialled, _, _ = self.dialling()
        self.world.clock.advance(10)
        self.failureResultOf(dialled, UpstreamTimeout)
        self.world.flush()
        self.world.clock.advance(2)
        self.server.automatic = True
        self.talk()
        self.assertEqual(1, self.world.ways["10.0.0.1"].attempts)

    def test_the_dial_is_given_up_by_the_agent(self) -> None:
        dialled, stream, random = self.dialling()
        self.say(stream, CloseDial(random))
        self.failureResultOf(dialled, UpstreamRefused)
        self.assertNothingLeft()

    def test_the_stream_is_reset(self) -> None:
        dialled, stream, _ = self.dialling()
        self.connection.reset(stream)
        self.world.flush()
        self.failureResultOf(dialled, UpstreamReset)
        self.assertNothingLeft()

    def test_grpc_status(self) -> None:
        dialled, stream, _ = self.dialling()
        self.connection.finish(stream, "7", "not you")
        self.world.flush()
        failure = self.failureResultOf(dialled, UpstreamError)
        self.assertIn("gRPC status 7: not you", str(failure.value))
        self.assertNothingLeft()

    def test_grpc_status_of_an_open_tunnel(self) -> None:
        talk, stream = self.opened()
        self.connection.finish(stream, "14", "going down")
        self.world.flush()
        self.assertIn("gRPC status 14: going down", str(talk.lost))
        self.assertNothingLeft()

    # Strange packets.

    def test_strangers_bytes_never_get_in(self) -> None:
        talk, stream = self.opened()
        self.say(stream, Data(8, b"theirs"), CloseResponse(8), Data(7, b"mine"))
        self.assertEqual(b"mine", talk.got)
        self.assertIsNone(talk.lost)

    def test_data_before_the_answer(self) -> None:
        dialled, stream, random = self.dialling()
        self.say(stream, Data(7, b"early"), DialResponse(random + 1, 7))
        self.assertNoResult(dialled)
        self.say(stream, DialResponse(random, 7))
        talk = self.successResultOf(dialled)
        assert isinstance(talk, Talk)
        self.assertEqual(b"", talk.got)

    def test_a_packet_that_is_none(self) -> None:
        talk, stream = self.opened()
        self.connection.send_bytes(stream, b"\x0a\xff")
        self.world.flush()
        self.assertIsInstance(talk.lost, ConnectionLost)
        self.assertNothingLeft()

    def test_a_packet_that_is_none_instead_of_an_answer(self) -> None:
        dialled, stream, _ = self.dialling()
        self.connection.send_bytes(stream, b"\x0a\xff")
        self.world.flush()
        self.failureResultOf(dialled, UpstreamMalformed)
        self.assertNothingLeft()

    def test_an_answer_and_the_first_bytes_in_one(self) -> None:
        dialled, stream, random = self.dialling()
        self.say(stream, DialResponse(random, 7), Data(7, b"a"), Data(7, b"b"))
        talk = self.successResultOf(dialled)
        assert isinstance(talk, Talk)
        self.assertEqual(b"ab", talk.got)

    def test_drain(self) -> None:
        talk, stream = self.opened()
        self.say(stream, Drain())
        self.server.automatic = True
        other = self.talk()
        self.assertEqual(2, self.world.konnectivity.connections)
        other.tunnel.write(b"new")
        self.world.flush()
        self.assertEqual(b"new", other.got)
        self.server.connections[0].send(stream, Data(7, b"old goes on"))
        self.world.flush()
        self.assertEqual(b"old goes on", talk.got)
        self.server.connections[0].send(stream, CloseResponse(7))
        self.world.flush()
        self.assertEqual(1, self.world.konnectivity.connections, "the drained connection ends with its last tunnel")

    # The connection to the proxy-server.

    def test_go_away(self) -> None:
        talk = self.talk()
        self.connection.go_away((1 << 31) - 1)
        self.world.flush()
        other = self.talk()
        for one in (talk, other):
            one.tunnel.write(b"x")
        self.world.flush()
        self.assertEqual((b"x", b"x"), (talk.got, other.got))
        self.assertEqual(2, self.world.konnectivity.connections)
        talk.tunnel.loseConnection()
        self.world.flush()
        self.assertEqual(1, self.world.konnectivity.connections)

    def test_go_away_ends_the_streams_that_were_not_looked_at(self) -> None:
        old = self.talk()
        new = self.talk()
        self.connection.go_away(1)
        self.world.flush()
        self.assertIsNone(old.lost)
        self.assertIsInstance(new.lost, ConnectionLost)

    def test_go_away_while_idle(self) -> None:
        self.talk().tunnel.loseConnection()
        self.world.flush()
        self.connection.go_away(1)
        self.world.flush()
        self.assertEqual(0, self.world.konnectivity.connections)
        self.talk()

    def test_the_server_dies(self) -> None:
        talk = self.talk()
        pending, _, _ = self.dialling()
        self.world.ways["10.0.0.1"].wires[0].cut()
        self.world.flush()
        self.assertIsInstance(talk.lost, ConnectionLost)
        self.failureResultOf(pending, UpstreamReset)
        self.assertNothingLeft()
        self.assertEqual(0, self.world.konnectivity.connections)

    def test_the_server_dies_and_is_back(self) -> None:
        self.talk()
        way = self.world.ways["10.0.0.1"]
        way.wires[0].cut()
        way.refusal = ConnectionRefusedError()
        failure = self.failureResultOf(self.world.dial(), UpstreamRefused)
        self.assertEqual("proxy", failure.value.hop)
        self.assertIn("proxy:8090 (10.0.0.1)", str(failure.value))
        attempts = way.attempts
        self.failureResultOf(self.world.dial(), UpstreamRefused)
        self.assertEqual(attempts, way.attempts, "not with every request")
        way.refusal = None
        self.world.clock.advance(0.25)
        self.talk()

    def test_a_server_that_does_not_answer(self) -> None:
        self.world.ways["10.0.0.1"].silent = True
        dialled = self.world.dial()
        self.world.clock.advance(10)
        self.failureResultOf(dialled, UpstreamTimeout)
        self.assertNothingLeft()

    def test_a_server_that_does_not_speak_http2(self) -> None:
        self.world.ways["10.0.0.1"].accept = lambda: Greeter(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        self.failureResultOf(self.world.dial(), UpstreamMalformed)
        self.assertNothingLeft()

    def test_pings_are_answered(self) -> None:
        self.talk()
        self.connection.ping(b"12345678")
        self.connection.ping(b"87654321")
        self.world.flush()
        self.assertEqual([], self.connection.pongs, "not with a packet of its own for each")
        self.world.clock.advance(0.01)
        self.world.flush()
        self.assertEqual([b"12345678", b"87654321"], self.connection.pongs)

    def test_pings_of_a_connection_that_is_lost(self) -> None:
        self.talk()
        self.connection.ping(b"12345678")
        self.world.flush()
        self.world.ways["10.0.0.1"].wires[0].cut()
        self.assertNothingLeft()

    def test_the_limit_of_streams_changes(self) -> None:
        self.talk()
        self.connection.limit(1)
        self.world.flush()
        self.talk()
        self.assertEqual(2, self.world.konnectivity.connections)

    def test_streams_are_limited_by_the_server(self) -> None:
        self.server.settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 2
        for _ in range(5):
            self.talk()
        self.assertEqual([2, 2, 1], [len(connection.streams) for connection in self.server.connections])

    def test_a_server_without_room_at_all(self) -> None:
        self.server.settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 0
        self.failureResultOf(self.world.dial(), ClusterUnavailable)

    def test_tunnels_are_limited_by_us(self) -> None:
        self.world = World({"proxy": ["10.0.0.1"]}, KonnectivityLimits(tunnels=2))
        self.server = self.world.servers["10.0.0.1"]
        talks = [self.talk(), self.talk()]
        self.failureResultOf(self.world.dial(), ServiceUnavailable)
        talks[0].tunnel.loseConnection()
        self.world.flush()
        self.talk()

    def test_close(self) -> None:
        talk = self.talk()
        self.world.konnectivity.close()
        self.failureResultOf(self.world.dial(), ServiceUnavailable)
        talk.tunnel.write(b"still here")
        self.world.flush()
        self.assertEqual(b"still here", talk.got)
        talk.tunnel.loseConnection()
        self.world.flush()
        self.assertEqual(0, self.world.konnectivity.connections)

    # Flow control.

    def test_a_paused_reader_stops_its_own_stream_only(self) -> None:
        slow, stream = self.opened()
        slow.tunnel.pauseProducing()
        sent = 0
        while self.connection.h2.local_flow_control_window(stream) > 40000:
            self.say(stream, Data(7, b"x" * 32768))
            sent += 32768
        self.assertLess(sent, 2 * MIB, "it is stopped by the window")
        self.assertEqual(b"", slow.got)
        self.server.automatic = True
        quick = self.talk()
        for _ in range(100):
            quick.tunnel.write(b"y" * 32768)
            self.world.flush()
        self.assertEqual(100 * 32768, len(quick.got))
        slow.tunnel.resumeProducing()
        self.world.flush()
        self.assertEqual(sent, len(slow.got))
        self.assertGreater(self.connection.h2.local_flow_control_window(stream), MIB // 2)

    def test_the_end_comes_after_what_a_paused_reader_has_not_read(self) -> None:
        talk, stream = self.opened()
        talk.tunnel.pauseProducing()
        self.say(stream, Data(7, b"before"), CloseResponse(7))
        self.world.ways["10.0.0.1"].wires[0].cut()
        self.world.flush()
        self.assertEqual((b"", None), (talk.got, talk.lost))
        talk.tunnel.resumeProducing()
        self.assertEqual(b"before", talk.got)
        self.assertIsInstance(talk.lost, ConnectionDone)
        self.assertNothingLeft()

    def test_a_paused_reader_that_goes_away_leaves_nothing(self) -> None:
        talk, stream = self.opened()
        talk.tunnel.pauseProducing()
        self.say(stream, Data(7, b"x" * 100000))
        talk.tunnel.loseConnection()
        self.world.flush()
        self.say(stream, CloseResponse(7))
        self.assertEqual(b"", talk.got)
        self.assertIsInstance(talk.lost, ConnectionDone)
        self.assertNothingLeft()

    def test_a_writer_is_paused_by_the_window_and_resumed(self) -> None:
        talk, stream = self.opened()
        valve = Valve()
        talk.tunnel.registerProducer(valve, True)
        talk.tunnel.write(b"x" * 60000)
        self.assertFalse(valve.paused)
        talk.tunnel.write(b"x" * 60000)
        self.assertTrue(valve.paused)
        self.world.flush()
        self.connection.credit(stream, 70000)
        self.world.flush()
        self.assertFalse(valve.paused)
        sent = [packet.data for packet in self.heard(stream) if isinstance(packet, Data)]
        self.assertEqual(120000, sum(map(len, sent)))
        self.assertLessEqual(max(map(len, sent)), 32768)

    def test_a_producer_that_comes_while_something_waits(self) -> None:
        talk, _ = self.opened()
        talk.tunnel.write(b"x" * 100000)
        valve = Valve()
        talk.tunnel.registerProducer(valve, True)
        self.assertTrue(valve.paused)
        talk.tunnel.unregisterProducer()

    def test_a_producer_is_stopped_when_the_tunnel_is_lost(self) -> None:
        talk, stream = self.opened()
        valve = Valve()
        talk.tunnel.registerProducer(valve, True)
        self.say(stream, CloseResponse(7))
        self.assertTrue(valve.stopped)
        late = Valve()
        talk.tunnel.registerProducer(late, True)
        self.assertTrue(late.stopped)

    def test_a_pull_producer_is_pulled_as_the_window_allows(self) -> None:
        talk, stream = self.opened()

        @implementer(IPullProducer)
        class Pull:
            pulls = 0

            def resumeProducing(self) -> None:
                self.pulls += 1
                talk.tunnel.write(b"x" * 20000)

            def stopProducing(self) -> None:
                pass

        pull = Pull()
        talk.tunnel.registerProducer(pull, False)
        self.world.flush()
        self.assertEqual(4, pull.pulls)
        self.connection.credit(stream, 30000)
        self.world.flush()
        self.assertEqual(5, pull.pulls)
        talk.tunnel.unregisterProducer()

    def test_a_full_connection_pauses_the_writers(self) -> None:
        self.server.settings[SettingCodes.INITIAL_WINDOW_SIZE] = 1 << 30
        talk, _ = self.opened()
        self.connection.h2.increment_flow_control_window(MIB)
        self.connection.flush()
        self.world.flush()
        valve = Valve()
        talk.tunnel.registerProducer(valve, True)
        wire = self.world.ways["10.0.0.1"].wires[0]
        wire.other.pauseProducing()
        talk.tunnel.write(b"x" * 70000)
        self.assertFalse(valve.paused, "the transport took it")
        talk.tunnel.write(b"x")
        self.assertTrue(valve.paused)
        wire.other.resumeProducing()
        self.world.flush()
        self.assertFalse(valve.paused)

    def test_large_bodies_both_ways(self) -> None:
        talk = self.talk()
        body = bytes(range(256)) * 40960
        talk.tunnel.write(body)
        self.world.flush()
        self.assertEqual(body, talk.got)

    def test_writers_share_a_connection_that_is_short_of_window(self) -> None:
        self.server.settings[SettingCodes.INITIAL_WINDOW_SIZE] = 1 << 24
        self.server.connection_window = 65535
        one, first = self.opened()
        other, second = self.opened()
        one.tunnel.write(b"1" * MIB)
        other.tunnel.write(b"2" * MIB)
        self.world.flush()
        for _ in range(4):
            self.connection.credit(0, 1 << 17)
            self.world.flush()
        for stream in (first, second):
            sent = sum(len(packet.data) for packet in self.heard(stream) if isinstance(packet, Data))
            self.assertGreater(sent, 1 << 17)


class Greeter(Protocol):
    """Speaks first."""

    def __init__(self, words: bytes) -> None:
        self._words = words

    def connectionMade(self) -> None:
        assert self.transport is not None
        self.transport.write(self._words)


class SeveralServersTests(SynchronousTestCase):
    """Names with several addresses, several names."""

    def setUp(self) -> None:
        self.world = World({"proxy": ["10.0.0.1", "10.0.0.2"], "spare": ["10.0.0.3"]})

    def talk(self) -> Talk:
        talk = self.successResultOf(self.world.dial())
        assert isinstance(talk, Talk)
        return talk

    def attempts(self) -> list[int]:
        return [way.attempts for way in self.world.ways.values()]

    def test_one_is_enough(self) -> None:
        self.talk()
        self.talk()
        self.assertEqual([1, 0, 0], self.attempts())

    def test_no_agent_available(self) -> None:
        self.world.servers["10.0.0.1"].agents = False
        talk = self.talk()
        talk.tunnel.write(b"x")
        self.world.flush()
        self.assertEqual(b"x", talk.got)
        self.assertEqual([1, 1, 0], self.attempts())

    def test_no_agent_anywhere(self) -> None:
        for server in self.world.servers.values():
            server.agents = False
        failure = self.failureResultOf(self.world.dial(), ClusterUnavailable)
        self.assertIn("c1:443", str(failure.value))
        self.assertEqual([1, 1, 1], self.attempts())
        self.assertEqual(0, self.world.konnectivity.unconnected)

    def test_a_dead_one_is_passed_over(self) -> None:
        self.world.ways["10.0.0.1"].refusal = ConnectionRefusedError()
        self.talk()
        self.assertEqual([1, 1, 0], self.attempts())

    def test_a_silent_one_is_not_waited_for(self) -> None:
        self.world.ways["10.0.0.1"].silent = True
        dialled = self.world.dial()
        self.assertNoResult(dialled)
        self.world.clock.advance(0.25)
        self.world.flush()
        self.successResultOf(dialled)
        self.assertEqual([1, 1, 0], self.attempts())

    def test_the_first_dies(self) -> None:
        talk = self.talk()
        way = self.world.ways["10.0.0.1"]
        way.refusal = ConnectionRefusedError()
        way.wires[0].cut()
        self.assertIsNotNone(talk.lost)
        self.talk()
        self.assertEqual([2, 1, 0], self.attempts())

    def test_going_away_during_a_dial(self) -> None:
        self.world.servers["10.0.0.1"].automatic = False
        dialled = self.world.dial()
        self.world.servers["10.0.0.1"].connections[0].go_away(0)
        self.world.flush()
        self.successResultOf(dialled)
        self.assertEqual([1, 1, 0], self.attempts())

    def test_names_are_resolved_again(self) -> None:
        self.talk()
        asked = len(self.world.names.asked)
        self.world.names.names["proxy"] = ["10.0.0.4"]
        self.world.add("10.0.0.4")
        for way in list(self.world.ways.values())[:3]:
            way.refusal = ConnectionRefusedError()
        self.world.ways["10.0.0.1"].wires[0].cut()
        self.failureResultOf(self.world.dial(), UpstreamRefused)
        self.world.clock.advance(1)
        self.talk()
        self.assertGreater(len(self.world.names.asked), asked)
        self.assertEqual(1, self.world.ways["10.0.0.4"].attempts)

    def test_no_address(self) -> None:
        self.world.names.names.clear()
        self.failureResultOf(self.world.dial(), UpstreamError)
