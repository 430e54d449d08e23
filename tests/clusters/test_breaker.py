"""Tests for L{clustergateway.clusters.breaker}."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from clustergateway.clusters.breaker import Breakers
from clustergateway.errors import ClusterUnavailable, UpstreamRefused, UpstreamTimeout
from clustergateway.model.breaker import THRESHOLD
from clustergateway.model.gateway import ClusterGateway, Endpoint, NoCredential

EAST = ClusterGateway("east", (Endpoint("east.example", 6443),), NoCredential(), generation="1")
WEST = replace(EAST, name="west")
REFUSED = UpstreamRefused("connection refused by east.example:6443", cluster="east", hop="connect")


class BreakersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.breakers = Breakers(self.clock, lambda: 0.0)

    def open(self) -> None:
        for _ in range(THRESHOLD):
            self.breakers.check(EAST)
            self.breakers.failed(EAST, REFUSED)

    def test_refuses_at_once_and_says_why(self) -> None:
        self.open()
        error = self.assertRaises(ClusterUnavailable, self.breakers.check, EAST)
        self.assertEqual((error.code, error.cluster, error.hop, error.retry_after), (503, "east", "connect", None))
        self.assertIn("connection refused by east.example:6443", error.message)

    def test_slows_no_other(self) -> None:
        self.open()
        self.breakers.check(WEST)

    def test_one_probe_then_back(self) -> None:
        self.open()
        self.clock.advance(1)
        self.breakers.check(EAST)
        self.assertRaises(ClusterUnavailable, self.breakers.check, EAST)
        self.breakers.succeeded(EAST)
        self.breakers.check(EAST)
        self.assertEqual(list(self.breakers.states()), [("east", "closed")])

    def test_another_generation_begins_anew(self) -> None:
        self.open()
        moved = replace(EAST, generation="2")
        self.breakers.check(moved)
        self.breakers.failed(moved, REFUSED)
        self.breakers.check(moved)

    def test_forgotten_with_the_cluster(self) -> None:
        self.open()
        self.breakers.changed("MODIFIED", EAST)
        self.assertEqual(list(self.breakers.states()), [("east", "open")])
        self.breakers.changed("DELETED", EAST)
        self.breakers.changed("DELETED", EAST)
        self.assertEqual(list(self.breakers.states()), [])

    def test_forgotten_when_moved(self) -> None:
        self.open()
        self.breakers.changed("MODIFIED", replace(EAST, generation="2"))
        self.assertIsNone(self.breakers.experience(EAST))


@implementer(IStreamClientEndpoint)
class Attempts:
    """
    An endpoint whose attempts end as the test says.

    @ivar made: every attempt, in order.
    """

    def __init__(self) -> None:
        self.made: list[Deferred[IProtocol]] = []

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        self.made.append(Deferred())
        return self.made[-1]


class GuardedEndpointTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.breakers = Breakers(self.clock, lambda: 0.0)
        self.attempts = Attempts()
        self.endpoint = self.breakers.guard(EAST, self.attempts, patience=5.0)

    def connect(self) -> Deferred[IProtocol]:
        return self.endpoint.connect(Factory.forProtocol(Protocol))

    def open(self) -> None:
        for _ in range(THRESHOLD):
            connecting = self.connect()
            self.attempts.made[-1].errback(ConnectionRefusedError())
            self.failureResultOf(connecting, ConnectionRefusedError)

    def test_connected(self) -> None:
        connecting, protocol = self.connect(), Protocol()
        self.attempts.made[-1].callback(protocol)
        self.assertIs(self.successResultOf(connecting), protocol)
        self.assertEqual(list(self.breakers.states()), [("east", "closed")])

    def test_not_tried_while_open(self) -> None:
        self.open()
        error = self.failureResultOf(self.connect(), ClusterUnavailable).value
        assert isinstance(error, ClusterUnavailable)
        self.assertIn("refused", error.message)
        self.assertEqual(len(self.attempts.made), THRESHOLD)

    def test_recovers(self) -> None:
        self.open()
        self.clock.advance(1)
        probe = self.connect()
        self.failureResultOf(self.connect(), ClusterUnavailable)
        self.attempts.made[-1].callback(Protocol())
        self.successResultOf(probe)
        self.assertNoResult(self.connect())

    def test_cancelled_late_is_a_failure(self) -> None:
        for _ in range(THRESHOLD):
            connecting = self.connect()
            self.clock.advance(5)
            connecting.cancel()
            self.failureResultOf(connecting, CancelledError)
        self.failureResultOf(self.connect(), ClusterUnavailable)
        known = self.breakers.experience(EAST)
        self.assertIsInstance(known and known.error, UpstreamTimeout)

    def test_cancelled_soon_shows_nothing(self) -> None:
        for _ in range(THRESHOLD):
            connecting = self.connect()
            connecting.cancel()
            self.failureResultOf(connecting, CancelledError)
        self.assertNoResult(self.connect())

    def test_a_probe_that_is_cancelled_makes_room_for_another(self) -> None:
        self.open()
        self.clock.advance(1)
        probe = self.connect()
        probe.cancel()
        self.failureResultOf(probe, CancelledError)
        self.assertNoResult(self.connect())
        self.failureResultOf(self.connect(), ClusterUnavailable)
