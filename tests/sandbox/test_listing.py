from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.kinds import Kinds
from clustergateway.sandbox.listing import StaleContinue, page
from clustergateway.sandbox.status import ApiError
from clustergateway.sandbox.store import Key, Store


class PageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.store = Store()
        kind = Kinds().stored("", "configmaps")
        assert kind is not None
        self.kind = kind

    def put(self, name: str, namespace: str = "a") -> None:
        meta = {"name": name, "namespace": namespace}
        self.store.put(Key("", "configmaps", namespace, name), {"metadata": meta})

    def names(self, namespace: str = "", **query: str) -> tuple[list[str], str]:
        found = page(self.store, self.kind, namespace, {key.rstrip("_"): [value] for key, value in query.items()})
        names = [f"{one['metadata']['namespace']}/{one['metadata']['name']}" for one in found.items]
        return names, found.metadata.get("continue", "")

    @given(st.integers(1, 7))
    def test_pages_are_the_whole(self, limit: int) -> None:
        self.store = Store()
        for namespace in ("a", "b"):
            for name in ("x", "y", "z"):
                self.put(name, namespace)
        names, token = self.names(limit=str(limit))
        while token:
            more, token = self.names(limit=str(limit), continue_=token)
            names += more
        self.assertEqual(names, ["a/x", "a/y", "a/z", "b/x", "b/y", "b/z"])

    def test_expired(self) -> None:
        """A token whose version is forgotten is refused, with one that goes on with what there is now."""
        for name in ("x", "y", "z"):
            self.put(name)
        _, token = self.names(limit="1")
        self.put("yy")
        self.store.compact()
        error = self.assertRaises(StaleContinue, self.names, limit="1", continue_=token)
        status = error.status()
        self.assertEqual((status["code"], status["reason"]), (410, "Expired"))
        names, _ = self.names(limit="9", continue_=status["metadata"]["continue"])
        self.assertEqual(names, ["a/y", "a/yy", "a/z"])

    @given(st.text(max_size=12))
    def test_bad_tokens(self, token: str) -> None:
        if not token:
            return
        error = self.assertRaises(ApiError, self.names, limit="1", continue_=token)
        self.assertEqual(error.code, 400)

    def test_exact_and_expired(self) -> None:
        self.put("x")
        version = str(self.store.revision)
        self.put("y")
        names, _ = self.names(resourceVersion=version, resourceVersionMatch="Exact")
        self.assertEqual(names, ["a/x"])
        self.store.compact()
        error = self.assertRaises(ApiError, self.names, resourceVersion=version, resourceVersionMatch="Exact")
        self.assertEqual(error.code, 410)
