"""Tests for L{clustergateway.model.manifest}."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.manifest import MOST_OBJECTS, documents, objects

JSON: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="ascii", exclude_categories=["Cc"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
)


class DocumentsTests(SynchronousTestCase):
    def test_several(self) -> None:
        self.assertEqual(documents(b"---\na: 1\n---\n# nothing\n---\nb: [2]\n"), [{"a": 1}, {"b": [2]}])

    def test_nothing(self) -> None:
        self.assertEqual(documents(b""), [])

    def test_times_stay_text(self) -> None:
        self.assertEqual(
            documents("t: 2024-01-02T03:04:05Z\nd: 2024-01-02"), [{"t": "2024-01-02T03:04:05Z", "d": "2024-01-02"}]
        )

    def test_error_says_where_and_not_what(self) -> None:
        error = self.assertRaises(ConfigurationError, documents, b"token: hunter2\n  bad: [")
        self.assertEqual(error.message, "it is not valid YAML at line 2, column 6")

    def test_no_python_objects(self) -> None:
        self.assertRaises(ConfigurationError, documents, b"!!python/object/apply:os.getcwd []")

    def test_depth(self) -> None:
        self.assertRaises(ConfigurationError, documents, b"[" * 50000)

    @given(JSON)
    def test_round_trip(self, value: Any) -> None:
        self.assertEqual(documents(json.dumps(value)), [value])
        self.assertEqual(documents(yaml.safe_dump_all([value, value])), [value, value])

    @given(st.binary(max_size=60) | st.text("a:-[]{}&*!|>%@\n '\"#?,01~", max_size=30).map(str.encode))
    def test_fails_in_no_other_way(self, noise: bytes) -> None:
        with contextlib.suppress(ConfigurationError):
            documents(noise)


class ObjectsTests(SynchronousTestCase):
    def test_single(self) -> None:
        self.assertEqual(list(objects({"kind": "Secret"})), [{"kind": "Secret"}])

    def test_lists_in_lists(self) -> None:
        first, second, third = ({"kind": "Secret", "n": number} for number in (1, 2, 3))
        outer = {"kind": "List", "items": [first, {"kind": "SecretList", "items": [second, 7]}, third]}
        self.assertEqual(
            list(objects(outer)),
            [{"kind": "Secret", "n": 1}, {"kind": "Secret", "n": 2}, 7, {"kind": "Secret", "n": 3}],
        )

    def test_items_of_another_kind(self) -> None:
        self.assertEqual(list(objects({"kind": "Thing", "items": [1]})), [{"kind": "Thing", "items": [1]}])

    def test_many(self) -> None:
        many = [{"n": number} for number in range(MOST_OBJECTS - 1)]
        self.assertEqual(len(list(objects({"kind": "List", "items": many}))), MOST_OBJECTS - 1)

    def test_endless(self) -> None:
        (itself,) = documents("&a {kind: List, items: [*a, *a]}")
        self.assertRaises(ConfigurationError, list, objects(itself))
