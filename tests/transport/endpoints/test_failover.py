from __future__ import annotations

from errno import EADDRINUSE, EMFILE

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectBindError, ConnectionRefusedError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from clustergateway.errors import ClusterUnavailable, ServiceUnavailable, TooManyRequests
from clustergateway.testing.wires import MemoryEndpoint, Network
from clustergateway.transport.endpoints.failover import FailoverEndpoint


@implementer(IStreamClientEndpoint)
class Cancellable:
    """An endpoint that does not answer, and remembers what became of the attempts."""

    def __init__(self) -> None:
        self.attempts: list[Deferred[IProtocol]] = []
        self.cancelled = 0

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        self.attempts.append(Deferred(self._cancel))
        return self.attempts[-1]

    def _cancel(self, _: Deferred[IProtocol]) -> None:
        self.cancelled += 1


class Wired(Protocol):
    """One that can be hung up on."""

    def __init__(self) -> None:
        self.makeConnection(StringTransport())


class FailoverCase(SynchronousTestCase):
    """An endpoint that works, others that do not."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.good = MemoryEndpoint(Network(), Protocol)
        self.bad = MemoryEndpoint(Network(), Protocol)
        self.bad.refusal = ConnectionRefusedError()
        self.slow = Cancellable()
        self.used: list[str] = []

    def failover(self, *endpoints: IStreamClientEndpoint) -> FailoverEndpoint:
        named = [(f"e{number}", endpoint) for number, endpoint in enumerate(endpoints)]
        return FailoverEndpoint(self.clock, named, lambda _, name: self.used.append(name))

    def connect(self, failover: FailoverEndpoint) -> Deferred[IProtocol]:
        return failover.connect(Factory.forProtocol(Protocol))


class FailoverTests(FailoverCase):
    """Which endpoint a new connection goes to."""

    def test_the_preferred_one(self) -> None:
        self.successResultOf(self.connect(self.failover(self.good, self.bad)))
        self.assertEqual((["e0"], 0), (self.used, self.bad.attempts))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_a_refused_one_costs_nothing(self) -> None:
        failover = self.failover(self.bad, self.good)
        self.successResultOf(self.connect(failover))
        self.successResultOf(self.connect(failover))
        self.assertEqual((["e1", "e1"], 1), (self.used, self.bad.attempts))

    def test_a_silent_one_costs_a_quarter_of_a_second_once(self) -> None:
        failover = self.failover(self.slow, self.good)
        connected = self.connect(failover)
        self.clock.advance(0.24)
        self.assertNoResult(connected)
        self.clock.advance(0.01)
        self.successResultOf(connected)
        self.assertEqual(1, self.slow.cancelled)
        self.assertEqual([], self.clock.getDelayedCalls())
        self.successResultOf(self.connect(failover))
        self.assertEqual((["e1", "e1"], 1), (self.used, len(self.slow.attempts)))

    def test_a_slow_one_is_waited_for_the_next_time(self) -> None:
        failover = self.failover(self.slow, self.good)
        self.connect(failover)
        self.clock.advance(0.25)
        self.clock.advance(1)
        connected = self.connect(failover)
        self.clock.advance(0.45)
        self.assertNoResult(connected)
        self.slow.attempts[1].callback(Protocol())
        self.successResultOf(connected)
        self.assertEqual(["e1", "e0"], self.used)

    def test_one_that_began_later_is_not_held_to_be_dead(self) -> None:
        later = Cancellable()
        failover = self.failover(self.slow, later)
        self.connect(failover)
        self.clock.advance(0.3)
        self.slow.attempts[0].errback(ConnectionRefusedError())
        later.attempts[0].callback(Protocol())
        connected = self.connect(failover)
        self.assertEqual((1, 2), (len(self.slow.attempts), len(later.attempts)))
        self.clock.advance(0.3)
        self.slow.attempts[1].callback(Protocol())
        self.successResultOf(connected)
        self.connect(failover)
        self.assertEqual(3, len(self.slow.attempts))

    def test_the_doubted_one_may_still_win(self) -> None:
        later = Cancellable()
        connected = self.connect(self.failover(self.slow, later))
        self.clock.advance(0.3)
        protocol = Protocol()
        self.slow.attempts[0].callback(protocol)
        self.assertIs(protocol, self.successResultOf(connected))
        self.assertEqual((["e0"], 1), (self.used, later.cancelled))

    def test_a_dead_one_that_recovers(self) -> None:
        failover = self.failover(self.bad, self.good)
        self.successResultOf(self.connect(failover))
        self.bad.refusal = None
        self.successResultOf(self.connect(failover))
        self.clock.advance(1)
        self.successResultOf(self.connect(failover))
        self.assertEqual(["e1", "e1", "e0"], self.used)

    def test_all_dead(self) -> None:
        self.failureResultOf(self.connect(self.failover(self.bad, self.bad)), ConnectionRefusedError)
        self.assertEqual(2, self.bad.attempts)

    def test_all_dead_are_tried_nevertheless(self) -> None:
        failover = self.failover(self.bad, self.bad)
        for _ in range(2):
            self.failureResultOf(self.connect(failover))
        self.assertEqual(4, self.bad.attempts)

    def test_of_all_dead_the_last_is_waited_for(self) -> None:
        connected = self.connect(self.failover(self.slow, self.bad))
        self.clock.advance(0.25)
        self.assertNoResult(connected)
        self.slow.attempts[0].errback(ConnectionRefusedError())
        self.failureResultOf(connected, ConnectionRefusedError)

    def test_cancelled(self) -> None:
        other = Cancellable()
        connected = self.connect(self.failover(self.slow, other))
        self.clock.advance(0.3)
        connected.cancel()
        self.failureResultOf(connected, CancelledError)
        self.assertEqual((1, 1), (self.slow.cancelled, other.cancelled))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_a_limit_of_our_own_is_no_failure_of_the_endpoint(self) -> None:
        failover = self.failover(self.bad, self.good)
        self.bad.refusal = ServiceUnavailable("all tunnels are in use")
        for _ in range(5):
            self.successResultOf(self.connect(failover))
            self.clock.advance(1)
        self.assertEqual((["e1"] * 5, 5), (self.used, self.bad.attempts), "not avoided for ever longer")
        self.bad.refusal = None
        self.successResultOf(self.connect(failover))
        self.assertEqual("e0", self.used[-1])

    def test_endpoints_of_the_same_name(self) -> None:
        failover = FailoverEndpoint(self.clock, [("e", self.bad), ("e", self.good)])
        self.successResultOf(self.connect(failover))


class KeptConnectionTests(FailoverCase):
    """What becomes of connections that are used again."""

    def connected(self, *endpoints: IStreamClientEndpoint) -> tuple[FailoverEndpoint, IProtocol]:
        """The connection goes to the second endpoint if the first is C{self.bad}."""
        failover = self.failover(*endpoints)
        return failover, self.successResultOf(self.connect(failover))

    def test_to_the_preferred_one(self) -> None:
        failover, connection = self.connected(self.good, self.bad)
        self.assertFalse(failover.outgrown(connection))
        self.assertEqual((1, 0), (self.good.attempts, self.bad.attempts))

    def test_the_preferred_one_is_probed_when_it_is_time(self) -> None:
        failover, connection = self.connected(self.bad, self.good)
        self.assertFalse(failover.outgrown(connection))
        self.assertEqual(1, self.bad.attempts)
        self.clock.advance(1)
        self.assertFalse(failover.outgrown(connection))
        self.assertFalse(failover.outgrown(connection))
        self.assertEqual(2, self.bad.attempts)

    def test_and_used_when_it_works(self) -> None:
        failover, connection = self.connected(self.bad, self.good)
        self.clock.advance(1)
        self.bad.refusal = None
        self.assertFalse(failover.outgrown(connection))
        self.assertTrue(failover.outgrown(connection))
        self.successResultOf(self.connect(failover))
        self.assertEqual(["e1", "e0"], self.used)
        self.assertTrue(self.bad.wires[0].disconnecting, "the probe is over")

    def test_one_probe_at_a_time(self) -> None:
        failover, connection = self.connected(self.bad, self.good)
        self.clock.advance(1)
        self.bad.refusal, self.bad.silent = None, True
        for _ in range(9):
            self.assertFalse(failover.outgrown(connection))
            self.clock.advance(1)
        self.assertEqual(2, self.bad.attempts)
        self.clock.advance(1)
        self.assertFalse(failover.outgrown(connection))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_an_unfounded_doubt(self) -> None:
        failover, connection = self.connected(self.good, self.bad)
        self.assertFalse(self.successResultOf(failover.doubt(connection)))
        self.assertFalse(failover.dead(connection))
        self.assertTrue(self.good.wires[1].disconnecting, "the probe is over")

    def test_a_silent_one_is_dead_in_a_quarter_of_a_second(self) -> None:
        failover, connection = self.connected(self.good, MemoryEndpoint(Network(), Protocol))
        self.good.silent = True
        doubts = [failover.doubt(connection), failover.doubt(connection)]
        self.clock.advance(0.24)
        self.assertNoResult(doubts[0])
        self.clock.advance(0.01)
        self.assertEqual([True, True], [self.successResultOf(doubt) for doubt in doubts])
        self.assertEqual((2, True), (self.good.attempts, failover.dead(connection)))
        self.successResultOf(self.connect(failover))
        self.assertEqual(["e0", "e1"], self.used)

    def test_a_gateway_that_is_busy_itself_proves_nothing(self) -> None:
        failover, connection = self.connected(self.good, MemoryEndpoint(Network(), Protocol))
        self.good.silent = True
        doubt = failover.doubt(connection)
        self.clock.advance(0.5)
        self.assertEqual((False, False), (self.successResultOf(doubt), failover.dead(connection)))

    def test_one_that_works_again_is_not_dead(self) -> None:
        failover, connection = self.connected(self.good, MemoryEndpoint(Network(), Protocol))
        self.good.refusal = ConnectionRefusedError()
        self.assertTrue(self.successResultOf(failover.doubt(connection)))
        self.good.refusal = None
        self.clock.advance(1)
        self.successResultOf(self.connect(failover))
        self.assertFalse(failover.dead(connection))

    def test_the_only_one_is_never_dead(self) -> None:
        failover, connection = self.connected(self.good)
        self.good.refusal = ConnectionRefusedError()
        self.assertFalse(self.successResultOf(failover.doubt(connection)))
        self.assertFalse(failover.dead(connection))

    def test_nor_is_one_whose_alternatives_are_down(self) -> None:
        failover, connection = self.connected(self.good, self.bad)
        self.good.refusal = ConnectionRefusedError()
        self.failureResultOf(self.connect(failover))
        self.assertFalse(self.successResultOf(failover.doubt(connection)))
        self.assertFalse(failover.dead(connection))

    def took(self, failover: FailoverEndpoint, seconds: float) -> IProtocol:
        """A connection to C{self.slow}, the first endpoint, that took this long; the second was not faster."""
        connected = self.connect(failover)
        self.clock.advance(seconds)
        self.slow.attempts[-1].callback(Protocol())
        return self.successResultOf(connected)

    def test_one_that_is_slow_to_connect_is_not_dead(self) -> None:
        failover = self.failover(self.slow, Cancellable())
        connection = self.took(failover, 0.6)
        doubt = failover.doubt(connection)
        self.clock.advance(1.7)
        self.assertNoResult(doubt)
        self.slow.attempts[-1].callback(Wired())
        self.assertEqual((False, False), (self.successResultOf(doubt), failover.dead(connection)))

    def test_and_when_it_is_that_is_known_in_three_times_what_it_takes(self) -> None:
        failover = self.failover(self.slow, Cancellable())
        connection = self.took(failover, 0.6)
        doubt = failover.doubt(connection)
        self.clock.advance(1.79)
        self.assertNoResult(doubt)
        self.clock.advance(0.02)
        self.assertTrue(self.successResultOf(doubt))

    def test_no_doubt_takes_longer_than_three_seconds(self) -> None:
        failover = self.failover(self.slow, Cancellable())
        doubt = failover.doubt(self.took(failover, 20))
        self.clock.advance(2.99)
        self.assertNoResult(doubt)
        self.clock.advance(0.02)
        self.assertTrue(self.successResultOf(doubt))

    def test_nor_because_a_patient_probe_is_under_way(self) -> None:
        failover = self.failover(self.good, MemoryEndpoint(Network(), Protocol))
        kept = self.successResultOf(self.connect(failover))
        self.good.refusal = ConnectionRefusedError()
        other = self.successResultOf(self.connect(failover))
        self.clock.advance(1)
        self.good.refusal, self.good.silent = None, True
        self.assertFalse(failover.outgrown(other))
        doubt = failover.doubt(kept)
        self.clock.advance(0.26)
        self.assertEqual((True, True), (self.successResultOf(doubt), failover.dead(kept)))
        self.assertEqual(3, self.good.attempts, "the probe is the same")
        for _ in range(11):
            self.clock.advance(1)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_the_probe_may_find_it_alive_after_all(self) -> None:
        failover = self.failover(self.slow, self.good)
        kept = self.took(failover, 0.01)
        connected = self.connect(failover)
        self.slow.attempts[-1].errback(ConnectionRefusedError())
        other = self.successResultOf(connected)
        self.clock.advance(1)
        failover.outgrown(other)
        doubt = failover.doubt(kept)
        self.clock.advance(0.26)
        self.assertTrue(self.successResultOf(doubt))
        self.slow.attempts[-1].callback(Wired())
        self.assertEqual((False, True), (failover.dead(kept), failover.outgrown(other)))

    def overtaken(self) -> tuple[FailoverEndpoint, IProtocol]:
        """The first endpoint lost a race, and was then probed: it takes 0.9 seconds. @return: a connection besides."""
        failover = self.failover(self.slow, self.good)
        connected = self.connect(failover)
        self.clock.advance(0.25)
        connection = self.successResultOf(connected)
        self.clock.advance(1)
        self.assertFalse(failover.outgrown(connection))
        self.clock.advance(0.9)
        self.slow.attempts[-1].callback(Wired())
        return failover, connection

    def test_one_that_would_be_overtaken_again_is_not_returned_to(self) -> None:
        failover, connection = self.overtaken()
        for _ in range(9):
            self.assertFalse(failover.outgrown(connection))
            self.clock.advance(1)
        self.assertEqual(2, len(self.slow.attempts))

    def test_until_it_is_faster(self) -> None:
        failover, connection = self.overtaken()
        self.clock.advance(10)
        self.assertFalse(failover.outgrown(connection))
        self.assertEqual(3, len(self.slow.attempts))
        self.clock.advance(0.1)
        self.slow.attempts[-1].callback(Wired())
        self.assertTrue(failover.outgrown(connection))

    def test_one_that_was_silent_for_long_and_is_fast_again_is_returned_to(self) -> None:
        later = Cancellable()
        failover = self.failover(self.slow, later)
        connected = self.connect(failover)
        self.clock.advance(0.25)
        self.clock.advance(8)
        later.attempts[0].callback(Protocol())
        connection = self.successResultOf(connected)
        self.clock.advance(1)
        self.assertFalse(failover.outgrown(connection))
        self.slow.attempts[-1].callback(Wired())
        self.assertTrue(failover.outgrown(connection))

    def test_when_it_last_took_a_connection(self) -> None:
        failover = self.failover(self.good, MemoryEndpoint(Network(), Protocol))
        self.clock.advance(1)
        connection = self.successResultOf(self.connect(failover))
        self.clock.advance(1)
        self.assertEqual(1, failover.connected(connection))
        failover.doubt(connection)
        self.assertEqual(2, failover.connected(connection))
        self.good.refusal = ConnectionRefusedError()
        self.successResultOf(self.connect(failover))
        self.assertEqual(float("-inf"), failover.connected(connection))

    def test_a_limit_of_our_own_proves_nothing(self) -> None:
        for error in (
            ServiceUnavailable("all tunnels are in use"),
            TooManyRequests("too many"),
            ConnectBindError(EMFILE, "Too many open files"),
        ):
            failover, connection = self.connected(self.good, MemoryEndpoint(Network(), Protocol))
            self.good.refusal = error
            self.assertFalse(self.successResultOf(failover.doubt(connection)))
            self.assertFalse(failover.dead(connection))
            self.good.refusal = None

    def test_what_only_looks_like_one_does(self) -> None:
        for error in (ClusterUnavailable("no agent"), ConnectBindError(EADDRINUSE, "Address already in use")):
            failover, connection = self.connected(self.good, MemoryEndpoint(Network(), Protocol))
            self.good.refusal = error
            self.assertTrue(self.successResultOf(failover.doubt(connection)))
            self.good.refusal = None

    def test_one_at_a_limit_of_our_own_is_not_returned_to_before_there_is_room(self) -> None:
        self.bad.refusal = ServiceUnavailable("all tunnels are in use")
        failover, connection = self.connected(self.bad, self.good)
        for _ in range(3):
            self.assertFalse(failover.outgrown(connection))
            self.clock.advance(1)
        self.bad.refusal = None
        self.assertFalse(failover.outgrown(connection))
        self.assertTrue(failover.outgrown(connection))
