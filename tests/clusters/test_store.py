"""Tests for L{clustergateway.clusters.store}."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.clusters.store import Store
from clustergateway.errors import Conflict, UnknownCluster
from clustergateway.model.gateway import ClusterGateway, Endpoint, Health, NoCredential

EAST = ClusterGateway("east", (Endpoint("east.example", 6443),), NoCredential())
WEST = replace(EAST, name="west")


class StoreTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.store = Store(self.clock)
        self.events: list[tuple[str, str, int]] = []
        self.end = self.store.subscribe(
            lambda event, gateway: self.events.append((event, gateway.name, int(gateway.resource_version)))
        )

    def test_unknown(self) -> None:
        error = self.assertRaises(UnknownCluster, self.store.get, "east")
        self.assertEqual((error.cluster, error.code), ("east", 404))

    def test_sorted(self) -> None:
        self.store.replace_all([WEST, EAST])
        self.assertEqual([gateway.name for gateway in self.store.all()], ["east", "west"])

    def test_events_carry_growing_versions(self) -> None:
        self.store.replace_all([EAST, WEST])
        self.store.put(replace(EAST, alias="Ost"))
        self.store.replace_all([EAST])
        self.assertEqual(
            self.events,
            [
                ("ADDED", "east", 1000001),
                ("ADDED", "west", 1000002),
                ("MODIFIED", "east", 1000003),
                ("DELETED", "west", 1000004),
                ("MODIFIED", "east", 1000005),
            ],
        )
        self.assertEqual(self.store.version, 1000005)
        self.assertEqual(self.store.get("east").resource_version, "1000005")

    def test_unchanged_is_no_event(self) -> None:
        self.store.put(EAST)
        self.clock.advance(60.0)
        self.store.put(replace(EAST, resource_version="from elsewhere"))
        self.store.replace_all([EAST])
        self.assertEqual(self.events, [("ADDED", "east", 1000001)])

    def test_uid_and_creation(self) -> None:
        self.store.replace_all([EAST, replace(WEST, uid="u", creation_timestamp="2024-01-02T03:04:05Z")])
        east, west = self.store.all()
        self.assertEqual((west.uid, west.creation_timestamp), ("u", "2024-01-02T03:04:05Z"))
        self.assertEqual(east.creation_timestamp, "1970-01-01T00:16:40Z")
        another = Store(self.clock)
        another.put(EAST)
        self.assertEqual(another.get("east").uid, east.uid)

    def test_remove_unknown(self) -> None:
        self.store.remove("east")
        self.assertEqual(self.events, [])

    def test_end_of_subscription(self) -> None:
        self.end()
        self.end()
        self.store.put(EAST)
        self.assertEqual(self.events, [])

    def test_a_listener_that_fails_disturbs_no_other(self) -> None:
        store, heard = Store(self.clock), list[str]()

        def fail(event: str, gateway: ClusterGateway) -> None:
            raise ZeroDivisionError

        store.subscribe(fail)
        store.subscribe(lambda event, gateway: heard.append(event))
        store.put(EAST)
        self.assertEqual(heard, ["ADDED"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_ending_while_being_told(self) -> None:
        store, heard = Store(self.clock), list[str]()
        ends = [store.subscribe(lambda event, gateway: ends[0]())]
        store.subscribe(lambda event, gateway: heard.append(event))
        store.put(EAST)
        store.remove("east")
        self.assertEqual(heard, ["ADDED", "DELETED"])


class HealthTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.store = Store(Clock())
        self.store.put(EAST)

    def test_written(self) -> None:
        before = self.store.get("east")
        after = self.store.write_health("east", Health(False, "x"), before.resource_version)
        self.assertEqual(after.health, Health(False, "x"))
        self.assertEqual(self.store.get("east"), after)
        self.assertEqual(after.generation, before.generation)

    def test_conflict(self) -> None:
        before = self.store.get("east")
        self.store.write_health("east", Health(True))
        self.assertRaises(Conflict, self.store.write_health, "east", Health(False), before.resource_version)
        self.assertEqual(self.store.get("east").health, Health(True))

    def test_unknown(self) -> None:
        self.assertRaises(UnknownCluster, self.store.write_health, "west", Health(True))

    def test_outlives_changes_of_the_source(self) -> None:
        self.store.write_health("east", Health(True))
        self.store.put(replace(EAST, alias="Ost"))
        self.assertEqual(self.store.get("east").health, Health(True))

    def test_goes_with_the_cluster(self) -> None:
        self.store.write_health("east", Health(True))
        self.store.remove("east")
        self.store.put(EAST)
        self.assertEqual(self.store.get("east").health, Health())
