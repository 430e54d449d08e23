"""Contracts: CustomResourceDefinitions and what they serve."""

from __future__ import annotations

from twisted.internet import task

from .world import TABLE, ContractTestCase, Object

PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_SCHEMA: Object = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1},
                "colour": {"type": "string", "enum": ["red", "green"], "default": "red"},
                "code": {"type": "string", "pattern": "^[a-z]+$"},
            },
        },
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    },
}


class Customising(ContractTestCase):
    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        self.group = f"{self.namespace}.example.com"
        version: Object = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": _SCHEMA}}
        version["subresources"] = {"status": {}}
        version["additionalPrinterColumns"] = [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}]
        names = {"plural": "widgets", "kind": "Widget", "shortNames": ["wd"], "categories": ["all"]}
        spec = {"group": self.group, "scope": "Namespaced", "names": names, "versions": [version]}
        body = {"metadata": {"name": f"widgets.{self.group}"}, "spec": spec}
        self.made = await self.api.call("POST", PATH, body)
        self.assertEqual(self.made.code, 201, self.made.body)
        self.widgets = f"/apis/{self.group}/v1/namespaces/{self.namespace}/widgets"
        await self.established()

    async def established(self) -> None:
        from twisted.internet import reactor

        for _ in range(100):
            if (await self.api.call("GET", self.widgets)).code == 200:
                return
            await task.deferLater(reactor, 0.1)
        self.fail("the resource is not served")

    async def tearDown(self) -> None:  # type: ignore[override]
        await self.api.call("DELETE", f"{PATH}/widgets.{self.group}")
        await super().tearDown()

    def widget(self, **spec: object) -> Object:
        return {"apiVersion": f"{self.group}/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}

    async def test_names_are_completed(self) -> None:
        names = self.made.json()["spec"]["names"]
        self.assertEqual((names["singular"], names["listKind"]), ("widget", "WidgetList"))
        found = (await self.api.call("GET", f"{PATH}/widgets.{self.group}")).json()
        states = {one["type"]: one["status"] for one in found["status"]["conditions"]}
        self.assertEqual(states, {"NamesAccepted": "True", "Established": "True"})
        self.assertEqual(found["status"]["storedVersions"], ["v1"])

    async def test_discovered(self) -> None:
        reply = (await self.api.call("GET", f"/apis/{self.group}/v1")).json()
        found = {entry["name"]: entry for entry in reply["resources"]}
        self.assertEqual(sorted(found), ["widgets", "widgets/status"])
        self.assertEqual((found["widgets"]["shortNames"], found["widgets"]["kind"]), (["wd"], "Widget"))

    async def test_create(self) -> None:
        """Defaults are filled in, unknown fields dropped, the status left out."""
        body = {**self.widget(size=3, unknown="x"), "status": {"phase": "Done"}}
        made = (await self.api.call("POST", self.widgets, body)).json()
        self.assertEqual(made["spec"], {"size": 3, "colour": "red"})
        self.assertNotIn("status", made)
        self.assertEqual((made["kind"], made["metadata"]["generation"]), ("Widget", 1))

    async def test_list_items_have_a_kind(self) -> None:
        await self.api.call("POST", self.widgets, self.widget(size=3))
        reply = (await self.api.call("GET", self.widgets)).json()
        self.assertEqual((reply["kind"], reply["items"][0]["kind"]), ("WidgetList", "Widget"))

    async def test_invalid(self) -> None:
        for spec, message in (
            ({}, "spec.size: Required value"),
            ({"size": 0}, "spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"),
            (
                {"size": "x"},
                'spec.size: Invalid value: "string": spec.size in body must be of type integer: "string"',
            ),
            (
                {"size": 1, "colour": "blue"},
                'spec.colour: Unsupported value: "blue": supported values: "red", "green"',
            ),
            (
                {"size": 1, "code": "A"},
                "spec.code: Invalid value: \"A\": spec.code in body should match '^[a-z]+$'",
            ),
        ):
            reply = await self.api.call("POST", self.widgets, self.widget(**spec))
            wanted = f'Widget.{self.group} "w" is invalid: {message}'
            self.assertEqual((reply.code, reply.json()["message"]), (422, wanted))

    async def test_strict(self) -> None:
        """Unknown fields are complained of before anything else is."""
        reply = await self.api.call("POST", f"{self.widgets}?fieldValidation=Strict", self.widget(size="x", y=1))
        why = 'strict decoding error: unknown field "spec.y"'
        message = f'Widget in version "v1" cannot be handled as a Widget: {why}'
        self.assertStatus(reply, 400, "BadRequest", message)

    async def test_status(self) -> None:
        made = (await self.api.call("POST", self.widgets, self.widget(size=3))).json()
        made["status"] = {"phase": "Done"}
        made["spec"]["size"] = 9
        reply = (await self.api.call("PUT", f"{self.widgets}/w/status", made)).json()
        self.assertEqual((reply["status"], reply["spec"]["size"]), ({"phase": "Done"}, 3))
        self.assertEqual(reply["metadata"]["generation"], 1)
        patch = {"spec": {"size": 4}, "status": {"phase": "Lost"}}
        reply = (await self.api.call("PATCH", f"{self.widgets}/w", patch, "application/merge-patch+json")).json()
        self.assertEqual((reply["status"], reply["metadata"]["generation"]), ({"phase": "Done"}, 2))

    async def test_update_needs_a_version(self) -> None:
        await self.api.call("POST", self.widgets, self.widget(size=3))
        reply = await self.api.call("PUT", f"{self.widgets}/w", self.widget(size=4))
        why = "metadata.resourceVersion: Invalid value: 0: must be specified for an update"
        self.assertEqual(reply.code, 422)
        self.assertEqual(reply.json()["message"], f'widgets.{self.group} "w" is invalid: {why}')

    async def test_no_strategic_merge(self) -> None:
        await self.api.call("POST", self.widgets, self.widget(size=3))
        reply = await self.api.call("PATCH", f"{self.widgets}/w", {}, "application/strategic-merge-patch+json")
        self.assertEqual(reply.code, 415)

    async def test_columns(self) -> None:
        await self.api.call("POST", self.widgets, self.widget(size=3))
        reply = (await self.api.call("GET", self.widgets, Accept=TABLE)).json()
        self.assertEqual([column["name"] for column in reply["columnDefinitions"]], ["Name", "Size"])
        self.assertEqual(reply["rows"][0]["cells"], ["w", 3])

    async def test_apply(self) -> None:
        path = f"{self.widgets}/w?fieldManager=one"
        made = await self.api.call("PATCH", path, self.widget(size=3), "application/apply-patch+yaml")
        self.assertEqual(made.code, 201)
        self.assertEqual(made.json()["metadata"]["managedFields"][0]["fieldsV1"], {"f:spec": {"f:size": {}}})

    async def test_gone_with_its_definition(self) -> None:
        await self.api.call("POST", self.widgets, self.widget(size=3))
        self.assertEqual((await self.api.call("DELETE", f"{PATH}/widgets.{self.group}")).code, 200)
        from twisted.internet import reactor

        for _ in range(100):
            if (await self.api.call("GET", self.widgets)).code == 404:
                return
            await task.deferLater(reactor, 0.1)
        self.fail("still served")
