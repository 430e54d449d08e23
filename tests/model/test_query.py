"""Query strings are read as Go reads them."""

from __future__ import annotations

from urllib.parse import urlencode

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.query import decode_path, decode_query, first, flag


class DecodeQueryTests(SynchronousTestCase):
    def test_keeps_repeated_keys_in_order(self) -> None:
        self.assertEqual(decode_query("dryRun=All&a=b&dryRun="), {"dryRun": ["All", ""], "a": ["b"]})

    def test_decodes_keys_and_values(self) -> None:
        self.assertEqual(decode_query("%77atch=a%2Fb+c"), {"watch": ["a/b c"]})

    def test_drops_what_go_drops(self) -> None:
        self.assertEqual(decode_query("watch=%zz&a;b=1&%=2&&c"), {"c": [""]})

    @given(
        st.lists(
            st.tuples(
                st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"]))
            )
        )
    )
    def test_round_trip(self, pairs: list[tuple[str, str]]) -> None:
        expected: dict[str, list[str]] = {}
        for key, value in pairs:
            expected.setdefault(key, []).append(value)
        self.assertEqual(decode_query(urlencode(pairs)), expected)

    @given(st.text())
    def test_never_fails(self, text: str) -> None:
        decode_query(text)


class OptionTests(SynchronousTestCase):
    def test_a_flag_is_true_unless_it_says_false_or_zero(self) -> None:
        for text, expected in [("", False), ("w", True), ("w=", True), ("w=1", True), ("w=no", True)]:
            self.assertIs(flag(decode_query(text), "w"), expected, text)
        for text in ("w=false", "w=FALSE", "w=0", "w=0&w=1"):
            self.assertIs(flag(decode_query(text), "w"), False, text)

    def test_first(self) -> None:
        self.assertEqual(first({"a": ["b", "c"]}, "a"), "b")
        self.assertEqual(first({}, "a"), "")


class DecodePathTests(SynchronousTestCase):
    def test_decodes(self) -> None:
        self.assertEqual(decode_path("/a%2Fb+c"), "/a/b+c")

    def test_refuses_what_go_refuses(self) -> None:
        self.assertIs(decode_path("/a%2"), None)
        self.assertIs(decode_path("/%zz"), None)
