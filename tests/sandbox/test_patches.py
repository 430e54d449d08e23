from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.objects import Object, copied
from clustergateway.sandbox.patches import json_patch, merge_patch, strategic_merge
from clustergateway.sandbox.status import ApiError

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=8,
)
_LIST: Object = {
    "type": "array",
    "items": {"type": "object"},
    "x-kubernetes-patch-strategy": "merge",
    "x-kubernetes-patch-merge-key": "name",
}
_SET: Object = {"type": "array", "items": {"type": "string"}, "x-kubernetes-patch-strategy": "merge"}
_SCHEMA: Object = {"properties": {"items": _LIST, "words": _SET, "plain": {"type": "array"}}}


class MergeTests(SynchronousTestCase):
    def test_rfc_7396(self) -> None:
        for target, patch, wanted in (
            ({"a": "b"}, {"a": "c"}, {"a": "c"}),
            ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
            ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
            ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
            ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
            ({"a": "foo"}, "bar", "bar"),
            ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ):
            self.assertEqual(merge_patch(target, patch), wanted)

    @given(_JSON, _JSON)
    def test_twice_is_once(self, target: Any, patch: Any) -> None:
        once = merge_patch(target, patch)
        self.assertEqual(merge_patch(once, patch), once)

    @given(_JSON, _JSON)
    def test_target_is_left_alone(self, target: Any, patch: Any) -> None:
        before = copied(target)
        merge_patch(target, patch)
        self.assertEqual(target, before)


class JsonPatchTests(SynchronousTestCase):
    def test_operations(self) -> None:
        before = {"a": {"b": [1, 2]}, "x/y": 1}
        for operation, wanted in (
            ({"op": "add", "path": "/a/b/1", "value": 9}, {"a": {"b": [1, 9, 2]}, "x/y": 1}),
            ({"op": "add", "path": "/a/b/-", "value": 9}, {"a": {"b": [1, 2, 9]}, "x/y": 1}),
            ({"op": "remove", "path": "/a/b/0"}, {"a": {"b": [2]}, "x/y": 1}),
            ({"op": "replace", "path": "/a/b/0", "value": 9}, {"a": {"b": [9, 2]}, "x/y": 1}),
            ({"op": "replace", "path": "/x~1y", "value": 2}, {"a": {"b": [1, 2]}, "x/y": 2}),
            ({"op": "replace", "path": "", "value": {}}, {}),
            ({"op": "move", "from": "/a/b", "path": "/c"}, {"a": {}, "x/y": 1, "c": [1, 2]}),
            ({"op": "copy", "from": "/x~1y", "path": "/c"}, {**before, "c": 1}),
            ({"op": "test", "path": "/a/b", "value": [1, 2]}, before),
        ):
            self.assertEqual(json_patch(before, [operation]), wanted, operation)

    def test_refused(self) -> None:
        for operation in (
            {"op": "test", "path": "/a", "value": 2},
            {"op": "remove", "path": "/b"},
            {"op": "add", "path": "/b/c", "value": 1},
            {"op": "add", "path": "/l/9", "value": 1},
            {"op": "dance", "path": "/a"},
            {"op": "add"},
            {"op": "add", "path": "a", "value": 1},
        ):
            error = self.assertRaises(ApiError, json_patch, {"a": 1, "l": []}, [operation])
            self.assertEqual(error.code, 422, operation)
        self.assertEqual(self.assertRaises(ApiError, json_patch, {}, {"op": "add"}).code, 400)

    @given(
        _JSON,
        st.lists(
            st.fixed_dictionaries(
                {
                    "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]),
                    "path": st.text("/ab01-~", max_size=6),
                    "from": st.text("/ab01", max_size=4),
                    "value": _JSON,
                }
            )
        ),
    )
    def test_fails_in_no_other_way(self, target: Any, operations: list[Object]) -> None:
        try:
            json_patch(target, operations)
        except ApiError as error:
            self.assertIn(error.code, (400, 422))


class StrategicTests(SynchronousTestCase):
    def merged(self, target: Object, patch: Object) -> Object:
        found: Object = strategic_merge(_SCHEMA, target, patch)
        return found

    def test_list_by_key(self) -> None:
        before = {"items": [{"name": "a", "v": 1}, {"name": "b", "v": 2}]}
        patch = {"items": [{"name": "b", "w": 3}, {"name": "c"}]}
        wanted = [{"name": "a", "v": 1}, {"name": "b", "v": 2, "w": 3}, {"name": "c"}]
        self.assertEqual(self.merged(before, patch)["items"], wanted)

    def test_directives(self) -> None:
        before = {"items": [{"name": "a"}, {"name": "b"}], "words": ["x", "y"], "m": {"k": 1, "l": 2}}
        for patch, wanted in (
            ({"items": [{"name": "a", "$patch": "delete"}]}, {**before, "items": [{"name": "b"}]}),
            ({"items": [{"$patch": "replace"}, {"name": "c"}]}, {**before, "items": [{"name": "c"}]}),
            ({"$deleteFromPrimitiveList/words": ["x"]}, {**before, "words": ["y"]}),
            ({"m": {"$retainKeys": ["l"]}}, {**before, "m": {"l": 2}}),
            ({"m": {"$patch": "replace", "z": 1}}, {**before, "m": {"z": 1}}),
            ({"m": {"$patch": "delete"}}, {**before, "m": {}}),
            ({"m": {"k": None}}, {**before, "m": {"l": 2}}),
            ({"words": ["z"]}, {**before, "words": ["x", "y", "z"]}),
        ):
            self.assertEqual(self.merged(before, patch), wanted)

    def test_order(self) -> None:
        before = {"items": [{"name": "a"}, {"name": "b"}]}
        order = [{"name": "c"}, {"name": "b"}, {"name": "a"}]
        patch = {"$setElementOrder/items": order, "items": [{"name": "c"}]}
        self.assertEqual([one["name"] for one in self.merged(before, patch)["items"]], ["c", "b", "a"])
        alone = {"$setElementOrder/items": [{"name": "b"}, {"name": "a"}]}
        self.assertEqual([one["name"] for one in self.merged(before, alone)["items"]], ["b", "a"])

    def test_plain_lists_are_replaced(self) -> None:
        self.assertEqual(self.merged({"plain": [1, 2]}, {"plain": [3]}), {"plain": [3]})

    def test_no_key(self) -> None:
        error = self.assertRaises(ApiError, self.merged, {"items": [{"name": "a"}]}, {"items": [{"v": 1}]})
        self.assertEqual(error.code, 400)
