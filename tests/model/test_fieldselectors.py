"""Field selectors: terms, escapes, errors."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import BadRequest
from clustergateway.model.fieldselectors import FieldSelector, FieldTerm, parse_field_selector


class FieldSelectorTests(SynchronousTestCase):
    def test_terms(self) -> None:
        self.assertEqual(
            parse_field_selector("a=1,b==2,c!=3,,d="),
            FieldSelector(
                (
                    FieldTerm("a", True, "1"),
                    FieldTerm("b", True, "2"),
                    FieldTerm("c", False, "3"),
                    FieldTerm("d", True, ""),
                )
            ),
        )

    def test_an_exclamation_mark_by_itself_is_no_operator(self) -> None:
        self.assertEqual(parse_field_selector("a!b=1"), FieldSelector((FieldTerm("a!b", True, "1"),)))

    def test_matches(self) -> None:
        selector = parse_field_selector("metadata.name=a,metadata.namespace!=b")
        self.assertTrue(selector.matches({"metadata.name": "a"}))
        self.assertFalse(selector.matches({"metadata.name": "c"}))
        self.assertFalse(selector.matches({"metadata.name": "a", "metadata.namespace": "b"}))

    def test_supported(self) -> None:
        selector = parse_field_selector("metadata.name=a,metadata.namespace=")
        self.assertIs(selector.supported(), selector)
        error = self.assertRaises(BadRequest, parse_field_selector("spec.x=1").supported)
        self.assertEqual(
            error.message, '"spec.x" is not a known field selector: only "metadata.name", "metadata.namespace"'
        )

    def test_errors(self) -> None:
        for text in ("a", "a=b\\", "a=b\\x", "a=b=c", "!"):
            self.assertRaises(BadRequest, parse_field_selector, text)

    @given(st.text(st.characters(exclude_characters="=,!")), st.booleans(), st.text())
    def test_round_trip(self, field: str, equal: bool, value: str) -> None:
        escaped = value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
        field = field.replace("\\", "")
        text = f"{field}{'=' if equal else '!='}{escaped}"
        self.assertEqual(parse_field_selector(text), FieldSelector((FieldTerm(field, equal, value),)))

    @given(st.text(st.sampled_from("a=!,\\")))
    def test_fails_in_no_other_way(self, text: str) -> None:
        try:
            parse_field_selector(text)
        except BadRequest:
            pass
