from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.objects import Object
from clustergateway.sandbox.ownership import Writer, applied, updated
from clustergateway.sandbox.status import ApiError

_SCHEMA: Object = {"properties": {"data": {"type": "object", "additionalProperties": {"type": "string"}}}}


def by(manager: str, operation: str = "Apply") -> Writer:
    return Writer(manager, operation, "v1", "2026-01-01T00:00:00Z")


def owners(obj: Object) -> dict[str, list[str]]:
    """Manager to the keys of data that it owns."""
    found = {}
    for entry in obj["metadata"].get("managedFields", ()):
        found[entry["manager"]] = sorted(key[2:] for key in entry["fieldsV1"].get("f:data", {}) if key != ".")
    return found


class OwnershipTests(SynchronousTestCase):
    def test_updates(self) -> None:
        """Who changes a field owns it; who owns nothing any more is forgotten."""
        first: Object = {"metadata": {}, "data": {"a": "1", "b": "1"}}
        updated(_SCHEMA, None, first, by("one", "Update"))
        self.assertEqual(owners(first), {"one": ["a", "b"]})
        second: Object = {"metadata": {}, "data": {"a": "1", "b": "2"}}
        updated(_SCHEMA, first, second, by("two", "Update"))
        self.assertEqual(owners(second), {"one": ["a"], "two": ["b"]})
        third: Object = {"metadata": {}, "data": {"b": "2"}}
        updated(_SCHEMA, second, third, by("two", "Update"))
        self.assertEqual(owners(third), {"one": [], "two": ["b"]})

    def test_applies(self) -> None:
        live = applied(_SCHEMA, None, {"data": {"a": "1", "b": "1"}}, by("one"), False)
        live = applied(_SCHEMA, live, {"data": {"b": "1", "c": "1"}}, by("two"), False)
        self.assertEqual(owners(live), {"one": ["a", "b"], "two": ["b", "c"]})
        live = applied(_SCHEMA, live, {"data": {}}, by("one"), False)
        self.assertEqual((live["data"], owners(live)["two"]), ({"b": "1", "c": "1"}, ["b", "c"]))

    def test_conflict(self) -> None:
        live = applied(_SCHEMA, None, {"data": {"a": "1"}}, by("one"), False)
        error = self.assertRaises(ApiError, applied, _SCHEMA, live, {"data": {"a": "2"}}, by("two"), False)
        self.assertEqual(error.message, 'Apply failed with 1 conflict: conflict with "one": .data.a')
        forced = applied(_SCHEMA, live, {"data": {"a": "2"}}, by("two"), True)
        self.assertEqual((forced["data"], owners(forced)), ({"a": "2"}, {"two": ["a"]}))

    def test_live_is_left_alone(self) -> None:
        live = applied(_SCHEMA, None, {"data": {"a": "1"}}, by("one"), False)
        applied(_SCHEMA, live, {"data": {"b": "2"}}, by("one"), False)
        self.assertEqual(live["data"], {"a": "1"})
