from __future__ import annotations

import base64
import csv
import io

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError, Unauthenticated
from clustergateway.model.identity import Identity
from clustergateway.model.tokens import SUBPROTOCOL, bearer_token, digest, parse_token_file

NAMES = st.sampled_from([b"authorization", b"sec-websocket-protocol", b"cookie"])
VALUES = st.binary(max_size=30) | st.binary(max_size=20).map(lambda rest: SUBPROTOCOL + rest + b", v4")
CELLS = st.text(st.characters(codec="utf-8", exclude_characters=",\r\n\x00"), min_size=1, max_size=10)


def websocket(value: bytes) -> str | None:
    return bearer_token([(b"sec-websocket-protocol", value)])


def encoded(token: bytes) -> bytes:
    return SUBPROTOCOL + base64.urlsafe_b64encode(token).rstrip(b"=")


class BearerTokenTests(SynchronousTestCase):
    def test_authorization(self) -> None:
        for value in (b"Bearer abc", b"bearer abc", b"BEARER  abc", b"Bearer abc def"):
            self.assertEqual(bearer_token([(b"authorization", value)]), "abc")

    def test_none(self) -> None:
        for value in (b"Basic abc", b"Bearer", b"Bearer ", b""):
            self.assertIsNone(bearer_token([(b"authorization", value)]))
        self.assertIsNone(websocket(b"v4.channel.k8s.io"))

    def test_subprotocol(self) -> None:
        self.assertEqual(websocket(encoded(b"a-token?") + b", v5.channel.k8s.io"), "a-token?")

    def test_bad_subprotocols(self) -> None:
        for value in (
            encoded(b"alone"),
            encoded(b"") + b", v4",
            encoded(b"one") + b", " + encoded(b"two"),
            SUBPROTOCOL + b"!!, v4",
            encoded("\u00e9".encode()) + b", v4",
        ):
            self.assertRaises(Unauthenticated, websocket, value)

    def test_two_tokens(self) -> None:
        twice = [(b"authorization", b"Bearer a"), (b"authorization", b"Bearer b")]
        self.assertRaises(Unauthenticated, bearer_token, twice)
        both = [(b"authorization", b"Bearer a"), (b"sec-websocket-protocol", encoded(b"a") + b",v4")]
        self.assertRaises(Unauthenticated, bearer_token, both)

    @given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
    def test_round_trip(self, token: str) -> None:
        self.assertEqual(bearer_token([(b"authorization", b"Bearer " + token.encode())]), token)
        self.assertEqual(websocket(b"v4," + encoded(token.encode())), token)

    @given(st.lists(st.tuples(NAMES, VALUES), max_size=4))
    def test_fails_in_no_other_way(self, headers: list[tuple[bytes, bytes]]) -> None:
        try:
            bearer_token(headers)
        except Unauthenticated:
            pass


class TokenFileTests(SynchronousTestCase):
    def test_columns(self) -> None:
        table = parse_token_file('a,jane,1\nb,joe,2,ops\n\nc,"doe, j",3,"ops,dev,,ops"\n')
        self.assertEqual(
            table,
            {
                digest("a"): Identity("jane", (), "1", source="tokenfile"),
                digest("b"): Identity("joe", ("ops",), "2", source="tokenfile"),
                digest("c"): Identity("doe, j", ("ops", "dev"), "3", source="tokenfile"),
            },
        )

    def test_errors_name_the_line_and_no_token(self) -> None:
        for text, said in (
            ("a,jane,1\nhush,joe", "line 2: expected token,user,uid[,groups], found 2 columns"),
            (",jane,1", "line 1: token and user"),
            ("hush,,1", "line 1: token and user"),
            ("hush,a,1\nhush,b,2", "line 2: this token"),
            ('hush,"a"b,1', "line 1"),
        ):
            error = self.assertRaises(ConfigurationError, parse_token_file, text)
            self.assertIn(said, error.message)
            self.assertNotIn("hush", error.message)

    @given(st.lists(st.tuples(CELLS, CELLS, CELLS, st.lists(CELLS, unique=True)), unique_by=lambda row: row[0]))
    def test_round_trip(self, rows: list[tuple[str, str, str, list[str]]]) -> None:
        text = io.StringIO()
        csv.writer(text).writerows((token, user, uid, ",".join(groups)) for token, user, uid, groups in rows)
        self.assertEqual(
            parse_token_file(text.getvalue()),
            {
                digest(token): Identity(user, tuple(groups), uid, source="tokenfile")
                for token, user, uid, groups in rows
            },
        )

    @given(st.text())
    def test_fails_in_no_other_way(self, text: str) -> None:
        try:
            parse_token_file(text)
        except ConfigurationError:
            pass
