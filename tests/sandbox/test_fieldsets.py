from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.fieldsets import Fields, decode, dotted, encode, item_step, leaves
from clustergateway.sandbox.objects import Object

_STEPS = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"'])
_LIST: Object = {
    "type": "array",
    "items": {"properties": {"name": {"type": "string"}, "v": {}}},
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
}
_MAP: Object = {"type": "object", "additionalProperties": {"type": "string"}}
_SET: Object = {"type": "array", "x-kubernetes-list-type": "set"}
_SCHEMA: Object = {"properties": {"items": _LIST, "map": _MAP, "set": _SET, "list": {"type": "array"}}}


class FieldSetTests(SynchronousTestCase):
    @given(st.sets(st.lists(_STEPS, min_size=1, max_size=4).map(tuple), max_size=6))
    def test_round_trip(self, fields: Fields) -> None:
        self.assertEqual(decode(encode(fields)), fields)

    def test_format(self) -> None:
        fields = {("f:a",), ("f:a", "f:b"), ("f:c", "f:d")}
        self.assertEqual(encode(fields), {"f:a": {".": {}, "f:b": {}}, "f:c": {"f:d": {}}})

    def test_leaves(self) -> None:
        obj = {"items": [{"name": "x", "v": 1}], "map": {"k": "v"}, "set": ["s"], "list": [1, 2]}
        item = 'k:{"name":"x"}'
        applied = {
            ("f:items", item),
            ("f:items", item, "f:name"),
            ("f:items", item, "f:v"),
            ("f:map", "f:k"),
            ("f:set", 'v:"s"'),
            ("f:list",),
        }
        self.assertEqual(set(leaves(_SCHEMA, obj, maps=False)), applied)
        self.assertEqual(set(leaves(_SCHEMA, obj, maps=True)), applied | {("f:map",)})

    def test_identity_is_nobodys(self) -> None:
        obj = {"kind": "X", "apiVersion": "v1", "metadata": {"name": "a", "uid": "u", "labels": {"l": "1"}}}
        self.assertEqual(set(leaves({}, obj, maps=False)), {("f:metadata", "f:labels", "f:l")})

    def test_default_key(self) -> None:
        schema = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["port", "protocol"]}
        self.assertEqual(item_step(schema, {"port": 80}), 'k:{"port":80,"protocol":"TCP"}')

    def test_shown(self) -> None:
        path = ("f:spec", "f:containers", 'k:{"name":"web"}', "f:args", 'v:"x"')
        self.assertEqual(dotted(path), '.spec.containers[name="web"].args[="x"]')
