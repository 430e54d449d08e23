"""Discovery over HTTP: both dialects, ETags, and what the aggregator does with them."""

from __future__ import annotations

import yaml
from twisted.trial.unittest import SynchronousTestCase

from .world import GROUP, World

V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
V2BETA1 = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
KUBECTL = f"{V2};profile=nopeer,{V2},{V2BETA1},application/json"


class DiscoveryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()

    def test_documents(self) -> None:
        for path, kind in [
            ("/api", "APIVersions"),
            ("/api/", "APIVersions"),
            ("/apis", "APIGroupList"),
            ("/apis/", "APIGroupList"),
            ("/apis/cluster.core.oam.dev", "APIGroup"),
            (GROUP, "APIResourceList"),
            (f"{GROUP}/", "APIResourceList"),
        ]:
            answer = self.world.get(path, "application/json")
            self.assertEqual((answer.code, answer.json["kind"]), (200, kind), path)
            self.assertEqual(answer.headers["content-type"], "application/json")

    def test_aggregated(self) -> None:
        for path in ("/api", "/apis"):
            for accept, content_type in [(KUBECTL, V2), (f"{V2BETA1},application/json", V2BETA1)]:
                answer = self.world.get(path, accept)
                self.assertEqual(answer.headers["content-type"], content_type)
                self.assertEqual(answer.json["kind"], "APIGroupDiscoveryList")
                self.assertEqual(answer.headers["vary"], "Accept")

    def test_not_aggregated_below(self) -> None:
        self.assertEqual(self.world.get(GROUP, KUBECTL).json["kind"], "APIResourceList")
        self.assertEqual(self.world.get(GROUP, V2).code, 406)

    def test_etags(self) -> None:
        etag = self.world.get("/apis", V2).headers["etag"]
        plain = self.world.get("/apis").headers["etag"]
        self.assertNotEqual(etag, plain)
        for known, code in [
            (etag, 304),
            (f"W/{etag}", 304),
            (f'"x", {etag}', 304),
            ("*", 304),
            ('"x"', 200),
            (plain, 200),
        ]:
            answer = self.world.open("/apis", ("Accept", V2), ("If-None-Match", known)).answer
            self.assertEqual((answer.code, answer.headers["etag"]), (code, etag), known)
            self.assertEqual(answer.complete, True)
            self.assertEqual(answer.body == b"", code == 304)

    def test_yaml_and_pretty(self) -> None:
        plain = self.world.get("/apis").json
        answer = self.world.get("/apis", "application/yaml")
        self.assertEqual((answer.headers["content-type"], yaml.safe_load(answer.body)), ("application/yaml", plain))
        pretty = self.world.get("/apis?pretty=1")
        self.assertIn(b"\n", pretty.body)
        self.assertEqual(pretty.json, plain)

    def test_head(self) -> None:
        answer = self.world.get("/apis", method="HEAD")
        self.assertEqual(answer.headers["content-length"], str(len(self.world.get("/apis").body)))

    def test_version(self) -> None:
        self.assertEqual(self.world.get("/version").json["gitVersion"], "v1.2.3")

    def test_paths(self) -> None:
        for path in self.world.get("/").json["paths"]:
            self.assertEqual(self.world.get(path).code, 200, path)


class OpenAPITests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()

    def test_version_2(self) -> None:
        answer = self.world.get("/openapi/v2", "application/json")
        self.assertEqual((answer.code, answer.json["swagger"]), (200, "2.0"))

    def test_version_2_as_protobuf(self) -> None:
        names = ("com.github.proto-openapi.spec.v2.v1.0+protobuf", "com.github.proto-openapi.spec.v2@v1.0+protobuf")
        for name in names:
            answer = self.world.get("/openapi/v2?pretty=1", f"application/{name}")
            self.assertEqual((answer.code, answer.headers["content-type"]), (200, f"application/{names[0]}"))
            self.assertTrue(answer.body.startswith(b"\x0a\x032.0"))
        json = self.world.get("/openapi/v2")
        self.assertNotEqual(json.headers["etag"], answer.headers["etag"])
        self.assertEqual(self.world.get("/openapi/v3", f"application/{names[0]}").code, 406)

    def test_pretty_is_for_json(self) -> None:
        self.assertEqual(self.world.get("/openapi/v2?pretty=1", "application/yaml").code, 200)

    def test_version_3_by_its_index(self) -> None:
        index = self.world.get("/openapi/v3").json["paths"]
        url = index["apis/cluster.core.oam.dev/v1alpha1"]["serverRelativeURL"]
        answer = self.world.get(url)
        self.assertEqual((answer.code, answer.json["openapi"]), (200, "3.0.0"))
        self.assertIn("immutable", answer.headers["cache-control"])
        self.assertIn(answer.headers["etag"].strip('"'), url)

    def test_another_hash_is_not_immutable(self) -> None:
        answer = self.world.get("/openapi/v3/apis/cluster.core.oam.dev/v1alpha1?hash=OLD")
        self.assertEqual((answer.code, answer.headers["cache-control"]), (200, "no-cache, private"))

    def test_etags(self) -> None:
        for path in ("/openapi/v2", "/openapi/v3", "/openapi/v3/apis/cluster.core.oam.dev/v1alpha1"):
            etag = self.world.get(path).headers["etag"]
            self.assertEqual(self.world.open(path, ("If-None-Match", etag)).answer.code, 304)
