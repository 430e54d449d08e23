"""Contracts: discovery, OpenAPI, health and version."""

from __future__ import annotations

from .world import ContractTestCase

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_CHECKED = (
    *("configmaps", "events", "namespaces", "namespaces/finalize", "namespaces/status", "nodes", "endpoints"),
    *("pods", "pods/attach", "pods/eviction", "pods/exec", "pods/log", "pods/portforward", "pods/status"),
    *("secrets", "serviceaccounts/token", "services"),
)


class Discovering(ContractTestCase):
    async def test_api(self) -> None:
        reply = (await self.api.call("GET", "/api")).json()
        self.assertEqual((reply["kind"], reply["versions"]), ("APIVersions", ["v1"]))

    async def test_groups(self) -> None:
        reply = (await self.api.call("GET", "/apis")).json()
        self.assertEqual((reply["kind"], reply["apiVersion"]), ("APIGroupList", "v1"))
        apps = next(group for group in reply["groups"] if group["name"] == "apps")
        version = {"groupVersion": "apps/v1", "version": "v1"}
        self.assertEqual(apps, {"name": "apps", "versions": [version], "preferredVersion": version})
        alone = (await self.api.call("GET", "/apis/apps")).json()
        self.assertEqual(alone, {"kind": "APIGroup", "apiVersion": "v1", **apps})

    async def test_resources(self) -> None:
        reply = (await self.api.call("GET", "/api/v1")).json()
        self.assertEqual((reply["kind"], reply["groupVersion"]), ("APIResourceList", "v1"))
        found = {entry["name"]: entry for entry in reply["resources"]}
        for name in _CHECKED:
            self.assertIn(name, found)
        pods = {key: value for key, value in found["pods"].items() if key != "storageVersionHash"}
        verbs = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
        wanted = {"name": "pods", "singularName": "pod", "namespaced": True, "kind": "Pod", "verbs": verbs}
        self.assertEqual(pods, wanted | {"shortNames": ["po"], "categories": ["all"]})
        streams = {"name": "pods/exec", "singularName": "", "namespaced": True, "kind": "PodExecOptions"}
        self.assertEqual(found["pods/exec"], streams | {"verbs": ["create", "get"]})
        self.assertEqual(found["pods/eviction"]["group"], "policy")

    async def test_resources_of_a_group(self) -> None:
        reply = (await self.api.call("GET", "/apis/apps/v1")).json()
        self.assertEqual((reply["apiVersion"], reply["groupVersion"]), ("v1", "apps/v1"))
        scale = next(entry for entry in reply["resources"] if entry["name"] == "deployments/scale")
        self.assertEqual((scale["group"], scale["version"], scale["kind"]), ("autoscaling", "v1", "Scale"))

    async def test_aggregated(self) -> None:
        reply = await self.api.call("GET", "/apis", Accept=AGGREGATED)
        self.assertEqual(reply.header("Content-Type"), AGGREGATED)
        self.assertEqual(reply.json()["kind"], "APIGroupDiscoveryList")
        self.assertEqual(reply.json()["apiVersion"], "apidiscovery.k8s.io/v2")
        apps = next(item for item in reply.json()["items"] if item["metadata"]["name"] == "apps")
        resources = {entry["resource"]: entry for entry in apps["versions"][0]["resources"]}
        deployments = resources["deployments"]
        self.assertEqual((deployments["scope"], deployments["singularResource"]), ("Namespaced", "deployment"))
        self.assertEqual(deployments["responseKind"], {"group": "", "version": "", "kind": "Deployment"})
        self.assertEqual([sub["subresource"] for sub in deployments["subresources"]], ["scale", "status"])
        self.assertEqual(apps["versions"][0]["freshness"], "Current")

    async def test_aggregated_core(self) -> None:
        reply = await self.api.call("GET", "/api", Accept=AGGREGATED)
        (core,) = reply.json()["items"]
        self.assertEqual([version["version"] for version in core["versions"]], ["v1"])

    async def test_unchanged(self) -> None:
        for path, accept in (("/apis", AGGREGATED), ("/openapi/v2", "application/json")):
            first = await self.api.call("GET", path, Accept=accept)
            tag = first.header("ETag")
            self.assertRegex(tag, '^"[0-9A-F]{128}"$')
            again = await self.api.call("GET", path, Accept=accept, If_None_Match=tag)
            self.assertEqual((again.code, again.body), (304, b""), path)

    async def test_openapi_v2(self) -> None:
        document = (await self.api.call("GET", "/openapi/v2", Accept="application/json")).json()
        self.assertEqual(document["swagger"], "2.0")
        pod = document["definitions"]["io.k8s.api.core.v1.Pod"]
        identity = {"group": "", "kind": "Pod", "version": "v1"}
        self.assertEqual(pod["x-kubernetes-group-version-kind"], [identity])
        spec = document["definitions"]["io.k8s.api.core.v1.PodSpec"]
        self.assertEqual(spec["required"], ["containers"])
        containers = spec["properties"]["containers"]
        self.assertEqual(containers["x-kubernetes-patch-merge-key"], "name")
        self.assertEqual(containers["x-kubernetes-patch-strategy"], "merge")

    async def test_openapi_v3(self) -> None:
        index = (await self.api.call("GET", "/openapi/v3")).json()["paths"]
        self.assertIn("api/v1", index)
        where = index["apis/apps/v1"]["serverRelativeURL"]
        self.assertRegex(where, "^/openapi/v3/apis/apps/v1[?]hash=[0-9A-F]{128}$")
        document = (await self.api.call("GET", where)).json()
        self.assertTrue(document["openapi"].startswith("3.0"))
        self.assertIn("io.k8s.api.apps.v1.Deployment", document["components"]["schemas"])
        item = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]
        parameters = [parameter["name"] for parameter in item["patch"]["parameters"]]
        self.assertIn("fieldValidation", parameters)
        identity = {"group": "apps", "kind": "Deployment", "version": "v1"}
        self.assertEqual(item["patch"]["x-kubernetes-group-version-kind"], identity)

    async def test_version(self) -> None:
        reply = (await self.api.call("GET", "/version")).json()
        self.assertEqual(reply["major"], "1")
        self.assertTrue(reply["gitVersion"].startswith("v1."))

    async def test_health(self) -> None:
        for path in ("/healthz", "/livez", "/readyz", "/readyz/ping"):
            reply = await self.api.call("GET", path)
            self.assertEqual((reply.code, reply.body), (200, b"ok"), path)
        verbose = await self.api.call("GET", "/readyz?verbose")
        self.assertTrue(verbose.body.startswith(b"[+]ping ok\n"))
        self.assertIn(b"readyz check passed", verbose.body)
