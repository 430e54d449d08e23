from __future__ import annotations

from clustergateway.sandbox.watching import BOOKMARK_SECONDS, INITIAL_EVENTS_END

from .serving import HERE, ServerTestCase

_WATCH = f"{HERE}/configmaps?watch=1"


class WatchTests(ServerTestCase):
    def config_map(self, name: str, **labels: str) -> str:
        """@return: its version."""
        made = self.make(f"{HERE}/configmaps", {"metadata": {"name": name, "labels": labels}})
        return str(made["metadata"]["resourceVersion"])

    def test_changes_as_they_happen(self) -> None:
        watched = self.watch(_WATCH)
        self.assertEqual(watched.events(), [])
        self.config_map("a")
        self.assertEqual(watched.types(), ["ADDED"])
        self.call("DELETE", f"{HERE}/configmaps/a")
        self.assertEqual(watched.types(), ["ADDED", "DELETED"])
        self.assertFalse(watched.over)

    def test_other_namespaces_are_not_seen(self) -> None:
        watched = self.watch(_WATCH)
        self.make("/api/v1/namespaces/kube-system/configmaps", {"metadata": {"name": "x"}})
        self.assertEqual(watched.events(), [])

    def test_expired(self) -> None:
        """A version that is forgotten is answered with an ERROR event, and the end."""
        version = self.config_map("a")
        self.config_map("b")
        self.server.store.compact()
        watched = self.watch(f"{_WATCH}&resourceVersion={version}")
        (event,) = watched.events()
        status = event["object"]
        self.assertEqual((event["type"], status["code"], status["reason"]), ("ERROR", 410, "Expired"))
        self.assertEqual(status["message"], f"too old resource version: {version} ({int(version) + 1})")
        self.assertTrue(watched.over)

    def test_future(self) -> None:
        """From a version that is yet to come nothing is seen before it has."""
        version = int(self.config_map("a"))
        watched = self.watch(f"{_WATCH}&resourceVersion={version + 1}")
        self.config_map("b")
        self.config_map("c")
        self.assertEqual([event["object"]["metadata"]["name"] for event in watched.events()], ["c"])

    def test_bookmarks(self) -> None:
        watched = self.watch(f"{_WATCH}&allowWatchBookmarks=true")
        self.make("/api/v1/namespaces/kube-system/configmaps", {"metadata": {"name": "x"}})
        self.clock.advance(BOOKMARK_SECONDS)
        (event,) = watched.events()
        meta = {"resourceVersion": str(self.server.store.revision)}
        self.assertEqual(
            event, {"type": "BOOKMARK", "object": {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta}}
        )
        self.clock.advance(BOOKMARK_SECONDS)
        self.assertEqual(watched.types(), ["BOOKMARK", "BOOKMARK"])

    def test_no_bookmarks(self) -> None:
        watched = self.watch(_WATCH)
        self.clock.advance(BOOKMARK_SECONDS)
        self.assertEqual(watched.events(), [])

    def test_initial_events(self) -> None:
        self.config_map("a")
        initial = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        watched = self.watch(f"{_WATCH}&{initial}")
        self.assertEqual(watched.types(), ["ADDED", "BOOKMARK"])
        self.assertEqual(watched.events()[1]["object"]["metadata"]["annotations"], {INITIAL_EVENTS_END: "true"})

    def test_no_initial_events(self) -> None:
        self.config_map("a")
        initial = "sendInitialEvents=false&resourceVersionMatch=NotOlderThan"
        self.assertEqual(self.watch(f"{_WATCH}&{initial}").events(), [])

    def test_time(self) -> None:
        watched = self.watch(f"{_WATCH}&timeoutSeconds=10")
        self.clock.advance(9)
        watched.events()
        self.assertFalse(watched.over)
        self.clock.advance(1)
        watched.events()
        self.assertTrue(watched.over)

    def test_stop(self) -> None:
        """A server that stops ends its watches, and leaves nothing behind."""
        watched = self.watch(f"{_WATCH}&allowWatchBookmarks=true")
        self.successResultOf(self.server.stop())
        watched.events()
        self.assertTrue(watched.over)
        self.config_map("a")
        self.assertEqual(watched.events(), [])
