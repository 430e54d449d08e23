"""Contracts: the four kinds of patch."""

from __future__ import annotations

from .world import ContractTestCase, Object, Reply

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


class Patching(ContractTestCase):
    async def patch(
        self, name: str, patch: object, media_type: str, query: str = "", resource: str = "configmaps"
    ) -> Reply:
        return await self.api.call("PATCH", f"{self.here}/{resource}/{name}{query}", patch, media_type)

    async def test_merge(self) -> None:
        await self.make_config_map("a", k="v", gone="1")
        reply = await self.patch("a", {"data": {"gone": None, "new": "2"}}, MERGE)
        self.assertEqual((reply.code, reply.json()["data"]), (200, {"k": "v", "new": "2"}))

    async def test_merge_with_old_version(self) -> None:
        await self.make_config_map("a")
        reply = await self.patch("a", {"metadata": {"resourceVersion": "1"}}, MERGE)
        self.assertEqual((reply.code, reply.json()["reason"]), (409, "Conflict"))

    async def test_rename(self) -> None:
        await self.make_config_map("a")
        reply = await self.patch("a", {"metadata": {"name": "b"}}, MERGE)
        message = "the name of the object (b) does not match the name on the URL (a)"
        self.assertStatus(reply, 400, "BadRequest", message)

    async def test_missing(self) -> None:
        reply = await self.patch("a", {}, MERGE)
        details = {"name": "a", "kind": "configmaps"}
        self.assertStatus(reply, 404, "NotFound", 'configmaps "a" not found', details)

    async def test_json_patch(self) -> None:
        await self.make_config_map("a", k="v", b="1")
        operations = [
            {"op": "test", "path": "/data/k", "value": "v"},
            {"op": "replace", "path": "/data/k", "value": "w"},
            {"op": "add", "path": "/data/a~1b", "value": "x"},
            {"op": "move", "from": "/data/b", "path": "/data/c"},
            {"op": "copy", "from": "/data/c", "path": "/data/d"},
            {"op": "remove", "path": "/data/c"},
        ]
        operations[2]["path"] = "/data/new.key"
        reply = await self.patch("a", operations, JSON)
        self.assertEqual(reply.json()["data"], {"k": "w", "new.key": "x", "d": "1"})

    async def test_json_patch_that_fails(self) -> None:
        await self.make_config_map("a", k="v")
        message = "the server rejected our request due to an error in our request"
        for operation in (
            {"op": "test", "path": "/data/k", "value": "other"},
            {"op": "remove", "path": "/data/missing"},
            {"op": "replace", "path": "/missing/missing", "value": "x"},
        ):
            reply = await self.patch("a", [operation], JSON)
            self.assertStatus(reply, 422, "Invalid", message, {})

    async def test_json_patch_replaces_what_is_missing(self) -> None:
        """Against RFC 6902."""
        await self.make_config_map("a", k="v")
        reply = await self.patch("a", [{"op": "replace", "path": "/data/missing", "value": "x"}], JSON)
        self.assertEqual(reply.json()["data"], {"k": "v", "missing": "x"})

    async def test_no_json_patch(self) -> None:
        await self.make_config_map("a")
        reply = await self.patch("a", {"a": 1}, JSON)
        why = "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"
        self.assertStatus(reply, 400, "BadRequest", f"error decoding patch: {why}")

    async def test_strategic_merge(self) -> None:
        """Lists are merged by their keys, and directives followed."""
        containers: list[Object] = [
            {"name": "a", "image": "x"},
            {"name": "b", "image": "y", "env": [{"name": "K", "value": "1"}]},
        ]
        await self.make_deployment(containers)
        change = [{"name": "b", "env": [{"name": "L", "value": "2"}]}, {"name": "a", "$patch": "delete"}]
        spec = {"template": {"spec": {"containers": change}}, "strategy": {"$retainKeys": ["type"], "type": "Recreate"}}
        reply = await self.patch_deployment({"spec": spec}, STRATEGIC)
        found = reply.json()["spec"]
        self.assertEqual([one["name"] for one in found["template"]["spec"]["containers"]], ["b"])
        container = found["template"]["spec"]["containers"][0]
        env = {one["name"]: one["value"] for one in container["env"]}
        self.assertEqual((container["image"], env), ("y", {"K": "1", "L": "2"}))
        self.assertEqual(found["strategy"], {"type": "Recreate"})

    async def make_deployment(self, containers: list[Object]) -> None:
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": containers}}
        body = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
        made = await self.api.call("POST", f"/apis/apps/v1/namespaces/{self.namespace}/deployments", body)
        self.assertEqual(made.code, 201, made.body)

    async def patch_deployment(self, patch: Object, media_type: str) -> Reply:
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/d"
        return await self.api.call("PATCH", path, patch, media_type)

    async def test_media_type(self) -> None:
        await self.make_config_map("a")
        reply = await self.patch("a", {}, "application/json")
        self.assertStatus(reply, 415, "UnsupportedMediaType", "415: Unsupported Media Type", {})

    async def test_dry_run(self) -> None:
        await self.make_config_map("a", k="v")
        reply = await self.patch("a", {"data": {"k": "w"}}, MERGE, "?dryRun=All")
        self.assertEqual(reply.json()["data"], {"k": "w"})
        self.assertEqual((await self.api.call("GET", f"{self.here}/configmaps/a")).json()["data"], {"k": "v"})


