from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.kinds import Kind, Kinds
from clustergateway.sandbox.names import generated, label_problems, name_problems, new_uid


def kind(resource: str, group: str = "") -> Kind:
    found = Kinds().stored(group, resource)
    assert found is not None
    return found


class NamesTests(SynchronousTestCase):
    def test_names(self) -> None:
        for resource, group, name, good in (
            ("configmaps", "", "a.b-c", True),
            ("configmaps", "", "A", False),
            ("configmaps", "", "a_b", False),
            ("configmaps", "", "x" * 253, True),
            ("configmaps", "", "x" * 254, False),
            ("namespaces", "", "a.b", False),
            ("namespaces", "", "1a", True),
            ("services", "", "1a", False),
            ("clusterroles", "rbac.authorization.k8s.io", "system:Any Thing", True),
            ("clusterroles", "rbac.authorization.k8s.io", "a/b", False),
        ):
            self.assertIs(not name_problems(kind(resource, group), name), good, name)

    def test_labels(self) -> None:
        self.assertEqual(label_problems({"labels": {"a": "", "b": "x.y_Z-1"}}), [])
        self.assertEqual(len(label_problems({"labels": {"a": "-", "b": "x y"}})), 2)

    @given(st.text("abc-", max_size=80).map(lambda text: "a" + text))
    def test_generated(self, prefix: str) -> None:
        name = generated(prefix, random.Random(1))
        self.assertTrue(name.startswith(prefix[:58]))
        self.assertLessEqual(len(name), 63)
        self.assertEqual(name_problems(kind("namespaces"), name), [])

    def test_uids_differ(self) -> None:
        source = random.Random(1)
        self.assertEqual(len({new_uid(source) for _ in range(100)}), 100)
