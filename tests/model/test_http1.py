from __future__ import annotations

import string

import h11
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import (
    BadRequest,
    GatewayError,
    HeadersTooLarge,
    HttpVersionNotSupported,
    NotImplementedMethod,
    UriTooLong,
)
from clustergateway.model.headers import request_table
from clustergateway.model.http1 import METHODS, RequestHead, RequestParser, climbs, goes_up, parse_request
from clustergateway.settings import Limits

LIMITS = Limits()
TOKEN = string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~"


def parse(data: bytes, limits: Limits = LIMITS) -> RequestHead:
    head = parse_request(data, limits)
    assert head is not None
    return head


def get(*lines: str, line: str = "GET / HTTP/1.1") -> bytes:
    return "\r\n".join([line, "Host: gw", *lines, "", ""]).encode("latin-1")


class Heads(SynchronousTestCase):
    def test_usual(self) -> None:
        data = (
            b"POST /api/v1/pods?dryRun=All&dryRun=%2F HTTP/1.1\r\nHost: gw:6443\r\nUser-Agent: kubectl/v1\r\n"
            b"accept:  a/b \r\nAudit-ID: 7\r\nContent-Length: 12\r\n\r\n"
        )
        head = parse(data + b"body")
        self.assertEqual((b"POST", b"/api/v1/pods?dryRun=All&dryRun=%2F"), (head.method, head.target))
        self.assertEqual((b"User-Agent: kubectl/v1", b"accept:  a/b ", b"Content-Length: 12"), head.lines)
        self.assertEqual(b"\r\n".join([*head.lines, b""]), head.block)
        self.assertEqual((b"gw:6443", b"kubectl/v1", b"7"), (head.host, head.user_agent, head.audit_id))
        self.assertEqual((12, False, True, True), (head.content_length, head.chunked, head.has_body, head.keep_alive))
        self.assertEqual(len(data), head.size)

    def test_incomplete(self) -> None:
        data = get("Accept: a/b")
        for end in range(len(data)):
            self.assertIsNone(parse_request(data[:end], LIMITS), data[:end])
        self.assertIsNotNone(parse_request(data, LIMITS))

    def test_one_empty_line_in_front(self) -> None:
        self.assertEqual(len(get()) + 2, parse(b"\r\n" + get()).size)
        self.assertIsNone(parse_request(b"\r\n", LIMITS))
        self.assertRaises(BadRequest, parse_request, b"\r\n\r\n" + get(), LIMITS)

    def test_the_header_section_is_remembered_and_forgotten(self) -> None:
        parser = RequestParser(LIMITS)
        for lines in (["Accept: a"], ["Accept: a"], ["Accept: b", "Connection: close"], ["Accept: a"], []):
            head = parser.parse(get(*lines))
            assert head is not None
            self.assertEqual(tuple(line.encode() for line in lines[:1]), head.lines)
            self.assertEqual("Connection: close" not in lines, head.keep_alive)

    def test_remembered_sections_are_for_one_version(self) -> None:
        parser = RequestParser(LIMITS)
        for version, keep_alive in (("1.1", True), ("1.0", False), ("1.1", True)):
            head = parser.parse(get(line=f"GET / HTTP/{version}"))
            assert head is not None
            self.assertEqual(keep_alive, head.keep_alive)

    def test_keep_alive(self) -> None:
        for version, connection, expected in (
            ("1.1", "x", True),
            ("1.1", "Close", False),
            ("1.1", "keep-alive, close", False),
            ("1.0", "x", False),
            ("1.0", "Keep-Alive", True),
            ("1.0", "keep-alive, close", False),
        ):
            head = parse(get(f"Connection: {connection}", line=f"GET / HTTP/{version}"))
            self.assertIs(expected, head.keep_alive, (version, connection))

    def test_http10_needs_no_host(self) -> None:
        self.assertEqual(b"", parse(b"GET / HTTP/1.0\r\n\r\n").host)

    def test_expect(self) -> None:
        head = parse(get("Expect: 100-Continue"))
        self.assertTrue(head.expect_continue)
        self.assertEqual((b"Expect: 100-Continue",), head.lines)
        head = parse(get("Expect: 100-continue", line="GET / HTTP/1.0"))
        self.assertEqual((False, ()), (head.expect_continue, head.lines))

    def test_upgrade(self) -> None:
        head = parse(get("Connection: keep-alive, Upgrade", "Upgrade: SPDY/3.1", "X-A: b"))
        self.assertEqual((b"SPDY/3.1", (b"X-A: b",)), (head.upgrade, head.lines))
        head = parse(get("Connection: Upgrade", "Upgrade: a , H2C", "Upgrade: b"))
        self.assertEqual(b"a, b", head.upgrade)

    def test_a_head_in_pieces(self) -> None:
        """However it is cut, it is read as if it had come at once."""
        for data in (get("A: b"), b"\r\n" + get("A: b"), b"GET / HTTP/1.1\r\nHost: a\nB: c\r\n\r\n"):
            for step in range(1, 9):
                parser, end = RequestParser(LIMITS), step
                try:
                    while (head := parser.parse(data[:end])) is None:
                        end += step
                except BadRequest:
                    self.assertRaises(BadRequest, RequestParser(LIMITS).parse, data)
                else:
                    self.assertEqual(RequestParser(LIMITS).parse(data), head)
                    self.assertEqual(head, parser.parse(data), "the next one begins from its beginning")

    def test_no_upgrade(self) -> None:
        for lines, version in (
            (["Upgrade: websocket"], "1.1"),
            (["Connection: Upgrade"], "1.1"),
            (["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AA"], "1.1"),
            (["Connection: Upgrade", "Upgrade: websocket"], "1.0"),
        ):
            head = parse(get(*lines, line=f"GET / HTTP/{version}"))
            self.assertEqual((None, ()), (head.upgrade, head.lines))

    def test_identity_does_not_travel(self) -> None:
        head = parse(
            get(
                "Authorization: Bearer t",
                "Cookie: a=b",
                "X-Remote-User: root",
                "x-remote-extra-a%2fb: 1",
                "Impersonate-User:  jane ",
                "X-Forwarded-For: 1.2.3.4",
                "Forwarded: for=x",
                "Via: 1.1 x",
                "X-A: b",
            )
        )
        self.assertEqual((b"X-A: b",), head.lines)
        self.assertEqual(
            (
                (b"authorization", b"Bearer t"),
                (b"cookie", b"a=b"),
                (b"x-remote-user", b"root"),
                (b"x-remote-extra-a%2fb", b"1"),
                (b"impersonate-user", b"jane"),
            ),
            head.identity,
        )
        self.assertNotIn("Bearer", repr(head))

    def test_underscores_are_no_way_around(self) -> None:
        head = parse(
            get("X_Remote_User: root", "Impersonate_User: x", "X_Forwarded-For: 1", "Content_Length: 5", "A_B: c")
        )
        self.assertEqual(((), (b"A_B: c",), None), (head.identity, head.lines, head.content_length))

    def test_own_names_of_identity(self) -> None:
        table = request_table(BadRequest, frozenset((b"x-user",)), (b"x-my-",))
        head = parse_request(get("X-User: a", "X-My-Extra: b", "X_User: c", "X-Other: d"), LIMITS, table)
        assert head is not None
        self.assertEqual(((b"x-user", b"a"), (b"x-my-extra", b"b")), head.identity)
        self.assertEqual((b"X-Other: d",), head.lines)

    def test_a_token_among_websocket_protocols(self) -> None:
        token = "base64url.bearer.authorization.k8s.io.dG9rZW4"
        head = parse(get("X-A: 1", f"Sec-WebSocket-Protocol: {token}, v5.channel.k8s.io,v4.channel.k8s.io", "X-B: 2"))
        self.assertEqual(
            (b"X-A: 1", b"Sec-WebSocket-Protocol: v5.channel.k8s.io, v4.channel.k8s.io", b"X-B: 2"), head.lines
        )
        self.assertEqual(b"sec-websocket-protocol", head.identity[0][0])
        self.assertEqual((), parse(get(f"Sec-WebSocket-Protocol: {token}")).lines)
        unchanged = parse(get("Sec-WebSocket-Protocol: a,b"))
        self.assertEqual(((b"Sec-WebSocket-Protocol: a,b",), ()), (unchanged.lines, unchanged.identity))

    def test_connection_names_fields(self) -> None:
        head = parse(get("Connection: X-A, x-remote-user", "X-A: 1", "X-B: 2", "X-Remote-User: u"))
        self.assertEqual(((b"X-B: 2",), ((b"x-remote-user", b"u"),)), (head.lines, head.identity))

    def test_absolute_form(self) -> None:
        for target, expected in (
            ("http://other:1/a?b", b"/a?b"),
            ("HTTPS://other:1", b"/"),
            ("https://other:1?x=1", b"/?x=1"),
        ):
            head = parse(get(line=f"GET {target} HTTP/1.1"))
            self.assertEqual((expected, b"other:1"), (head.target, head.host))

    def test_asterisk_form(self) -> None:
        self.assertEqual(b"*", parse(get(line="OPTIONS * HTTP/1.1")).target)
        self.assertRaises(BadRequest, parse, get(line="GET * HTTP/1.1"))


