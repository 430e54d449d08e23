from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.objects import Object
from clustergateway.sandbox.status import ApiError
from clustergateway.sandbox.store import Change, Key, Store


def key(name: str, namespace: str = "ns") -> Key:
    return Key("", "things", namespace, name)


def thing(name: str, namespace: str = "ns", **more: object) -> Object:
    return {"metadata": {"name": name, "namespace": namespace}, **more}


class StoreTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.store = Store(kept=4)

    def put(self, name: str, namespace: str = "ns", **more: object) -> Object:
        return self.store.put(key(name, namespace), thing(name, namespace, **more))

    def names(self, objects: list[Object]) -> list[str]:
        return [f"{obj['metadata']['namespace']}/{obj['metadata']['name']}" for obj in objects]

    def test_versions_grow(self) -> None:
        first, second = self.put("a"), self.put("b")
        self.assertEqual([obj["metadata"]["resourceVersion"] for obj in (first, second)], ["2", "3"])

    def test_stored_is_a_copy(self) -> None:
        given = thing("a", data={"k": "v"})
        self.store.put(key("a"), given)
        given["data"]["k"] = "changed"
        found = self.store.get(key("a"))
        assert found is not None
        self.assertEqual(found["data"], {"k": "v"})

    def test_order(self) -> None:
        for namespace, name in (("b", "a"), ("a", "b"), ("a", "a")):
            self.put(name, namespace)
        self.assertEqual(self.names(self.store.listed("", "things")), ["a/a", "a/b", "b/a"])
        self.assertEqual(self.names(self.store.listed("", "things", "a")), ["a/a", "a/b"])

    def test_changes(self) -> None:
        seen: list[Change] = []
        cancel = self.store.subscribe(seen.append, ("", "things"))
        self.put("a", n=1)
        self.put("a", n=2)
        self.store.remove(key("a"))
        self.store.put(Key("", "others", "", "x"), thing("x"))
        cancel()
        self.put("b")
        self.assertEqual([change.revision for change in seen], [2, 3, 4])
        self.assertEqual([change.deleted for change in seen], [False, False, True])
        self.assertEqual([(change.before or {}).get("n") for change in seen], [None, 1, 2])
        self.assertEqual(seen[2].after["metadata"]["resourceVersion"], "4")
        self.assertEqual(list(self.store.since(2, "", "things"))[:2], seen[1:])

    def test_forgets(self) -> None:
        """Only so many changes are kept; what is before them is expired."""
        for number in range(6):
            self.put("a", n=number)
        self.assertEqual(len(list(self.store.since(3, "", "things"))), 4)
        error = self.assertRaises(ApiError, self.store.since, 2, "", "things")
        self.assertEqual((error.code, error.reason), (410, "Expired"))
        self.assertEqual(error.message, "too old resource version: 2 (3)")

    def test_compaction(self) -> None:
        self.put("a")
        self.store.compact()
        self.assertEqual(list(self.store.since(2, "", "things")), [])
        self.assertRaises(ApiError, self.store.since, 1, "", "things")

    def test_the_past(self) -> None:
        self.put("a", n=1)
        self.put("b", n=1)
        then = self.store.revision
        self.put("a", n=2)
        self.store.remove(key("b"))
        self.put("c")
        found = self.store.listed_at(then, "", "things")
        self.assertEqual([(obj["metadata"]["name"], obj["n"]) for obj in found], [("a", 1), ("b", 1)])

    def test_remove_what_is_not_there(self) -> None:
        self.store.put(key("a"), thing("a"))
        self.assertRaises(KeyError, self.store.remove, key("b"))
