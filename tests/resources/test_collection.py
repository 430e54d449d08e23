"""List and get: forms, pages, selectors, errors."""

from __future__ import annotations

import yaml
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.identity import Attributes

from .world import GATEWAYS, GROUP, TOKEN, World, gateway

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"


def names(answer: dict[str, list[dict[str, dict[str, str]]]]) -> list[str]:
    return [item["metadata"]["name"] for item in answer["items"]]


class ListTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World(gateway("west", env="dev"), gateway("east", "7", env="prod"), gateway("north", env="dev"))

    def test_list(self) -> None:
        answer = self.world.get(GATEWAYS)
        self.assertEqual((answer.code, answer.headers["content-type"]), (200, "application/json"))
        self.assertEqual(answer.headers["cache-control"], "no-cache, private")
        self.assertEqual(names(answer.json), ["east", "north", "west"])
        self.assertEqual(
            (answer.json["kind"], answer.json["metadata"]), ("ClusterGatewayList", {"resourceVersion": "100"})
        )
        self.assertEqual(answer.json["items"][0]["metadata"]["resourceVersion"], "7")
        self.assertNotIn(TOKEN, answer.body.decode())
        self.assertEqual(
            self.world.asked,
            [Attributes("list", "cluster.core.oam.dev", "v1alpha1", "clustergateways")],
        )

    def test_the_lists_version_grows(self) -> None:
        self.world.directory.put(gateway("south", "250"))
        self.assertEqual(self.world.get(GATEWAYS).json["metadata"]["resourceVersion"], "250")
        self.world.directory.delete("south")
        answer = self.world.get(GATEWAYS)
        self.assertEqual(answer.json["metadata"]["resourceVersion"], "251")
        self.assertEqual(names(answer.json), ["east", "north", "west"])

    def test_selectors(self) -> None:
        for query, expected in [
            ("labelSelector=env%3Ddev", ["north", "west"]),
            ("labelSelector=env+in+(prod)", ["east"]),
            ("labelSelector=!env", []),
            ("fieldSelector=metadata.name%3Dwest", ["west"]),
            ("fieldSelector=metadata.name!%3Dwest&labelSelector=env%3Ddev", ["north"]),
        ]:
            self.assertEqual(names(self.world.get(f"{GATEWAYS}?{query}").json), expected, query)

    def test_pages(self) -> None:
        first = self.world.get(f"{GATEWAYS}?limit=2").json
        self.assertEqual(names(first), ["east", "north"])
        self.assertEqual(first["metadata"]["remainingItemCount"], 1)
        self.world.directory.put(gateway("zzz"))
        token = first["metadata"]["continue"]
        second = self.world.get(f"{GATEWAYS}?limit=2&continue={token}").json
        self.assertEqual((names(second), second["metadata"]), (["west"], {"resourceVersion": "100"}))

    def test_bad_options(self) -> None:
        for query, code, message in [
            ("labelSelector=%3D", 400, "found '=', expected: !, identifier, or 'end of string'"),
            ("fieldSelector=spec.provider%3Dx", 400, '"spec.provider" is not a known field selector'),
            ("continue=x", 400, "continue key is not valid"),
            ("resourceVersion=x", 400, "invalid resource version"),
            ("resourceVersionMatch=Exact", 422, "resourceVersionMatch"),
            ("resourceVersion=50&resourceVersionMatch=Exact", 410, "too old resource version: 50 (100)"),
        ]:
            answer = self.world.get(f"{GATEWAYS}?{query}")
            self.assertEqual((answer.code, answer.json["kind"]), (code, "Status"))
            self.assertIn(message, answer.json["message"])

    def test_table(self) -> None:
        answer = self.world.get(GATEWAYS, TABLE)
        self.assertEqual(answer.json["kind"], "Table")
        self.assertEqual(answer.json["rows"][0]["cells"], ["east", "", "ServiceAccountToken", "Const", "unknown"])
        self.assertEqual(answer.json["rows"][0]["object"]["kind"], "PartialObjectMetadata")
        answer = self.world.get(f"{GATEWAYS}?includeObject=None", TABLE)
        self.assertIs(answer.json["rows"][0]["object"], None)
        self.assertEqual(self.world.get(f"{GATEWAYS}?includeObject=x", TABLE).code, 400)

    def test_metadata_only(self) -> None:
        answer = self.world.get(GATEWAYS, "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")
        self.assertEqual(answer.json["kind"], "PartialObjectMetadataList")
        self.assertEqual(set(answer.json["items"][0]), {"kind", "apiVersion", "metadata"})

    def test_yaml(self) -> None:
        answer = self.world.get(GATEWAYS, "application/yaml")
        self.assertEqual(answer.headers["content-type"], "application/yaml")
        self.assertEqual(yaml.safe_load(answer.body), self.world.get(GATEWAYS).json)

    def test_pretty(self) -> None:
        answer = self.world.get(f"{GATEWAYS}?pretty=true")
        self.assertTrue(answer.body.startswith(b'{\n  "kind": "ClusterGatewayList",\n'))
        self.assertEqual(answer.json, self.world.get(f"{GATEWAYS}?pretty=0").json)

    def test_protobuf_alone_is_not_acceptable(self) -> None:
        answer = self.world.get(GATEWAYS, "application/vnd.kubernetes.protobuf")
        self.assertEqual((answer.code, answer.json["reason"]), (406, "NotAcceptable"))
        self.assertEqual(self.world.get(GATEWAYS, "application/vnd.kubernetes.protobuf,application/json").code, 200)

    def test_head(self) -> None:
        answer = self.world.get(GATEWAYS, method="HEAD")
        length = str(len(self.world.get(GATEWAYS).body))
        self.assertEqual((answer.code, answer.headers["content-length"]), (200, length))

    def test_other_methods(self) -> None:
        for method, verb in [("POST", "create"), ("DELETE", "deletecollection")]:
            answer = self.world.get(GATEWAYS, method=method)
            self.assertEqual((answer.code, answer.headers["allow"]), (405, "GET, HEAD"))
            self.assertEqual(answer.json["reason"], "MethodNotAllowed")
            self.assertEqual(self.world.asked[-1].verb, verb)


class GetTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World(gateway("east", "7"))

    def test_get(self) -> None:
        answer = self.world.get(f"{GATEWAYS}/east")
        self.assertEqual((answer.code, answer.json["metadata"]["name"]), (200, "east"))
        self.assertEqual(self.world.asked[-1].name, "east")

    def test_table(self) -> None:
        answer = self.world.get(f"{GATEWAYS}/east", TABLE)
        self.assertEqual([row["cells"][0] for row in answer.json["rows"]], ["east"])

    def test_not_found(self) -> None:
        answer = self.world.get(f"{GATEWAYS}/west")
        self.assertEqual(answer.code, 404)
        self.assertEqual(answer.json["message"], 'clustergateways.cluster.core.oam.dev "west" not found')
        self.assertEqual(answer.json["reason"], "NotFound")

    def test_an_encoded_slash_makes_no_other_resource(self) -> None:
        self.assertEqual(self.world.get(f"{GATEWAYS}%2Feast").code, 404)
        self.assertEqual(self.world.get(f"{GATEWAYS}/east%2Fhealth").code, 404)

    def test_what_is_not_there(self) -> None:
        for path in ("", "/", "/east/", "/east/status", "/east/proxy", "/east/health/x"):
            answer = self.world.get(f"{GATEWAYS}{path}")
            self.assertEqual(answer.code, 200 if not path else 404, path)

    def test_writing(self) -> None:
        for method in ("PUT", "PATCH", "DELETE"):
            self.assertEqual(self.world.get(f"{GATEWAYS}/east", method=method).code, 405)


class VirtualClusterTests(SynchronousTestCase):
    def test_local_is_always_there(self) -> None:
        world = World()
        answer = world.get(f"{GROUP}/virtualclusters")
        self.assertEqual((answer.json["kind"], names(answer.json)), ("VirtualClusterList", ["local"]))
        self.assertEqual(world.get(f"{GROUP}/virtualclusters/local").json["spec"]["credential-type"], "Internal")

    def test_list_and_selector(self) -> None:
        world = World(gateway("a", env="dev"), gateway("b"))
        world.directory.put(gateway("c", env="dev"))
        self.assertEqual(names(world.get(f"{GROUP}/virtualclusters").json), ["local", "a", "b", "c"])
        selector = "labelSelector=env,cluster.core.oam.dev/control-plane%3Dfalse"
        self.assertEqual(names(world.get(f"{GROUP}/virtualclusters?{selector}").json), ["a", "c"])

    def test_without_the_control_plane(self) -> None:
        world = World(gateway("a"), with_control_plane=False)
        self.assertEqual(names(world.get(f"{GROUP}/virtualclusters").json), ["a"])
        self.assertEqual(world.get(f"{GROUP}/virtualclusters/local").code, 404)

    def test_no_subresources(self) -> None:
        self.assertEqual(World(gateway("a")).get(f"{GROUP}/virtualclusters/a/health").code, 404)
