from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.kinds import Kind, Kinds
from clustergateway.sandbox.objects import Object
from clustergateway.sandbox.status import ApiError
from clustergateway.sandbox.validation import admitted


def walked(kind: Kind, given: Object) -> tuple[Object, list[str]]:
    """The object as admitted, and the unknown fields."""
    unknown: list[str] = []
    return admitted(kind, given, unknown.extend), unknown


def built_in(resource: str, group: str = "") -> Kind:
    kind = Kinds().stored(group, resource)
    assert kind is not None
    return kind


def custom(schema: Object) -> Kind:
    return Kind("g", "v1", "things", "Thing", custom=True, schema={"type": "object", "properties": {"spec": schema}})


class BuiltInTests(SynchronousTestCase):
    def test_unknown_and_null(self) -> None:
        given = {"metadata": {"name": "a", "x": 1, "labels": None}, "data": {"k": "v"}, "y": 2}
        found, unknown = walked(built_in("configmaps"), given)
        self.assertEqual(found, {"metadata": {"name": "a"}, "data": {"k": "v"}})
        self.assertEqual(unknown, ["metadata.x", "y"])

    def test_lists(self) -> None:
        spec = {"containers": [{"name": "c", "imag": "x", "ports": [{"containerPort": 1, "z": 1}]}]}
        _, unknown = walked(built_in("pods"), {"spec": spec})
        self.assertEqual(unknown, ["spec.containers[0].imag", "spec.containers[0].ports[0].z"])

    def test_mistyped(self) -> None:
        for resource, given, told in (
            ("configmaps", {"data": {"k": True}}, "bool into Go struct field ConfigMap.data of type string"),
            ("configmaps", {"data": []}, "array into Go struct field ConfigMap.data of type object"),
            ("services", {"spec": {"type": 1}}, "number into Go struct field Service.spec.type of type string"),
        ):
            error = self.assertRaises(ApiError, walked, built_in(resource), given)
            self.assertEqual(error.code, 400)
            self.assertTrue(error.message.endswith(f"cannot unmarshal {told}"), error.message)

    def test_numbers_or_strings(self) -> None:
        for target in (80, "http"):
            spec: Object = {"ports": [{"port": 80, "targetPort": target}]}
            self.assertEqual(walked(built_in("services"), {"spec": spec})[0], {"spec": spec})
        spec = {"containers": [{"name": "c", "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}}]}
        self.assertEqual(walked(built_in("pods"), {"spec": spec})[0], {"spec": spec})

    def test_required(self) -> None:
        error = self.assertRaises(ApiError, walked, built_in("pods"), {"spec": {"containers": [{}]}})
        self.assertEqual(error.message, 'Pod "" is invalid: spec.containers[0].name: Required value')

    def test_schemas_of_schemas(self) -> None:
        """What is inside a CustomResourceDefinition's schema is left as it is."""
        schema: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "anything": {"goes": None}}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
        names = {"plural": "a", "kind": "A"}
        spec = {"group": "g", "scope": "Cluster", "names": names, "versions": [version]}
        found, unknown = walked(built_in("customresourcedefinitions", "apiextensions.k8s.io"), {"spec": spec})
        self.assertEqual((unknown, found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]), ([], schema))


class CustomTests(SynchronousTestCase):
    def message(self, schema: Object, value: object) -> str:
        error = self.assertRaises(ApiError, walked, custom(schema), {"metadata": {"name": "t"}, "spec": value})
        self.assertEqual(error.code, 422)
        return str(error.message.partition("invalid: ")[2])

    def test_rules(self) -> None:
        bad, inside = "spec: Invalid value:", "spec in body"
        for schema, value, told in (
            ({"type": "string", "maxLength": 2}, "abc", "spec: Too long: may not be more than 2 bytes"),
            ({"type": "string", "minLength": 2}, "a", f'{bad} "a": {inside} should be at least 2 chars long'),
            ({"type": "integer", "maximum": 2}, 3, f"{bad} 3: {inside} should be less than or equal to 2"),
            ({"type": "array", "minItems": 1}, [], f"{bad} 0: {inside} should have at least 1 items"),
            ({"type": "array", "maxItems": 1}, [1, 2], "spec: Too many: 2: must have at most 1 items"),
            ({"type": "boolean"}, "x", 'spec: Invalid value: "string": spec in body must be of type boolean: "string"'),
            ({"type": "object", "required": ["a"]}, {}, "spec.a: Required value"),
        ):  # fmt: skip
            self.assertEqual(self.message(schema, value), told)

    def test_kept(self) -> None:
        open_schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        self.assertEqual(walked(custom(open_schema), {"spec": {"a": 1}})[0], {"spec": {"a": 1}})
        maps = {"type": "object", "additionalProperties": {"type": "integer"}}
        self.assertEqual(walked(custom(maps), {"spec": {"a": 1}})[0], {"spec": {"a": 1}})
        self.assertEqual(self.message(maps, {"a": "x"}).partition(":")[0], "spec.a")

    def test_defaults(self) -> None:
        inner = {"type": "object", "properties": {"n": {"type": "integer", "default": 3}}}
        listed = {
            "type": "object",
            "properties": {"l": {"type": "array", "items": inner}, "o": {**inner, "default": {}}},
        }
        found, _ = walked(custom(listed), {"spec": {"l": [{}, {"n": 1}]}})
        self.assertEqual(found["spec"], {"l": [{"n": 3}, {"n": 1}], "o": {"n": 3}})
