from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from clustergateway.testing.wire import MemoryEndpoint
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


class FailoverTests(SynchronousTestCase):
    """An endpoint that works, others that do not."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.good = MemoryEndpoint(Protocol)
        self.bad = MemoryEndpoint(Protocol)
        self.bad.refusing = True
        self.slow = Cancellable()
        self.used: list[str] = []

    def failover(self, *endpoints: IStreamClientEndpoint) -> FailoverEndpoint:
        named = [(f"e{number}", endpoint) for number, endpoint in enumerate(endpoints)]
        return FailoverEndpoint(self.clock, named, lambda _, name: self.used.append(name))

    def connect(self, failover: FailoverEndpoint) -> Deferred[IProtocol]:
        return failover.connect(Factory.forProtocol(Protocol))

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
        self.bad.refusing = False
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

    def test_endpoints_of_the_same_name(self) -> None:
        failover = FailoverEndpoint(self.clock, [("e", self.bad), ("e", self.good)])
        self.successResultOf(self.connect(failover))

    def test_told_of_a_failure_above(self) -> None:
        failover = self.failover(self.good, MemoryEndpoint(Protocol))
        failover.failed("e0")
        self.successResultOf(self.connect(failover))
        self.assertEqual(["e1"], self.used)
