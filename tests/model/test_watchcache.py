"""The history of a collection: versions, snapshots of the past, what is forgotten."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import Expired, NotFound
from clustergateway.model.watchcache import WatchCache, parse_version


@dataclass(frozen=True)
class Thing:
    name: str
    version: int
    text: str = ""


def cache(version: int = 10, *things: Thing, history: int = 4) -> WatchCache[Thing]:
    return WatchCache(version, lambda all: sorted(all, key=lambda t: t.name), initial=things, history=history)


class WatchCacheTests(SynchronousTestCase):
    def test_get(self) -> None:
        found = cache(10, Thing("a", 3))
        self.assertEqual(found.get("a"), Thing("a", 3))
        self.assertIn("a", found)
        self.assertRaises(NotFound, found.get, "b")

    def test_changes_since(self) -> None:
        found = cache(10, Thing("a", 3))
        found.put(Thing("b", 11))
        found.put(Thing("a", 13))
        found.remove(Thing("b", 15))
        self.assertEqual(
            [(change.type, change.value, change.previous) for change in found.since(10)],
            [
                ("ADDED", Thing("b", 11), None),
                ("MODIFIED", Thing("a", 13), Thing("a", 3)),
                ("DELETED", Thing("b", 15), Thing("b", 11)),
            ],
        )
        self.assertEqual([change.version for change in found.since(12)], [13, 15])
        self.assertEqual([change.version for change in found.since(13)], [15])
        self.assertEqual(list(found.since(15)), [])
        self.assertEqual(list(found.since(99)), [])

    def test_a_version_at_which_nothing_happened(self) -> None:
        found = cache(10, Thing("a", 3))
        found.advance(15)
        found.advance(12)
        self.assertEqual((found.version, found.list(), found.list(13)), (15, [Thing("a", 3)], [Thing("a", 3)]))
        found.put(Thing("b", found.next_version("14")))
        self.assertEqual((found.version, found.list(14), len(found.since(14))), (16, [Thing("a", 3)], 1))

    def test_lists_of_the_past(self) -> None:
        found = cache(10, Thing("a", 3))
        found.put(Thing("b", 11))
        found.put(Thing("a", 13))
        found.remove(Thing("b", 15))
        self.assertEqual(found.list(10), [Thing("a", 3)])
        self.assertEqual(found.list(12), [Thing("a", 3), Thing("b", 11)])
        self.assertEqual(found.list(13), [Thing("a", 13), Thing("b", 11)])
        self.assertEqual(found.list(), [Thing("a", 13)])
        self.assertEqual(found.list(99), [Thing("a", 13)])

    def test_what_was_before_is_too_old(self) -> None:
        found = cache(10)
        found.put(Thing("a", 11))
        self.assertEqual(self.assertRaises(Expired, found.since, 9).message, "too old resource version: 9 (10)")
        self.assertRaises(Expired, found.list, 9)

    def test_history_is_bounded(self) -> None:
        found = cache(10)
        for version in range(11, 31):
            found.put(Thing("a", version))
            self.assertLess(len(found.since(found.oldest)), 8)
        self.assertGreater(found.oldest, 20)
        self.assertRaises(Expired, found.since, found.oldest - 1)
        self.assertEqual(len(found.since(found.oldest)), 30 - found.oldest)

    def test_removing_what_is_not_there(self) -> None:
        found = cache()
        self.assertIs(found.remove(Thing("a", 11)), None)
        self.assertEqual(found.version, 10)

    def test_next_version(self) -> None:
        found = cache(10)
        for own, expected in [("20", 20), ("11", 11), ("10", 11), ("3", 11), ("", 11), ("x", 11), ("9" * 30, 11)]:
            self.assertEqual(found.next_version(own), expected, own)

    def test_parse_version(self) -> None:
        for text, expected in [("7", 7), ("", 0), ("-1", 0), ("1.5", 0), ("٣", 0)]:
            self.assertEqual(parse_version(text), expected)

    @given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans())))
    def test_changes_lead_from_any_past_to_the_present(self, steps: list[tuple[str, bool]]) -> None:
        found = cache(1, history=1000)
        past = [found.list()]
        for name, there in steps:
            thing = Thing(name, found.version + 1)
            if there:
                found.put(thing)
            elif found.remove(thing) is None:
                continue
            past.append(list(found.list()))
        for index, things in enumerate(past):
            self.assertEqual(found.list(index + 1), things)
            replayed = {thing.name: thing for thing in things}
            for change in found.since(index + 1):
                if change.type == "DELETED":
                    del replayed[change.value.name]
                else:
                    self.assertEqual(change.type == "MODIFIED", change.value.name in replayed)
                    replayed[change.value.name] = change.value
            self.assertEqual(sorted(replayed.values(), key=lambda thing: thing.name), found.list())
