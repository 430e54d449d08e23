"""Contracts: watches."""

from __future__ import annotations

from .world import PARTIAL, TABLE, ContractTestCase, named

INITIAL = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan"


class Watching(ContractTestCase):
    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.watch = f"{self.here}/configmaps?watch=true&labelSelector=n&timeoutSeconds=5"

    async def test_from_now(self) -> None:
        """From the version of a list on, every change comes once, in order."""
        await self.make_config_map("old", {"n": "0"})
        version = (await self.api.call("GET", f"{self.here}/configmaps")).json()["metadata"]["resourceVersion"]
        code, watching = await self.api.watch(f"{self.watch}&resourceVersion={version}")
        made = await self.make_config_map("a", {"n": "1"}, k="v")
        made["data"]["k"] = "w"
        changed = (await self.api.call("PUT", f"{self.here}/configmaps/a", made)).json()
        await self.api.call("DELETE", f"{self.here}/configmaps/a")
        events = await watching.until(3)
        await watching.stop()
        self.assertEqual(code, 200)
        self.assertEqual(named(events), [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")])
        self.assertEqual(events[1]["object"], changed)
        versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
        self.assertEqual(versions, sorted(set(versions)))

    async def test_from_the_past(self) -> None:
        version = (await self.api.call("GET", f"{self.here}/configmaps")).json()["metadata"]["resourceVersion"]
        await self.make_config_map("a", {"n": "1"})
        await self.api.call("DELETE", f"{self.here}/configmaps/a")
        _, watching = await self.api.watch(f"{self.watch}&resourceVersion={version}")
        events = await watching.until(2)
        await watching.stop()
        self.assertEqual(named(events), [("ADDED", "a"), ("DELETED", "a")])

    async def test_without_version(self) -> None:
        """It begins with what there is."""
        for name in ("a", "b"):
            await self.make_config_map(name, {"n": "1"})
        _, watching = await self.api.watch(self.watch)
        await watching.until(2)
        await self.make_config_map("c", {"n": "1"})
        events = await watching.until(3)
        await watching.stop()
        self.assertEqual(sorted(named(events[:2])), [("ADDED", "a"), ("ADDED", "b")])
        self.assertEqual(named(events[2:]), [("ADDED", "c")])

    async def test_selection(self) -> None:
        """What begins or ceases to match is added or deleted, for this watch."""
        made = await self.make_config_map("a")
        version = made["metadata"]["resourceVersion"]
        _, watching = await self.api.watch(f"{self.watch}&resourceVersion={version}")
        for labels in ({"n": "1"}, {"n": "2"}, {"n": None}):
            patch = {"metadata": {"labels": labels}}
            await self.api.call("PATCH", f"{self.here}/configmaps/a", patch, "application/merge-patch+json")
        events = await watching.until(3)
        await watching.stop()
        self.assertEqual(named(events), [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")])
        self.assertEqual(events[2]["object"]["metadata"]["labels"], {"n": "2"})

    async def test_initial_events(self) -> None:
        await self.make_config_map("a", {"n": "1"})
        _, watching = await self.api.watch(f"{self.watch}&{INITIAL}&allowWatchBookmarks=true")
        events = await watching.until(2)
        await watching.stop()
        self.assertEqual([event["type"] for event in events], ["ADDED", "BOOKMARK"])
        mark = events[1]["object"]
        self.assertEqual((mark["kind"], mark["apiVersion"]), ("ConfigMap", "v1"))
        self.assertEqual(mark["metadata"]["annotations"], {"k8s.io/initial-events-end": "true"})
        self.assertGreaterEqual(
            int(mark["metadata"]["resourceVersion"]), int(events[0]["object"]["metadata"]["resourceVersion"])
        )

    async def test_initial_events_need_a_match(self) -> None:
        reply = await self.api.call("GET", f"{self.watch}&sendInitialEvents=true&allowWatchBookmarks=true")
        why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        causes = [{"reason": "FieldValueForbidden", "message": why, "field": "resourceVersionMatch"}]
        details = {"group": "meta.k8s.io", "kind": "ListOptions", "causes": causes}
        message = f'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: {why}'
        self.assertStatus(reply, 422, "Invalid", message, details)

    async def test_ends_after_its_time(self) -> None:
        await self.make_config_map("a", {"n": "1"})
        path = f"{self.here}/configmaps?watch=1&labelSelector=n&timeoutSeconds=1"
        self.assertEqual(named(await self.api.events(path)), [("ADDED", "a")])

    async def test_table(self) -> None:
        """Columns are defined once, with the first event."""
        version = (await self.make_config_map("a", {"n": "1"}))["metadata"]["resourceVersion"]
        _, watching = await self.api.watch(f"{self.watch}&resourceVersion={int(version) - 1}", Accept=TABLE)
        await watching.until(1)
        await self.make_config_map("b", {"n": "1"})
        first, second = await watching.until(2)
        await watching.stop()
        self.assertEqual([event["object"]["kind"] for event in (first, second)], ["Table", "Table"])
        self.assertEqual([len(event["object"]["rows"]) for event in (first, second)], [1, 1])
        self.assertTrue(first["object"]["columnDefinitions"])
        self.assertIsNone(second["object"]["columnDefinitions"])

    async def test_partial(self) -> None:
        await self.make_config_map("a", {"n": "1"}, k="v")
        _, watching = await self.api.watch(self.watch, Accept=PARTIAL)
        (event,) = await watching.until(1)
        await watching.stop()
        self.assertEqual(sorted(event["object"]), ["apiVersion", "kind", "metadata"])
        self.assertEqual(event["object"]["kind"], "PartialObjectMetadata")

    async def test_bad_version(self) -> None:
        reply = await self.api.call("GET", f"{self.watch}&resourceVersion=abc")
        self.assertEqual(reply.code, 500)
        self.assertIn('strconv.ParseUint: parsing "abc": invalid syntax', reply.json()["message"])

    async def test_by_name(self) -> None:
        path = f"{self.here}/configmaps?watch=1&fieldSelector=metadata.name=b&timeoutSeconds=5"
        await self.make_config_map("a")
        _, watching = await self.api.watch(path)
        await self.make_config_map("b")
        events = await watching.until(1)
        await watching.stop()
        self.assertEqual(named(events), [("ADDED", "b")])

    async def test_old_path(self) -> None:
        """C{/api/v1/watch/...} is deprecated, and there."""
        await self.make_config_map("a", {"n": "1"})
        path = f"/api/v1/watch/namespaces/{self.namespace}/configmaps?labelSelector=n&timeoutSeconds=5"
        _, watching = await self.api.watch(path)
        events = await watching.until(1)
        await watching.stop()
        self.assertEqual(named(events), [("ADDED", "a")])
