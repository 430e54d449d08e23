from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.kinds import Kind, Kinds
from clustergateway.sandbox.openapi import OpenApi
from clustergateway.sandbox.schemas import references
from clustergateway.sandbox.status import ApiError


class OpenApiTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.kinds = Kinds()
        self.openapi = OpenApi(self.kinds)

    def test_references_lead_somewhere(self) -> None:
        document = json.loads(self.openapi.v2())
        wanted = {f"#/definitions/{name}" for name in document["definitions"]}
        self.assertEqual(set(references(document)) - wanted, set())
        for group, version in (("", "v1"), ("apps", "v1"), ("batch", "v1"), ("rbac.authorization.k8s.io", "v1")):
            one = json.loads(self.openapi.v3(group, version))
            there = {f"#/components/schemas/{name}" for name in one["components"]["schemas"]}
            self.assertEqual(set(references(one)) - there, set(), group)

    def test_numbers_or_strings(self) -> None:
        name = "io.k8s.api.core.v1.ServicePort"
        two = json.loads(self.openapi.v2())["definitions"][name]["properties"]["targetPort"]
        self.assertEqual((two["type"], two["format"]), ("string", "int-or-string"))
        three = json.loads(self.openapi.v3("", "v1"))["components"]["schemas"][name]["properties"]["targetPort"]
        self.assertEqual(three["oneOf"], [{"type": "integer"}, {"type": "string"}])

    def test_custom(self) -> None:
        schema = {"type": "object", "properties": {"spec": {"type": "object", "description": "what is wanted"}}}
        self.kinds.replace_custom([Kind("g.io", "v1", "things", "Thing", custom=True, schema=schema)])
        document = json.loads(self.openapi.v3("g.io", "v1"))
        thing: Any = document["components"]["schemas"]["io.g.v1.Thing"]
        self.assertEqual(thing["properties"]["spec"]["description"], "what is wanted")
        self.assertIn("apis/g.io/v1", self.openapi.v3_index()["paths"])

    def test_merged(self) -> None:
        self.openapi.remote_v2 = lambda: [{"paths": {"/x": {}}, "definitions": {"X": {}}}]
        self.openapi.remote_v3 = lambda: {"apis/x/v1": b"{}"}
        document = json.loads(self.openapi.v2())
        self.assertIn("/x", document["paths"])
        self.assertIn("X", document["definitions"])
        self.assertEqual(self.openapi.v3_at("apis/x/v1"), b"{}")
        self.assertIn("apis/x/v1", self.openapi.v3_index()["paths"])

    def test_unknown(self) -> None:
        self.assertEqual(self.assertRaises(ApiError, self.openapi.v3_at, "apis/x/v1").code, 404)
