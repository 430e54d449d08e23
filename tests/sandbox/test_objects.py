from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.objects import (
    canonical,
    copied,
    dig,
    group_version,
    metadata,
    seconds_of,
    split_group_version,
    timestamp,
)


class ObjectsTests(SynchronousTestCase):
    @given(st.integers(0, 4102444800))
    def test_times(self, seconds: int) -> None:
        """Round trip."""
        self.assertEqual(seconds_of(timestamp(seconds)), seconds)

    def test_fractions(self) -> None:
        self.assertEqual(seconds_of("1970-01-01T00:00:01.250000Z"), 1.25)

    def test_no_time(self) -> None:
        self.assertRaises(ValueError, seconds_of, "yesterday")

    def test_group_versions(self) -> None:
        for group, version, written in (("", "v1", "v1"), ("apps", "v1", "apps/v1")):
            self.assertEqual(group_version(group, version), written)
            self.assertEqual(split_group_version(written), (group, version))

    def test_dig(self) -> None:
        self.assertEqual(dig({"a": {"b": 1}}, "a", "b"), 1)
        self.assertIsNone(dig({"a": [1]}, "a", "b"))

    def test_copies_are_deep(self) -> None:
        before = {"a": [{"b": 1}]}
        after = copied(before)
        after["a"][0]["b"] = 2
        self.assertEqual(before, {"a": [{"b": 1}]})

    def test_order_of_keys(self) -> None:
        shown = canonical({"data": {}, "metadata": {}, "apiVersion": "v1"}, "v2", "Thing")
        self.assertEqual(list(shown.items())[:2], [("kind", "Thing"), ("apiVersion", "v2")])
        self.assertEqual(list(shown), ["kind", "apiVersion", "metadata", "data"])

    def test_metadata_is_made(self) -> None:
        obj = {"metadata": None}
        metadata(obj)["name"] = "a"
        self.assertEqual(obj, {"metadata": {"name": "a"}})
