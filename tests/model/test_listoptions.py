"""The options of list and watch, and which of them contradict each other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import BadRequest, GatewayError, Invalid
from clustergateway.model.listoptions import ListOptions, parse_list_options
from clustergateway.model.query import decode_query


def parse(query: str) -> ListOptions:
    return parse_list_options(decode_query(query))


class ListOptionsTests(SynchronousTestCase):
    def test_defaults(self) -> None:
        self.assertEqual(parse(""), ListOptions())
        self.assertTrue(parse("").selects_all)

    def test_list(self) -> None:
        found = parse("limit=5&resourceVersion=7&resourceVersionMatch=Exact&labelSelector=a%3Db")
        self.assertEqual((found.limit, found.version, found.exact, found.watch), (5, 7, True, False))
        self.assertTrue(found.labels.matches({"a": "b"}))
        self.assertFalse(found.selects_all)

    def test_watch(self) -> None:
        found = parse(
            "watch=1&resourceVersion=0&allowWatchBookmarks=true&timeoutSeconds=9"
            "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&fieldSelector=metadata.name=x"
        )
        self.assertEqual((found.watch, found.version, found.bookmarks, found.timeout), (True, 0, True, 9))
        self.assertIs(found.send_initial_events, True)
        self.assertEqual(found.fields.exact("metadata.name"), "x")
        self.assertIs(parse("watch=1").send_initial_events, None)
        self.assertIs(
            parse("watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan").send_initial_events, False
        )

    def test_watches_with_bookmarks_from_nothing_have_an_end_of_initial_events(self) -> None:
        for query, expected in [("", True), ("&resourceVersion=0", True), ("&resourceVersion=5", None)]:
            found = parse(f"watch=1&allowWatchBookmarks=1{query}")
            self.assertIs(found.send_initial_events, expected, query)

    def test_negative_numbers_are_none(self) -> None:
        self.assertEqual(parse("limit=-5&timeoutSeconds=-1"), ListOptions())

    def test_bad_requests(self) -> None:
        for query in (
            "limit=x",
            "resourceVersion=x",
            "resourceVersion=-1",
            "watch=1&resourceVersion=x",
            "timeoutSeconds=1.5",
            "labelSelector=%3D",
            "fieldSelector=a",
            "fieldSelector=spec.x%3D1",
            "continue=x&resourceVersion=7",
        ):
            self.assertRaises(BadRequest, parse, query)

    def test_invalid(self) -> None:
        for query, field in [
            ("sendInitialEvents=true", "sendInitialEvents"),
            ("resourceVersionMatch=Exact", "resourceVersionMatch"),
            ("resourceVersionMatch=Exact&resourceVersion=0", "resourceVersionMatch"),
            ("resourceVersionMatch=Some&resourceVersion=1", "resourceVersionMatch"),
            ("resourceVersionMatch=Exact&resourceVersion=0&continue=x", "resourceVersionMatch"),
            ("watch=1&sendInitialEvents=true", "resourceVersionMatch"),
            ("watch=1&sendInitialEvents=true&resourceVersionMatch=Exact", "resourceVersionMatch"),
            ("watch=1&resourceVersionMatch=NotOlderThan", "resourceVersionMatch"),
        ]:
            error = self.assertRaises(Invalid, parse, query)
            self.assertIn(f'ListOptions.meta.k8s.io "" is invalid: {field}: ', error.message, query)

    @given(
        st.dictionaries(
            st.sampled_from(["limit", "continue", "watch", "resourceVersion", "resourceVersionMatch", "labelSelector"]),
            st.lists(st.text(), min_size=1),
        )
    )
    def test_fails_in_no_other_way(self, values: dict[str, list[str]]) -> None:
        try:
            parse_list_options(values)
        except GatewayError as error:
            self.assertIn(error.code, (400, 422))
