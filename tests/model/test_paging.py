"""Pages of lists, and their tokens."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import BadRequest, Expired, ResourceVersionTooLarge
from clustergateway.model.listoptions import ListOptions, parse_list_options
from clustergateway.model.paging import Page, decode_token, encode_token, list_page
from clustergateway.model.query import decode_query
from clustergateway.model.watchcache import WatchCache


@dataclass(frozen=True)
class Thing:
    name: str
    version: int
    labels: dict[str, str] = field(default_factory=dict)


def cache(names: str, history: int = 100) -> WatchCache[Thing]:
    things = [Thing(name, 10, {"odd": str(index % 2)}) for index, name in enumerate(names)]
    return WatchCache(10, lambda all: sorted(all, key=lambda thing: thing.name), initial=things, history=history)


def options(query: str) -> ListOptions:
    return parse_list_options(decode_query(query))


def names(page: Page[Thing]) -> str:
    return "".join(item.name for item in page.items)


class PagingTests(SynchronousTestCase):
    def test_one_page(self) -> None:
        page = list_page(cache("abc"), options(""))
        self.assertEqual((names(page), page.version, page.continue_token, page.remaining), ("abc", 10, "", None))
        self.assertEqual(list_page(cache("abc"), options("limit=3")).continue_token, "")

    def test_pages_are_of_the_first_ones_version(self) -> None:
        found = cache("abcde")
        page = list_page(found, options("limit=2"))
        self.assertEqual((names(page), page.remaining), ("ab", 3))
        found.put(Thing("bb", 11))
        found.remove(Thing("c", 12))
        page = list_page(found, options(f"limit=2&continue={page.continue_token}"))
        self.assertEqual((names(page), page.version, page.remaining), ("cd", 10, 1))
        page = list_page(found, options(f"limit=2&continue={page.continue_token}"))
        self.assertEqual((names(page), page.version, page.continue_token, page.remaining), ("e", 10, "", None))

    def test_selectors(self) -> None:
        page = list_page(cache("abcde"), options("limit=1&labelSelector=odd%3D1"))
        self.assertEqual((names(page), page.remaining), ("b", None))
        page = list_page(cache("abcde"), options(f"labelSelector=odd%3D1&continue={page.continue_token}"))
        self.assertEqual(names(page), "d")
        self.assertEqual(names(list_page(cache("abc"), options("fieldSelector=metadata.name%3Db"))), "b")

    def test_versions(self) -> None:
        found = cache("a")
        found.put(Thing("b", 11))
        for query, expected in [
            ("resourceVersion=10&resourceVersionMatch=Exact", ("a", 10)),
            ("resourceVersion=10", ("ab", 11)),
            ("resourceVersion=0", ("ab", 11)),
            ("resourceVersion=10&resourceVersionMatch=NotOlderThan", ("ab", 11)),
        ]:
            page = list_page(found, options(query))
            self.assertEqual((names(page), page.version), expected, query)

    def test_expired(self) -> None:
        found = cache("ab", history=1)
        token = list_page(found, options("limit=1")).continue_token
        for version in range(11, 20):
            found.put(Thing("c", version))
        self.assertRaises(Expired, list_page, found, options(f"continue={token}"))
        self.assertRaises(Expired, list_page, found, options("resourceVersion=10&resourceVersionMatch=Exact"))

    def test_versions_to_come(self) -> None:
        for query in ("", "&resourceVersionMatch=Exact", "&resourceVersionMatch=NotOlderThan", "&limit=1"):
            error = self.assertRaises(
                ResourceVersionTooLarge, list_page, cache("ab"), options(f"resourceVersion=11{query}")
            )
            self.assertEqual(error.message, "Timeout: Too large resource version: 11, current: 10")

    def test_tokens_of_others(self) -> None:
        self.assertRaises(Expired, list_page, cache("ab"), options(f"continue={encode_token(99, 'a')}"))
        self.assertRaises(BadRequest, list_page, cache("ab"), options(f"continue={encode_token(10, 'x')}"))


class TokenTests(SynchronousTestCase):
    @given(st.integers(1, 2**63), st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
    def test_round_trip(self, version: int, start: str) -> None:
        self.assertEqual(decode_token(encode_token(version, start)), (version, start))

    def test_errors(self) -> None:
        contents = [[], {}, {"v": "x", "rv": 1, "start": "a"}, {"v": "meta.k8s.io/v1", "rv": True, "start": "a"}]
        for content in contents:
            token = urlsafe_b64encode(json.dumps(content).encode()).decode()
            self.assertRaises(BadRequest, decode_token, token)

    @given(st.text())
    def test_fails_in_no_other_way(self, text: str) -> None:
        self.assertRaises(BadRequest, decode_token, text)
