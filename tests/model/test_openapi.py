"""The OpenAPI documents: whole, without dangling references, and true of what is answered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.gateway import ClusterGateway, Endpoint, Health, TokenCredential
from clustergateway.model.kinds import KINDS
from clustergateway.model.openapi import ROOT, openapi_v2, openapi_v3, openapi_v3_index, operations
from clustergateway.model.schemas import name_of, schemas

FULL = ClusterGateway(
    "east",
    (Endpoint("h", 1, "/b", ca=b"x", insecure=True, proxy_url="http://p:1"),),
    TokenCredential("t"),
    provider="p",
    unroutable="u",
    labels={"a": "b"},
    annotations={"cluster.core.oam.dev/cluster-alias": "c"},
    health=Health(False, "r"),
    uid="u",
    creation_timestamp="2026-01-01T00:00:00Z",
    deletion_timestamp="2026-01-01T00:00:00Z",
    alias="c",
)


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


class OpenAPITests(SynchronousTestCase):
    def test_references_lead_somewhere(self) -> None:
        two, three = openapi_v2("1.0"), openapi_v3("1.0")
        for document, prefix, found in [
            (two, "#/definitions/", two["definitions"]),
            (three, "#/components/schemas/", three["components"]["schemas"]),
        ]:
            names = set(references(document))
            self.assertTrue(names)
            for name in names:
                self.assertIn(name.removeprefix(prefix), found)

    def test_operation_ids_are_unique(self) -> None:
        for document in (openapi_v2("1.0"), openapi_v3("1.0")):
            names = [op["operationId"] for path in document["paths"].values() for op in path.values()]
            self.assertEqual(len(names), len(set(names)))
            self.assertEqual(len(names), len(operations()))

    def test_paths(self) -> None:
        expected = {
            f"{ROOT}/clustergateways",
            f"{ROOT}/clustergateways/{{name}}",
            f"{ROOT}/clustergateways/{{name}}/health",
            f"{ROOT}/clustergateways/{{name}}/proxy",
            f"{ROOT}/clustergateways/{{name}}/proxy/{{path}}",
            f"{ROOT}/virtualclusters",
            f"{ROOT}/virtualclusters/{{name}}",
        }
        for document in (openapi_v2("1.0"), openapi_v3("1.0")):
            self.assertEqual(set(document["paths"]), expected)

    def test_path_parameters_are_declared(self) -> None:
        for document in (openapi_v2("1.0"), openapi_v3("1.0")):
            for path, methods in document["paths"].items():
                for operation in methods.values():
                    declared = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
                    self.assertEqual(declared, {part[1:-1] for part in path.split("/") if part.startswith("{")})
                    names = [(each["name"], each["in"]) for each in operation["parameters"]]
                    self.assertEqual(len(names), len(set(names)))

    def test_kinds_are_marked(self) -> None:
        found = openapi_v3("1.0")["components"]["schemas"]
        for kind in ("ClusterGateway", "ClusterGatewayList", "VirtualCluster", "VirtualClusterList"):
            self.assertEqual(
                found[name_of(kind)]["x-kubernetes-group-version-kind"],
                [{"group": "cluster.core.oam.dev", "version": "v1alpha1", "kind": kind}],
            )

    def test_references_with_descriptions(self) -> None:
        two = openapi_v2("1.0")["definitions"][name_of("ClusterGateway")]["properties"]["spec"]
        three = openapi_v3("1.0")["components"]["schemas"][name_of("ClusterGateway")]["properties"]["spec"]
        self.assertEqual(set(two), {"description", "$ref"})
        self.assertEqual(set(three), {"description", "allOf"})

    def test_everything_is_described(self) -> None:
        for name, schema in schemas().items():
            self.assertTrue(schema["description"], name)
            for field, described in schema["properties"].items():
                self.assertTrue(described["description"], f"{name}.{field}")

    def test_what_is_answered_is_in_the_schemas(self) -> None:
        for kind in KINDS:
            self.check(kind.show(FULL, 1), kind.kind)
            for make in kind.fixed:
                self.check(make(1), kind.kind)

    def check(self, value: dict[str, Any], kind: str) -> None:
        schema = schemas()[kind]
        self.assertEqual(set(schema.get("required", ())) - set(value), set(), kind)
        for name, member in value.items():
            described = schema["properties"][name]
            if "$ref" in described:
                self.check(member, described["$ref"])
            elif member is not None:
                expected = {"string": str, "boolean": bool, "object": dict}[described["type"]]
                self.assertIsInstance(member, expected, f"{kind}.{name}")

    def test_index(self) -> None:
        self.assertEqual(
            openapi_v3_index("ABC"),
            {
                "paths": {
                    "apis/cluster.core.oam.dev/v1alpha1": {
                        "serverRelativeURL": "/openapi/v3/apis/cluster.core.oam.dev/v1alpha1?hash=ABC"
                    }
                }
            },
        )

    def test_can_be_encoded(self) -> None:
        self.assertTrue(json.dumps([openapi_v2("1.0"), openapi_v3("1.0")]))