class Applying(ContractTestCase):
    async def apply(self, manager: str, data: Object, query: str = "") -> Reply:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data}
        path = f"{self.here}/configmaps/a?fieldManager={manager}{query}"
        return await self.api.call("PATCH", path, body, APPLY)

    async def test_creates(self) -> None:
        reply = await self.apply("one", {"k": "v"})
        self.assertEqual((reply.code, reply.json()["data"]), (201, {"k": "v"}))
        entry = reply.json()["metadata"]["managedFields"][0]
        self.assertEqual((entry["manager"], entry["operation"]), ("one", "Apply"))
        self.assertEqual(entry["fieldsV1"], {"f:data": {"f:k": {}}})

    async def test_same_again(self) -> None:
        first = await self.apply("one", {"k": "v"})
        again = await self.apply("one", {"k": "v"})
        self.assertEqual(again.code, 200)
        self.assertEqual(again.json()["metadata"]["resourceVersion"], first.json()["metadata"]["resourceVersion"])

    async def test_conflict(self) -> None:
        await self.apply("one", {"k": "v"})
        reply = await self.apply("two", {"k": "w"})
        cause = {"reason": "FieldManagerConflict", "message": 'conflict with "one"', "field": ".data.k"}
        message = 'Apply failed with 1 conflict: conflict with "one": .data.k'
        self.assertStatus(reply, 409, "Conflict", message, {"causes": [cause]})

    async def test_conflict_with_update(self) -> None:
        await self.make_config_map("a", k="v", l="v")
        reply = await self.apply("two", {"k": "w", "l": "w"})
        said = 'conflict with "contract-test" using v1'
        causes = [{"reason": "FieldManagerConflict", "message": said, "field": f".data.{key}"} for key in "kl"]
        message = 'Apply failed with 2 conflicts: conflicts with "contract-test" using v1:\n- .data.k\n- .data.l'
        self.assertStatus(reply, 409, "Conflict", message, {"causes": causes})

    async def test_force(self) -> None:
        await self.apply("one", {"k": "v", "other": "1"})
        reply = await self.apply("two", {"k": "w"}, "&force=true")
        self.assertEqual(reply.json()["data"], {"k": "w", "other": "1"})
        owned = {entry["manager"]: entry["fieldsV1"] for entry in reply.json()["metadata"]["managedFields"]}
        self.assertEqual(owned, {"one": {"f:data": {"f:other": {}}}, "two": {"f:data": {"f:k": {}}}})

    async def test_left_out_is_removed(self) -> None:
        await self.apply("one", {"k": "v", "gone": "1"})
        reply = await self.apply("one", {"k": "v"})
        self.assertEqual(reply.json()["data"], {"k": "v"})

    async def test_shared_stays(self) -> None:
        """What two agree on belongs to both, and stays when one lets go of it."""
        await self.apply("one", {"k": "v", "l": "1"})
        await self.apply("two", {"k": "v"})
        reply = await self.apply("one", {"l": "1"})
        self.assertEqual(reply.json()["data"], {"k": "v", "l": "1"})

    async def test_list_by_key(self) -> None:
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/d"

        def body(*containers: Object) -> Object:
            template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": list(containers)}}
            spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
            return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}

        one = {"name": "c", "image": "x", "ports": [{"containerPort": 80}]}
        made = await self.api.call("PATCH", f"{path}?fieldManager=one", body(one), APPLY)
        self.assertEqual(made.code, 201, made.body)
        two = {"name": "side", "image": "y"}
        both = await self.api.call("PATCH", f"{path}?fieldManager=two", body(two), APPLY)
        found = both.json()["spec"]["template"]["spec"]["containers"]
        self.assertEqual([container["name"] for container in found], ["c", "side"])
        clash = await self.api.call("PATCH", f"{path}?fieldManager=two", body({"name": "c", "image": "z"}), APPLY)
        field = '.spec.template.spec.containers[name="c"].image'
        self.assertEqual(clash.json()["message"], f'Apply failed with 1 conflict: conflict with "one": {field}')

    async def test_needs_a_manager(self) -> None:
        reply = await self.api.call("PATCH", f"{self.here}/configmaps/a", {}, APPLY)
        why = "Required value: is required for apply patch"
        causes = [{"reason": "FieldValueRequired", "message": why, "field": "fieldManager"}]
        details = {"group": "meta.k8s.io", "kind": "PatchOptions", "causes": causes}
        message = f'PatchOptions.meta.k8s.io "" is invalid: fieldManager: {why}'
        self.assertStatus(reply, 422, "Invalid", message, details)

    async def test_ordinary_writes_own(self) -> None:
        made = await self.make_config_map("a", {"x": "1"}, k="v")
        (entry,) = made["metadata"]["managedFields"]
        self.assertEqual((entry["manager"], entry["operation"]), ("contract-test", "Update"))
        labels: Object = {"f:labels": {".": {}, "f:x": {}}}
        self.assertEqual(entry["fieldsV1"], {"f:data": {".": {}, "f:k": {}}, "f:metadata": labels})
