"""Tests for L{clustergateway.clusters.breaker}."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.clusters.breaker import Breakers
from clustergateway.errors import ClusterUnavailable, UpstreamRefused
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
        self.assertEqual((error.code, error.cluster, error.hop, error.retry_after), (503, "east", "connect", 1))
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
