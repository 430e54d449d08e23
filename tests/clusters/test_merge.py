"""Tests for L{clustergateway.clusters.merge}."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.clusters.merge import Union
from clustergateway.clusters.store import Store
from clustergateway.errors import UnknownCluster
from clustergateway.model.gateway import ClusterGateway, Endpoint, Health, NoCredential

EAST = ClusterGateway("east", (Endpoint("east.example", 6443),), NoCredential())
OTHER_EAST = replace(EAST, alias="other")
WEST = replace(EAST, name="west")


class UnionTests(SynchronousTestCase):
    def setUp(self) -> None:
        clock = Clock()
        self.first, self.second = Store(clock), Store(clock)
        self.first.put(EAST)
        self.second.replace_all([OTHER_EAST, WEST])
        self.union = Union([self.first, self.second], clock)
        self.events: list[tuple[str, str, str]] = []
        self.versions: list[int] = []
        self.union.subscribe(self.heard)

    def heard(self, event: str, gateway: ClusterGateway) -> None:
        self.events.append((event, gateway.name, gateway.alias))
        self.versions.append(int(gateway.resource_version))

    def test_all(self) -> None:
        self.assertEqual([(g.name, g.alias) for g in self.union.all()], [("east", ""), ("west", "")])

    def test_get(self) -> None:
        self.assertEqual(self.union.get("east").alias, "")
        self.assertRaises(UnknownCluster, self.union.get, "north")

    def test_what_is_hidden_is_not_told(self) -> None:
        self.second.remove("east")
        self.second.put(OTHER_EAST)
        self.assertEqual(self.events, [])

    def test_hidden_comes_to_light_with_a_newer_version(self) -> None:
        before = int(self.union.get("east").resource_version)
        self.first.remove("east")
        self.assertEqual(self.events, [("MODIFIED", "east", "other")])
        self.assertTrue(self.versions[0] > before)
        self.second.remove("east")
        self.assertEqual(self.events[1:], [("DELETED", "east", "other")])
        self.assertEqual(self.union.version, self.versions[-1])

    def test_the_first_takes_over(self) -> None:
        self.first.put(replace(WEST, alias="mine"))
        self.assertEqual(self.events, [("MODIFIED", "west", "mine")])

    def test_health_outlives_changes_of_the_source(self) -> None:
        self.union.write_health("west", Health(True))
        self.second.put(replace(WEST, alias="new"))
        self.assertEqual(self.union.get("west").health, Health(True))
        self.assertEqual([event for event, _, _ in self.events], ["MODIFIED", "MODIFIED"])