class Refusals(SynchronousTestCase):
    def refused(self, error: type[GatewayError], *heads: bytes) -> None:
        for data in heads:
            self.assertRaises(error, parse_request, data, LIMITS)

    def test_framing(self) -> None:
        self.refused(
            BadRequest,
            get("Content-Length: 5", "Transfer-Encoding: chunked"),
            get("Content-Length: 5", "Content-Length: 5"),
            get("Content-Length: 5, 5"),
            get("Content-Length: +5"),
            get("Content-Length: -5"),
            get("Content-Length: 0x5"),
            get("Content-Length: 5 5"),
            get("Content-Length:"),
            get("Content-Length: \xb2"),
            get("Content-Length: " + "9" * 30),
            get("Transfer-Encoding: gzip, chunked"),
            get("Transfer-Encoding: chunked, chunked"),
            get("Transfer-Encoding: identity"),
            get("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
            get("Transfer-Encoding: xchunked"),
            get("Transfer-Encoding: chunked", line="POST / HTTP/1.0"),
            get("Connection: Content-Length", "Content-Length: 5"),
            get("Connection: transfer-encoding", "Transfer-Encoding: chunked"),
            get("Connection: host"),
        )

    def test_lines(self) -> None:
        self.refused(
            BadRequest,
            get("A: b", " c"),
            get(" A: b"),
            get("A : b"),
            get("A\t: b"),
            get(": b"),
            get("A"),
            get("A\x00: b"),
            get("A: b\x00"),
            get("A: b\x7f"),
            get("A: b\nC: d"),
            get("A: b\rC: d"),
            get("Ä: b"),
            b"GET / HTTP/1.1\nHost: gw\n\n",
            b"GET / HTTP/1.1\r\nHost: gw\nA: b",
            b"\r\n\r\n",
        )

    def test_complaints_quote_nothing(self) -> None:
        for line in ("Authorization : secret", "secret", " secret", "A: secret\x00", "A: secret\n", "secret(): x"):
            error = self.assertRaises(BadRequest, parse_request, get(line), LIMITS)
            self.assertNotIn("secret", error.message)

    def test_host(self) -> None:
        self.refused(
            BadRequest,
            b"GET / HTTP/1.1\r\n\r\n",
            get("Host: other"),
            b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        )

    def test_request_lines(self) -> None:
        self.refused(
            BadRequest,
            get(line="GET  / HTTP/1.1"),
            get(line="GET / x HTTP/1.1"),
            get(line=" GET / HTTP/1.1"),
            get(line="GET / HTTP/1.1 "),
            get(line="GET / HTTP/11"),
            get(line="GET / http/1.1"),
            get(line="GET / HTTP/1.1\t"),
            get(line="G(T / HTTP/1.1"),
            get(line="GET\t/\tHTTP/1.1"),
            b"hello\r\n",
        )

    def test_targets(self) -> None:
        self.refused(
            BadRequest,
            *(
                get(line=f"GET {target} HTTP/1.1")
                for target in (
                    "pods",
                    "//evil/pods",
                    "/pods#x",
                    "/p\x00",
                    "/p\xe4",
                    "/p\x7f",
                    "ftp://gw/pods",
                    "http:///pods",
                    "http://u@gw/pods",
                    "http://gw//pods",
                    "/..",
                    "/a/../../b",
                    "/%2e%2E/b",
                    "/a/..%2f..%2Fb",
                    "/a/..%5c../b",
                    "/..;x/b",
                )
            ),
        )

    def test_versions(self) -> None:
        self.refused(
            HttpVersionNotSupported,
            get(line="GET / HTTP/2.0"),
            get(line="GET / HTTP/0.9"),
            get(line="GET / HTTP/1.2"),
            b"GET /\r\n",
            b"GET /\r\n\r\n",
        )

    def test_methods(self) -> None:
        self.refused(
            NotImplementedMethod,
            get(line="CONNECT gw:443 HTTP/1.1"),
            get(line="TRACE / HTTP/1.1"),
            get(line="BREW / HTTP/1.1"),
            get(line="get / HTTP/1.1"),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"BREW / HTTP/1.1\r\n",
        )

    def test_sizes(self) -> None:
        self.refused(UriTooLong, get(line=f"GET /{'x' * LIMITS.target} HTTP/1.1"), b"GET /" + b"x" * 17000)
        self.refused(
            HeadersTooLarge,
            get("A: " + "b" * 100_000),
            get("A: " + "b" * 100_000)[:70_000],
            get(*["A: b"] * 10_000),
            get(*["A: b"] * 400),
            get(*["A: b"] * 400)[:-2],
        )

    def test_a_hopeless_start_is_refused_at_once(self) -> None:
        for data in (b"GET / HTTP/3.7\r\n", b"\x16\x03\x01\r\n", b"A B C D\r\n", b"GET / HTTP/1.1\nH"):
            self.assertRaises(GatewayError, parse_request, data, LIMITS)


class Climbing(SynchronousTestCase):
    def test_examples(self) -> None:
        for target, expected in (
            (b"/a/../b", False),
            (b"/a/b/../../c", False),
            (b"/a/../../c", True),
            (b"/../c", True),
            (b"/a/.%2e/%2e./c", True),
            (b"/a/./../../c", True),
            (b"/a//../../c", True),
            (b"/a?x=/../../..", False),
            (b"/a/..b/../../c", False),
            (b"/a/...", False),
            (b"/a%2f..%2f..%2fc", True),
            (b"/a\\..\\..\\c", True),
        ):
            self.assertIs(expected, climbs(target), target)

    @given(st.lists(st.sampled_from([b"a", b"..", b".", b"", b"%2e%2E", b"x%2fy"]), max_size=8))
    def test_like_counting(self, segments: list[bytes]) -> None:
        depth, lowest = 0, 0
        for segment in segments:
            depth += {b"..": -1, b"%2e%2E": -1, b"a": 1, b"x%2fy": 2}.get(segment, 0)
            lowest = min(lowest, depth)
        self.assertIs(lowest < 0, climbs(b"/" + b"/".join(segments)))


class GoingUp(SynchronousTestCase):
    def test_examples(self) -> None:
        for path in (
            b"/..", b"/a/../b", b"/a/%2e%2E/b", b"/a/.%2e", b"/a%2f..%2Fb", b"/a\\..\\b", b"/a%5c..", b"/a/..;x/b",
        ):  # fmt: skip
            self.assertTrue(goes_up(path), path)
        for path in (b"", b"/", b"/a.b/...", b"/..a/b..", b"/./.a", b"/a%2e%2eb", b"/;..", b"/apis/a.b.c/v1/"):
            self.assertFalse(goes_up(path), path)


NAMES = st.text(TOKEN, min_size=1, max_size=12)
VALUES = st.text([*(chr(c) for c in range(0x20, 0x7F)), "\t", "ä"], max_size=20).map(lambda value: value.strip(" \t"))
TARGETS = st.text([chr(c) for c in range(0x21, 0x7F) if chr(c) != "#"], max_size=30).map(lambda rest: "/" + rest)


class Properties(SynchronousTestCase):
    @given(
        st.sampled_from(sorted(METHODS)),
        TARGETS,
        st.lists(st.tuples(NAMES.map(lambda name: "X-" + name), VALUES), max_size=6),
        st.binary(max_size=10),
    )
    def test_round_trip(self, method: bytes, target: str, fields: list[tuple[str, str]], body: bytes) -> None:
        assume(not target.startswith("//") and not climbs(target.encode()))
        lines = [f"{name}: {value}" for name, value in fields]
        assume(not any(parse_request_drops(name) for name, _ in fields))
        data = get(*lines, line=f"{method.decode()} {target} HTTP/1.1")
        head = parse(data + body)
        self.assertEqual((method, target.encode(), len(data)), (head.method, head.target, head.size))
        self.assertEqual(tuple(line.encode("latin-1") for line in lines), head.lines)

    @given(st.binary(max_size=200))
    @example(b"GET / HTTP/1.1\r\nHost:\r\n\r\n")
    def test_fails_in_no_other_way(self, data: bytes) -> None:
        for prefix in (b"", b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nHost: a\r\n"):
            for suffix in (b"", b"\r\n\r\n"):
                self.assertIn(code(prefix + data + suffix), (None, 400, 414, 431, 501, 505))

    PIECES = (
        *(b"GET", b"POST", b" ", b"/", b"/a", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\n", b"\r", b"Host: a\r\n", b":"),
        *(
            b"Content-Length: 3\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Transfer-Encoding:chunked\r\n",
            b"\x00",
            b"\t",
        ),
        *(b"GET / HTTP/1.1\r\nHost: a\r\n", b"POST /x HTTP/1.1\r\nHost: a\r\n", b"Connection: close\r\n", b"A: b\r\n"),
        *(b"Content-Length: 3, 3\r\n", b"content-length : 3\r\n", b" A: b\r\n", b"Expect: 100-continue\r\n"),
    )

    @settings(max_examples=400)
    @given(st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join))
    def test_against_h11(self, data: bytes) -> None:
        """What is accepted here, h11 accepts as well, and understands the same."""
        data += b"\r\n\r\n"
        try:
            head = parse_request(data, LIMITS)
        except GatewayError:
            return
        assert head is not None
        connection = h11.Connection(h11.SERVER)
        # RFC 9112 section 2.2 has servers pass over an empty line before the request line; h11 does not.
        skipped = 2 if data.startswith(b"\r\n") else 0
        connection.receive_data(data[skipped:])
        event = connection.next_event()
        assert isinstance(event, h11.Request), event
        self.assertEqual((head.method, head.target), (event.method, event.target))
        self.assertEqual(head.version, b"HTTP/" + event.http_version)
        fields = dict(event.headers)
        self.assertEqual(head.content_length, int(fields[b"content-length"]) if b"content-length" in fields else None)
        self.assertEqual(head.chunked, b"transfer-encoding" in fields)
        self.assertEqual(head.host, fields.get(b"host", b""))
        if not head.has_body:
            self.assertIsInstance(connection.next_event(), h11.EndOfMessage)
            self.assertEqual(data[head.size :], connection.trailing_data[0])

    @given(st.lists(st.tuples(NAMES, VALUES), max_size=5))
    def test_h11_accepts_no_more_than_we_forward(self, fields: list[tuple[str, str]]) -> None:
        """Usual heads that h11 accepts are accepted here: strictness has no victims."""
        special = ("host", "content-length", "transfer-encoding", "connection", "expect", "upgrade")
        assume(not any(name.lower() in special for name, _ in fields))
        data = get(*(f"{name}: {value}" for name, value in fields))
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(data)
        try:
            connection.next_event()
        except h11.RemoteProtocolError:
            return
        parse(data)


def code(data: bytes) -> int | None:
    """What this is refused with, if it is."""
    try:
        parse_request(data, LIMITS)
    except GatewayError as error:
        return error.code
    return None


def parse_request_drops(name: str) -> bool:
    """Whether a field of this name is not forwarded."""
    return not parse(get(f"{name}: 1")).lines
