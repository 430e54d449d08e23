"""Label selectors, in the whole grammar."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import BadRequest
from clustergateway.model.selectors import LabelSelector, Requirement, parse_label_selector

LABELS = {"env": "prod", "tier": "", "n": "5", "example.com/x": "y"}

SELECTS = [
    "",
    " ",
    "env",
    "env=prod",
    "env==prod",
    "env in (prod,dev)",
    "env in ( prod , dev )",
    "env notin (dev)",
    "env!=dev",
    "gone!=dev",
    "gone notin (x)",
    "!gone",
    "! gone",
    "tier=",
    "tier in ()",
    "tier in (,)",
    "env in (prod),n>4,n<6",
    "example.com/x=y",
    "env=prod,tier,!gone",
    "n in (5,in,notin)",
]
SELECTS_NOT = [
    "gone",
    "!env",
    "env!=prod",
    "env=dev",
    "env in (dev)",
    "env notin (prod)",
    "n>5",
    "n<5",
    "env>1",
    "gone>1",
    "tier=x",
    "env,gone",
]
ERRORS = {
    "a in (b": "unable to parse requirement: found '', expected: ',' or ')'",
    "a in b": "unable to parse requirement: found 'b' expected: '('",
    "a b c": "unable to parse requirement: found 'b', expected: =, !=, ==, in, notin, >, <",
    "=a": "found '=', expected: !, identifier, or 'end of string'",
    "a,": "found '', expected: identifier after ','",
    "a=b c": "found 'c', expected: ',' or 'end of string'",
    "a==!": "unable to parse requirement: found '!', expected: identifier",
    "!": "unable to parse requirement: found '', expected: identifier",
    "!a=b": "found '=', expected: ',' or 'end of string'",
    "a>x": (
        "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, "
        "the value must be an integer"
    ),
}


class LabelSelectorTests(SynchronousTestCase):
    def test_selects(self) -> None:
        for text in SELECTS:
            self.assertTrue(parse_label_selector(text).matches(LABELS), text)

    def test_selects_not(self) -> None:
        for text in SELECTS_NOT:
            self.assertFalse(parse_label_selector(text).matches(LABELS), text)

    def test_errors_say_where(self) -> None:
        for text, message in ERRORS.items():
            self.assertEqual(self.assertRaises(BadRequest, parse_label_selector, text).message, message, text)

    def test_keys_and_values_are_checked(self) -> None:
        for text in ("-a", "a/b/c", "A.com/b", "x" * 64, "a=-", "a=" + "x" * 64, "a in (b,_c)", "é=1", "/a", "a/"):
            error = self.assertRaises(BadRequest, parse_label_selector, text)
            self.assertIn("Invalid value", error.message)

    @given(
        st.dictionaries(st.from_regex(r"[a-z]([-a-z.]{0,9}[a-z])?", fullmatch=True), st.sampled_from(["", "a", "b-c"]))
    )
    def test_round_trip(self, labels: dict[str, str]) -> None:
        text = ",".join(f"{key}={value}" for key, value in labels.items())
        expected = tuple(Requirement(key, "in", frozenset([value])) for key, value in labels.items())
        parsed = parse_label_selector(text)
        self.assertEqual(parsed, LabelSelector(expected))
        self.assertTrue(parsed.matches(labels))

    @given(st.text(st.sampled_from("ab =!(),<>in notin\n\0é")))
    def test_fails_in_no_other_way(self, text: str) -> None:
        try:
            parse_label_selector(text).matches(LABELS)
        except BadRequest:
            pass
