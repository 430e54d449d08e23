"""Watches, as conversations: what the client asks, what happens, what it sees."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import HubUnavailable
from clustergateway.model.kinds import CLUSTER_GATEWAYS
from clustergateway.model.watchcache import HISTORY
from clustergateway.resources.view import Collection
from clustergateway.resources.watching import BATCH, BOOKMARK_INTERVAL, SHORTEST

from .world import GATEWAYS, GROUP, Answer, Conversation, Narrow, World, gateway

TABLE = ("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")


def seen(answer: Answer) -> list[tuple[str, str, str]]:
    """Type, name and resource version of each event."""
    return [
        (event["type"], event["object"]["metadata"].get("name", ""), event["object"]["metadata"]["resourceVersion"])
        for event in answer.events
    ]


class WatchTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World(gateway("east", "7", env="prod"), gateway("west", "9", env="dev"))

    def watch(self, query: str = "", *headers: tuple[str, str]) -> Conversation:
        return self.world.open(f"{GATEWAYS}?watch=true&{query}", *headers)

    def test_from_nothing(self) -> None:
        for query in ("", "resourceVersion=", "resourceVersion=0"):
            talk = self.watch(query)
            self.assertEqual(seen(talk.answer), [("ADDED", "east", "7"), ("ADDED", "west", "9")], query)
            self.assertFalse(talk.answer.complete)
        self.assertEqual(self.world.asked[-1].verb, "watch")

    def test_the_head_is_sent_although_nothing_happens(self) -> None:
        answer = self.watch("resourceVersion=100").answer
        self.assertEqual((answer.code, answer.headers["content-type"], answer.body), (200, "application/json", b""))
        self.assertEqual(answer.headers["transfer-encoding"], "chunked")

    def test_changes(self) -> None:
        talk = self.watch("resourceVersion=100")
        self.world.directory.put(gateway("north", "120"))
        self.world.directory.put(gateway("east", "130"))
        self.world.directory.delete("west")
        self.assertEqual(
            seen(talk.answer), [("ADDED", "north", "120"), ("MODIFIED", "east", "130"), ("DELETED", "west", "131")]
        )

    def test_from_a_version(self) -> None:
        for version in ("110", "120", "130"):
            self.world.directory.put(gateway("north", version))
        self.assertEqual(
            seen(self.watch("resourceVersion=110").answer), [("MODIFIED", "north", v) for v in ("120", "130")]
        )
        self.assertEqual(seen(self.watch("resourceVersion=130").answer), [])

    def test_from_a_version_that_another_replica_gave(self) -> None:
        talk = self.watch("resourceVersion=125")
        self.world.directory.put(gateway("north", "120"))
        self.assertEqual(seen(talk.answer), [])
        self.world.directory.put(gateway("north", "130"))
        self.assertEqual(seen(talk.answer), [("MODIFIED", "north", "130")])

    def test_too_old(self) -> None:
        answer = self.watch("resourceVersion=99").answer
        (event,) = answer.events
        self.assertEqual((answer.code, answer.complete, event["type"]), (200, True, "ERROR"))
        self.assertEqual((event["object"]["code"], event["object"]["reason"]), (410, "Expired"))
        self.assertEqual(event["object"]["message"], "too old resource version: 99 (100)")

    def test_initial_events(self) -> None:
        options = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"
        talk = self.watch(f"{options}&allowWatchBookmarks=true&resourceVersion=50")
        self.world.directory.put(gateway("north", "110"))
        self.assertEqual(
            seen(talk.answer),
            [("ADDED", "east", "7"), ("ADDED", "west", "9"), ("BOOKMARK", "", "100"), ("ADDED", "north", "110")],
        )
        bookmark = talk.answer.events[2]["object"]
        self.assertEqual(bookmark["metadata"]["annotations"], {"k8s.io/initial-events-end": "true"})
        self.assertEqual(bookmark["kind"], "ClusterGateway")
        self.assertEqual([kind for kind, _, _ in seen(self.watch(options).answer)], ["ADDED"] * 3)

    def test_without_initial_events(self) -> None:
        talk = self.watch("sendInitialEvents=false&resourceVersionMatch=NotOlderThan")
        self.world.directory.put(gateway("north", "110"))
        self.assertEqual(seen(talk.answer), [("ADDED", "north", "110")])

    def test_contradicting_options(self) -> None:
        self.assertEqual(self.watch("sendInitialEvents=true").answer.code, 422)

    def test_objects_move_in_and_out_of_a_selector(self) -> None:
        talk = self.watch("labelSelector=env%3Dprod")
        for version, env in [("110", "prod"), ("120", "prod"), ("130", "dev"), ("140", "dev")]:
            self.world.directory.put(gateway("west", version, env=env))
        self.world.directory.delete("west")
        self.world.directory.delete("east")
        self.assertEqual(
            seen(talk.answer),
            [
                ("ADDED", "east", "7"),
                ("ADDED", "west", "110"),
                ("MODIFIED", "west", "120"),
                ("DELETED", "west", "130"),
                ("DELETED", "east", "142"),
            ],
        )

    def test_one_object(self) -> None:
        talk = self.watch("fieldSelector=metadata.name%3Deast")
        self.world.directory.put(gateway("west", "110"), gateway("east", "120"))
        self.assertEqual(seen(talk.answer), [("ADDED", "east", "7"), ("MODIFIED", "east", "120")])
        self.assertEqual(self.world.asked[-1].name, "east")

    def test_table(self) -> None:
        talk = self.watch("", TABLE)
        tables: list[dict[str, Any]] = [event["object"] for event in talk.answer.events]
        self.assertEqual([table["kind"] for table in tables], ["Table", "Table"])
        self.assertEqual([table["columnDefinitions"] is None for table in tables], [False, True])
        self.assertEqual([table["rows"][0]["cells"][0] for table in tables], ["east", "west"])

    def test_metadata_only(self) -> None:
        accept = ("Accept", "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json")
        event = self.watch("", accept).answer.events[0]
        self.assertEqual(set(event["object"]), {"kind", "apiVersion", "metadata"})

    def test_yaml_is_not_acceptable(self) -> None:
        self.assertEqual(self.watch("", ("Accept", "application/yaml")).answer.code, 406)

    def test_over_websocket(self) -> None:
        answer = self.watch("", ("Connection", "Upgrade"), ("Upgrade", "websocket")).answer
        self.assertEqual((answer.code, answer.json["reason"]), (400, "BadRequest"))
        self.assertIn("WebSocket", answer.json["message"])

    def test_virtual_clusters(self) -> None:
        talk = self.world.open(f"{GROUP}/virtualclusters?watch=1")
        self.world.directory.put(gateway("north", "110"))
        self.assertEqual([name for _, name, _ in seen(talk.answer)], ["local", "east", "west", "north"])

    def test_head(self) -> None:
        talk = self.world.open(f"{GATEWAYS}?watch=true", method="HEAD")
        self.assertEqual((talk.answer.code, talk.answer.complete), (200, True))
        self.assertEqual(self.world.clock.getDelayedCalls(), [])


class TimeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World(gateway("east", "7"))

    def test_ends_when_the_client_said(self) -> None:
        talk = self.world.open(f"{GATEWAYS}?watch=1&timeoutSeconds=5")
        self.world.clock.advance(4.9)
        self.assertFalse(talk.answer.complete)
        self.world.clock.advance(0.2)
        self.assertTrue(talk.answer.complete)
        self.assertEqual(seen(talk.answer), [("ADDED", "east", "7")])
        self.world.directory.put(gateway("west", "120"))
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_ends_sometime_else(self) -> None:
        talk = self.world.open(f"{GATEWAYS}?watch=1")
        self.world.clock.advance(SHORTEST - 1)
        self.assertFalse(talk.answer.complete)
        self.world.clock.advance(SHORTEST)
        self.assertTrue(talk.answer.complete)

    def test_bookmarks(self) -> None:
        talk = self.world.open(f"{GATEWAYS}?watch=1&resourceVersion=100&allowWatchBookmarks=1&timeoutSeconds=150")
        self.world.clock.advance(BOOKMARK_INTERVAL)
        self.world.directory.put(gateway("west", "120"))
        self.world.clock.advance(BOOKMARK_INTERVAL)
        self.world.clock.advance(BOOKMARK_INTERVAL)
        self.assertEqual(
            seen(talk.answer),
            [("BOOKMARK", "", "100"), ("ADDED", "west", "120"), ("BOOKMARK", "", "120"), ("BOOKMARK", "", "120")],
        )
        self.assertNotIn("annotations", talk.answer.events[0]["object"]["metadata"])
        self.assertTrue(talk.answer.complete)

    def test_no_bookmarks_unless_allowed(self) -> None:
        talk = self.world.open(f"{GATEWAYS}?watch=1&resourceVersion=100&timeoutSeconds=150")
        self.world.clock.pump([BOOKMARK_INTERVAL] * 3)
        self.assertEqual((talk.answer.body, talk.answer.complete), (b"", True))

    def test_a_client_that_goes_leaves_nothing_behind(self) -> None:
        talk = self.world.open(f"{GATEWAYS}?watch=1&allowWatchBookmarks=1")
        talk.hang_up()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])
        before = talk.transport.value()
        self.world.directory.put(gateway("west", "120"))
        self.assertEqual(talk.transport.value(), before)


class EndTests(SynchronousTestCase):
    """The gateway is about to go."""

    def setUp(self) -> None:
        self.world = World(gateway("east", "7"))

    def test_watches_end(self) -> None:
        plain = self.world.open(f"{GATEWAYS}?watch=1")
        marked = self.world.open(f"{GATEWAYS}?watch=1&resourceVersion=100&allowWatchBookmarks=1")
        self.world.directory.put(gateway("west", "120"))
        self.world.gateways.close()
        self.assertEqual(seen(plain.answer), [("ADDED", "east", "7"), ("ADDED", "west", "120")])
        self.assertEqual(seen(marked.answer), [("ADDED", "west", "120"), ("BOOKMARK", "", "120")])
        self.assertTrue(plain.answer.complete and marked.answer.complete)
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_one_whose_client_does_not_read_ends_without_a_bookmark(self) -> None:
        talk = self.world.open(f"{GATEWAYS}?watch=1&resourceVersion=100&allowWatchBookmarks=1")
        talk.producer.pauseProducing()
        self.world.directory.put(gateway("west", "120"))
        self.world.gateways.close()
        self.assertEqual((talk.answer.body, talk.answer.complete), (b"", True))

    def test_a_new_one_ends_at_once(self) -> None:
        self.world.gateways.close()
        talk = self.world.open(f"{GATEWAYS}?watch=1&resourceVersion=99")
        self.assertEqual((talk.answer.events[0]["type"], talk.answer.complete), ("ERROR", True))
        talk = self.world.open(f"{GATEWAYS}?watch=1")
        self.assertEqual((seen(talk.answer), talk.answer.complete), ([("ADDED", "east", "7")], True))
        self.assertEqual(self.world.clock.getDelayedCalls(), [])


class BackpressureTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()

    def test_a_paused_client_gets_the_rest_later(self) -> None:
        talk = self.world.open(f"{GATEWAYS}?watch=1&resourceVersion=100&allowWatchBookmarks=1")
        talk.producer.pauseProducing()
        self.world.directory.put(gateway("a", "110"))
        self.world.directory.put(gateway("b", "120"))
        self.world.clock.advance(BOOKMARK_INTERVAL)
        self.assertEqual(seen(talk.answer), [])
        talk.producer.resumeProducing()
        self.assertEqual(seen(talk.answer), [("ADDED", "a", "110"), ("ADDED", "b", "120")])

    def test_one_that_falls_too_far_behind_is_told_to_list_again(self) -> None:
        talk = self.world.open(f"{GATEWAYS}?watch=1&resourceVersion=100")
        talk.producer.pauseProducing()
        for version in range(200, 200 + 2 * HISTORY):
            self.world.directory.put(gateway("a", str(version)))
        talk.producer.resumeProducing()
        (event,) = talk.answer.events
        self.assertEqual((event["type"], event["object"]["code"]), ("ERROR", 410))
        self.assertTrue(talk.answer.complete)

    def test_no_more_is_written_than_the_client_takes(self) -> None:
        self.world.directory.put(*(gateway(f"c{number:03}", blob="x" * 1000) for number in range(500)))
        for query in ("", "&resourceVersion=100"):
            wire = Narrow()
            talk = self.world.open(f"{GATEWAYS}?watch=1{query}", wire=wire)
            for _ in range(20):
                before = len(wire.value())
                talk.producer.resumeProducing()
                self.assertLess(len(wire.value()) - before, 2 * BATCH)
            names = [event["object"]["metadata"]["name"] for event in talk.answer.events]
            self.assertEqual(names, [f"c{number:03}" for number in range(500)])

    def test_time_is_up_for_a_paused_client(self) -> None:
        talk = self.world.open(f"{GATEWAYS}?watch=1&resourceVersion=100&timeoutSeconds=9")
        talk.producer.pauseProducing()
        self.world.directory.put(gateway("a", "110"))
        self.world.clock.advance(10)
        self.assertTrue(talk.answer.complete)


class CollectionTests(SynchronousTestCase):
    def test_its_version_is_at_least_that_of_its_objects(self) -> None:
        world = World(gateway("a", "500"))
        self.assertEqual(world.gateways.cache.version, 500)

    def test_not_before_the_directory_is_complete(self) -> None:
        complete = False

        def version() -> int:
            if not complete:
                raise HubUnavailable("the clusters are not read from the hub yet", retry_after=1)
            return 300

        world = World(version=version)
        for target in (GATEWAYS, f"{GATEWAYS}?watch=1", f"{GATEWAYS}/a", f"{GROUP}/virtualclusters"):
            self.assertEqual(world.get(target).code, 503, target)
        # The initial list of an informer comes in any order of versions; that is not what watches see.
        world.directory.put(gateway("a", "250"), gateway("b", "200"))
        complete = True
        talk = world.open(f"{GATEWAYS}?watch=1&resourceVersion=300")
        self.assertEqual(world.get(GATEWAYS).json["metadata"]["resourceVersion"], "300")
        world.directory.put(gateway("a", "301"))
        self.assertEqual(seen(talk.answer), [("MODIFIED", "a", "301")])
        self.assertEqual(seen(world.open(f"{GATEWAYS}?watch=1").answer), [("ADDED", "a", "301"), ("ADDED", "b", "200")])

    def test_a_deletion_of_what_is_not_there_tells_nobody(self) -> None:
        world = World()
        self.assertEqual(world.gateways.cache.version, 100)
        told: list[int] = []
        end = world.gateways.subscribe(lambda: told.append(world.gateways.cache.version))
        for listener in world.directory.listeners:
            listener("DELETED", gateway("a"))
        self.assertEqual(told, [])
        world.directory.put(gateway("a"))
        end()
        end()
        world.directory.put(gateway("a"))
        self.assertEqual(told, [101])

    def test_a_cluster_called_local_does_not_touch_virtual_cluster_local(self) -> None:
        world = World(gateway("east", "7"))
        before = world.get(f"{GROUP}/virtualclusters").json
        talk = world.open(f"{GROUP}/virtualclusters?watch=1&resourceVersion=100")
        world.directory.put(gateway("local", "110"), gateway("local", "120"))
        late = World(gateway("east", "7"), gateway("local", "120"))
        for each in (world, late):
            self.assertEqual(each.get(f"{GROUP}/virtualclusters").json["items"], before["items"])
            self.assertEqual(each.get(f"{GATEWAYS}/local").code, 200)
            ((place, sentence),) = each.virtual_clusters.problems().items()
            self.assertEqual(place, "virtualcluster local")
            self.assertIn('a cluster is called "local"', sentence)
        world.directory.delete("local")
        self.assertEqual(world.get(f"{GROUP}/virtualclusters").json["items"], before["items"])
        self.assertEqual((seen(talk.answer), world.virtual_clusters.problems()), ([], {}))

    def test_one_called_local_is_shown_where_there_is_no_control_plane(self) -> None:
        world = World(gateway("local", "7"), with_control_plane=False)
        self.assertEqual(world.get(f"{GROUP}/virtualclusters/local").json["metadata"]["resourceVersion"], "7")
        self.assertEqual(world.virtual_clusters.problems(), {})

    def test_versions_of_its_own(self) -> None:
        world = World()
        collection = Collection(CLUSTER_GATEWAYS, world.directory, lambda: 5)
        self.assertEqual(collection.cache.version, 5)
        world.directory.put(gateway("a", "not-a-number"))
        world.directory.put(gateway("a", "3"))
        self.assertEqual([change.version for change in collection.cache.since(5)], [6, 7])
