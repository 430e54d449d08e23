"""Contracts: lists, their selectors, pages and forms."""

from __future__ import annotations

import json

from .world import PARTIAL, PARTIAL_LIST, TABLE, ContractTestCase, names


class Listing(ContractTestCase):
    async def setUp(self) -> None:  # type: ignore[override]
        await super().setUp()
        for number in "12345":
            await self.make_config_map(f"l{number}", {"n": number, "odd": str(int(number) % 2)})
        self.list = f"{self.here}/configmaps"
        self.mine = "labelSelector=n"

    async def test_list(self) -> None:
        reply = (await self.api.call("GET", f"{self.list}?{self.mine}")).json()
        self.assertEqual((reply["kind"], reply["apiVersion"]), ("ConfigMapList", "v1"))
        self.assertEqual(list(reply["metadata"]), ["resourceVersion"])
        self.assertEqual(names(reply["items"]), ["l1", "l2", "l3", "l4", "l5"])
        self.assertNotIn("kind", reply["items"][0])

    async def test_label_selectors(self) -> None:
        for selector, wanted in (
            ("n=1", ["l1"]),
            ("n==1", ["l1"]),
            ("n,n!=1", ["l2", "l3", "l4", "l5"]),
            ("n+in+(1,3)", ["l1", "l3"]),
            ("n+notin+(1,3),odd=1,n", ["l5"]),
            ("odd,!absent", ["l1", "l2", "l3", "l4", "l5"]),
            ("n>3", ["l4", "l5"]),
        ):
            reply = await self.api.call("GET", f"{self.list}?labelSelector={selector}")
            self.assertEqual(names(reply.json()["items"]), wanted, selector)

    async def test_bad_label_selector(self) -> None:
        reply = await self.api.call("GET", f"{self.list}?labelSelector=!!")
        message = "unable to parse requirement: found '!', expected: identifier"
        self.assertStatus(reply, 400, "BadRequest", message)

    async def test_field_selectors(self) -> None:
        reply = await self.api.call("GET", f"{self.list}?fieldSelector=metadata.name=l2")
        self.assertEqual(names(reply.json()["items"]), ["l2"])
        reply = await self.api.call("GET", f"{self.list}?fieldSelector=metadata.name!=l2&{self.mine}")
        self.assertEqual(names(reply.json()["items"]), ["l1", "l3", "l4", "l5"])

    async def test_bad_field_selector(self) -> None:
        reply = await self.api.call("GET", f"{self.list}?fieldSelector=foo=x")
        message = '"foo" is not a known field selector: only "metadata.name", "metadata.namespace"'
        self.assertStatus(reply, 400, "BadRequest", message)

    async def test_pages(self) -> None:
        first = (
            await self.api.call("GET", f"{self.list}?limit=2&fieldSelector=metadata.name!=kube-root-ca.crt")
        ).json()
        self.assertEqual(names(first["items"]), ["l1", "l2"])
        token = first["metadata"]["continue"]
        await self.make_config_map("l20", {"n": "20"})
        query = f"limit=2&fieldSelector=metadata.name!=kube-root-ca.crt&continue={token}"
        second = (await self.api.call("GET", f"{self.list}?{query}")).json()
        self.assertEqual(names(second["items"]), ["l3", "l4"])
        self.assertEqual(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"])
        query = f"limit=9&fieldSelector=metadata.name!=kube-root-ca.crt&continue={second['metadata']['continue']}"
        third = (await self.api.call("GET", f"{self.list}?{query}")).json()
        self.assertEqual((names(third["items"]), "continue" in third["metadata"]), (["l5"], False))

    async def test_remaining(self) -> None:
        """How much is left is said where no selector makes it a guess."""
        plain = (await self.api.call("GET", f"{self.list}?limit=2")).json()
        self.assertEqual(plain["metadata"]["remainingItemCount"], 3)
        selected = (await self.api.call("GET", f"{self.list}?limit=2&{self.mine}")).json()
        self.assertNotIn("remainingItemCount", selected["metadata"])

    async def test_bad_continue(self) -> None:
        reply = await self.api.call("GET", f"{self.list}?limit=2&continue=abc")
        self.assertEqual((reply.code, reply.json()["reason"]), (400, "BadRequest"))
        self.assertIn("continue key is not valid", reply.json()["message"])

    async def test_exact_version(self) -> None:
        version = (await self.api.call("GET", self.list)).json()["metadata"]["resourceVersion"]
        await self.make_config_map("later", {"n": "9"})
        await self.api.call("DELETE", f"{self.list}/l1")
        query = f"resourceVersion={version}&resourceVersionMatch=Exact&{self.mine}"
        then = (await self.api.call("GET", f"{self.list}?{query}")).json()
        self.assertEqual(names(then["items"]), ["l1", "l2", "l3", "l4", "l5"])
        self.assertEqual(then["metadata"]["resourceVersion"], version)

    async def test_future_version(self) -> None:
        for path in (self.list, f"{self.list}/l1"):
            reply = await self.api.call("GET", f"{path}?resourceVersion=99999999")
            self.assertEqual((reply.code, reply.json()["reason"]), (504, "Timeout"))
            self.assertRegex(reply.json()["message"], r"^Timeout: Too large resource version: 99999999, current: \d+$")
            cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            self.assertEqual(reply.json()["details"], {"causes": [cause], "retryAfterSeconds": 1})

    async def test_bad_parameters(self) -> None:
        parse = 'strconv.ParseUint: parsing "abc": invalid syntax'
        for query, message in (
            ("limit=abc", 'strconv.ParseInt: parsing "abc": invalid syntax'),
            ("resourceVersion=abc", f'invalid resource version: resourceVersion: Invalid value: "abc": {parse}'),
        ):
            self.assertStatus(await self.api.call("GET", f"{self.list}?{query}"), 400, "BadRequest", message)
        reply = await self.api.call("GET", f"{self.list}?resourceVersion=1&resourceVersionMatch=Some")
        why = 'Unsupported value: "Some": supported values: "Exact", "NotOlderThan", ""'
        message = f'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: {why}'
        causes = [{"reason": "FieldValueNotSupported", "message": why, "field": "resourceVersionMatch"}]
        details = {"group": "meta.k8s.io", "kind": "ListOptions", "causes": causes}
        self.assertStatus(reply, 422, "Invalid", message, details)


class Forms(ContractTestCase):
    async def test_table(self) -> None:
        await self.make_config_map("a", {"n": "1"}, k="v", l="w")
        reply = (await self.api.call("GET", f"{self.here}/configmaps?labelSelector=n", Accept=TABLE)).json()
        self.assertEqual((reply["kind"], reply["apiVersion"]), ("Table", "meta.k8s.io/v1"))
        columns = [(c["name"], c["type"], c["format"], c["priority"]) for c in reply["columnDefinitions"]]
        self.assertEqual(columns, [("Name", "string", "name", 0), ("Data", "string", "", 0), ("Age", "string", "", 0)])
        (row,) = reply["rows"]
        self.assertEqual(row["cells"][:2], ["a", 2])
        self.assertRegex(row["cells"][2], r"^\d+s$")
        self.assertEqual((row["object"]["kind"], "data" in row["object"]), ("PartialObjectMetadata", False))

    async def test_table_of_one(self) -> None:
        made = await self.make_config_map("a")
        reply = (await self.api.call("GET", f"{self.here}/configmaps/a?includeObject=None", Accept=TABLE)).json()
        self.assertEqual(reply["metadata"], {"resourceVersion": made["metadata"]["resourceVersion"]})
        self.assertEqual([row["object"] for row in reply["rows"]], [None])

    async def test_columns(self) -> None:
        """The columns that C{kubectl get -o wide} prints."""
        apps = f"/apis/apps/v1/namespaces/{self.namespace}"
        batch = f"/apis/batch/v1/namespaces/{self.namespace}"
        rbac = "/apis/rbac.authorization.k8s.io/v1"
        for path, wanted in (
            (f"{self.here}/pods", "Name,Ready,Status,Restarts,Age,IP,Node,Nominated Node,Readiness Gates"),
            ("/api/v1/namespaces", "Name,Status,Age"),
            (f"{self.here}/secrets", "Name,Type,Data,Age"),
            (f"{self.here}/serviceaccounts", "Name,Age"),
            (f"{self.here}/services", "Name,Type,Cluster-IP,External-IP,Port(s),Age,Selector"),
            (f"{self.here}/endpoints", "Name,Endpoints,Age"),
            (
                "/api/v1/nodes",
                "Name,Status,Roles,Age,Version,Internal-IP,External-IP,OS-Image,Kernel-Version,Container-Runtime",
            ),
            (f"{apps}/deployments", "Name,Ready,Up-to-date,Available,Age,Containers,Images,Selector"),
            (f"{apps}/replicasets", "Name,Desired,Current,Ready,Age,Containers,Images,Selector"),
            (f"{batch}/jobs", "Name,Status,Completions,Duration,Age,Containers,Images,Selector"),
            (f"{rbac}/clusterroles", "Name,Created At"),
            (f"{rbac}/clusterrolebindings", "Name,Role,Age,Users,Groups,ServiceAccounts"),
            ("/apis/apiregistration.k8s.io/v1/apiservices", "Name,Service,Available,Age"),
            ("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", "Name,Created At"),
            (f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases", "Name,Holder,Age"),
        ):
            reply = (await self.api.call("GET", path, Accept=TABLE)).json()
            self.assertEqual(",".join(column["name"] for column in reply["columnDefinitions"]), wanted, path)

    async def test_pod_row(self) -> None:
        body = {"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "x"}]}}
        await self.api.call("POST", f"{self.here}/pods", body)
        reply = (await self.api.call("GET", f"{self.here}/pods/p", Accept=TABLE)).json()
        cells = reply["rows"][0]["cells"]
        self.assertEqual(cells[:4] + cells[5:], ["p", "0/1", "Pending", "0", *["<none>"] * 4])

    async def test_partial(self) -> None:
        made = await self.make_config_map("a", k="v")
        reply = (await self.api.call("GET", f"{self.here}/configmaps/a", Accept=PARTIAL)).json()
        wanted = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": made["metadata"]}
        self.assertEqual(reply, wanted)
        path = f"{self.here}/configmaps?fieldSelector=metadata.name=a"
        listed = (await self.api.call("GET", path, Accept=PARTIAL_LIST)).json()
        self.assertEqual(listed["kind"], "PartialObjectMetadataList")
        self.assertEqual(listed["items"], [wanted])

    async def test_not_acceptable(self) -> None:
        reply = await self.api.call("GET", f"{self.here}/configmaps", Accept="text/html")
        self.assertEqual((reply.code, reply.json()["reason"]), (406, "NotAcceptable"))
        unknown = "application/json;as=Some;v=v1;g=meta.k8s.io"
        reply = await self.api.call("GET", f"{self.here}/configmaps", Accept=unknown)
        self.assertEqual((reply.code, reply.json()["reason"]), (406, "NotAcceptable"))
        self.assertTrue(reply.json()["message"].startswith("only the following media types are accepted: "))

    async def test_yaml(self) -> None:
        await self.make_config_map("a", k="v")
        reply = await self.api.call("GET", f"{self.here}/configmaps/a", Accept="application/yaml")
        self.assertEqual(reply.header("Content-Type"), "application/yaml")
        self.assertIn(b"kind: ConfigMap\n", reply.body)

    async def test_answers_are_json(self) -> None:
        reply = await self.api.call("GET", f"{self.here}/configmaps")
        self.assertEqual(reply.header("Content-Type"), "application/json")
        self.assertEqual(reply.header("Cache-Control"), "no-cache, private")
        self.assertEqual(json.loads(reply.body)["kind"], "ConfigMapList")


class Paths(ContractTestCase):
    async def test_no_such_path(self) -> None:
        for path in ("/foo", "/apis/foo", "/apis/foo/v1"):
            reply = await self.api.call("GET", path)
            self.assertEqual((reply.code, reply.body), (404, b"404 page not found\n"), path)

    async def test_no_such_resource(self) -> None:
        message = "the server could not find the requested resource"
        for path in ("/api/v7", "/apis/apps/v1/foo", "/api/v1/foo", f"{self.here}/foo", f"{self.here}/pods/x/foo"):
            self.assertStatus(await self.api.call("GET", path), 404, "NotFound", message, {})

    async def test_method(self) -> None:
        message = "the server does not allow this method on the requested resource"
        for method, path in (
            ("PUT", f"{self.here}/configmaps"),
            ("POST", f"{self.here}/configmaps/a"),
            ("FOO", f"{self.here}/configmaps/a"),
            ("PATCH", f"{self.here}/configmaps"),
            ("DELETE", "/api/v1/namespaces"),
        ):
            reply = await self.api.call(method, path, {} if method != "DELETE" else None)
            self.assertStatus(reply, 405, "MethodNotAllowed", message, {})
