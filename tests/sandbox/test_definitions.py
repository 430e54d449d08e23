from __future__ import annotations

from clustergateway.sandbox.definitions import served
from clustergateway.sandbox.objects import Object

from .serving import ServerTestCase

_PATH = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def definition(*versions: str, storage: str = "v1", **more: Object) -> Object:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    listed: list[Object] = [
        {"name": name, "served": True, "storage": name == storage, "schema": schema, **more} for name in versions
    ]
    names = {"plural": "things", "kind": "Thing", "singular": "thing"}
    spec = {"group": "g.io", "scope": "Cluster", "names": names, "versions": listed}
    return {"metadata": {"name": "things.g.io"}, "spec": spec}


class DefinitionsTests(ServerTestCase):
    def test_served_at_once(self) -> None:
        self.assertEqual(self.call("GET", "/apis/g.io/v1/things")[0], 404)
        self.make(_PATH, definition("v1"))
        self.assertEqual(self.get("/apis/g.io/v1/things")["kind"], "ThingList")
        self.assertIn("/apis/g.io/v1/things", self.get("/openapi/v2")["paths"])
        self.assertIn("apis/g.io/v1", self.get_index())

    def get_index(self) -> Object:
        import json

        found: Object = json.loads(self.call("GET", "/openapi/v3")[1])["paths"]
        return found

    def test_order_of_versions(self) -> None:
        kinds = served(definition("v1alpha1", "v1", "v2beta1", "other", "v2", "v2beta2"))
        self.assertEqual([kind.version for kind in kinds], ["v2", "v1", "v2beta2", "v2beta1", "v1alpha1", "other"])

    def test_versions_are_one_resource(self) -> None:
        self.make(_PATH, definition("v1", "v2"))
        self.make("/apis/g.io/v1/things", {"apiVersion": "g.io/v1", "kind": "Thing", "metadata": {"name": "a"}, "x": 1})
        found = self.get("/apis/g.io/v2/things/a")
        self.assertEqual((found["apiVersion"], found["x"]), ("g.io/v2", 1))

    def test_scale(self) -> None:
        scale = {"scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"}}
        self.make(_PATH, definition("v1", subresources=scale))
        body = {"apiVersion": "g.io/v1", "kind": "Thing", "metadata": {"name": "a"}, "spec": {"size": 2}}
        self.make("/apis/g.io/v1/things", body)
        found = self.get("/apis/g.io/v1/things/a/scale")
        self.assertEqual((found["spec"], found["status"]), ({"replicas": 2}, {"replicas": 0}))
        found["spec"]["replicas"] = 5
        self.call("PUT", "/apis/g.io/v1/things/a/scale", found)
        self.assertEqual(self.get("/apis/g.io/v1/things/a")["spec"], {"size": 5})

    def test_refused(self) -> None:
        bad = definition("v1")
        bad["metadata"]["name"] = "other"
        code, status = self.call("POST", _PATH, bad)
        self.assertEqual((code, status["details"]["causes"][0]["field"]), (422, "metadata.name"))
        self.assertEqual(self.call("POST", _PATH, definition("v1", storage="v2"))[0], 422)

    def test_deleted(self) -> None:
        self.make(_PATH, definition("v1"))
        self.make("/apis/g.io/v1/things", {"apiVersion": "g.io/v1", "kind": "Thing", "metadata": {"name": "a"}})
        self.call("DELETE", f"{_PATH}/things.g.io")
        self.assertEqual(self.call("GET", "/apis/g.io/v1/things")[0], 404)
        self.make(_PATH, definition("v1"))
        self.assertEqual(self.get("/apis/g.io/v1/things")["items"], [])
