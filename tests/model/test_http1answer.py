from __future__ import annotations

import h11
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import UpstreamMalformed
from clustergateway.model.http1answer import (
    CHUNKED,
    UNTIL_CLOSE,
    ResponseHead,
    _parse_lines,
    body_length,
    parse_response,
    render,
)
from clustergateway.settings import Limits

LIMITS = Limits()


def refused(data: bytes) -> bool:
    """Whether this is refused."""
    try:
        parse_response(data, LIMITS)
    except UpstreamMalformed:
        return True
    return False


def parse(*lines: str, status: str = "HTTP/1.1 200 OK") -> ResponseHead:
    head = parse_response("\r\n".join([status, *lines, "", ""]).encode("latin-1"), LIMITS)
    assert head is not None
    return head


class Heads(SynchronousTestCase):
    def test_usual(self) -> None:
        data = b"HTTP/1.1 404 Not Found\r\nA:b\r\nContent-Length: 3\r\n\r\nabc"
        head = parse_response(data, LIMITS)
        assert head is not None
        self.assertEqual((404, 3, True, True), (head.code, head.content_length, head.verbatim, head.keep_alive))
        self.assertEqual(data[:-3], render(head))
        self.assertEqual(len(data) - 3, head.size)

    def test_incomplete(self) -> None:
        data = b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n"
        for end in range(len(data)):
            self.assertIsNone(parse_response(data[:end], LIMITS))

    def test_no_reason_phrase(self) -> None:
        for status in ("HTTP/1.1 200", "HTTP/1.1 200 "):
            self.assertEqual(200, parse(status=status).code)

    def test_hop_by_hop(self) -> None:
        head = parse("Connection: X-A", "x-a: 1", "Keep-Alive: x", "Proxy-Authenticate: x", "B: 2")
        self.assertEqual(([b"B: 2"], False), (head.lines, head.verbatim))

    def test_keep_alive(self) -> None:
        for version, connection, expected in (
            ("1.1", "x", True),
            ("1.1", "Close", False),
            ("1.0", "x", False),
            ("1.0", "keep-alive", True),
        ):
            head = parse(f"Connection: {connection}", status=f"HTTP/{version} 200 OK")
            self.assertIs(expected, head.keep_alive)
        self.assertFalse(parse(status="HTTP/1.0 200 OK").keep_alive)

    def test_upgrade(self) -> None:
        status = "HTTP/1.1 101 Switching Protocols"
        self.assertEqual(b"x", parse("Connection: upgrade", "Upgrade: x", status=status).upgrade)
        self.assertEqual(b"", parse("Upgrade: x", status=status).upgrade)

    def test_http10_is_not_verbatim(self) -> None:
        head = parse("A: b", status="HTTP/1.0 200 OK")
        self.assertFalse(head.verbatim)
        self.assertEqual(b"HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\n\r\n", render(head, b"C: d"))

    def test_render_without(self) -> None:
        self.assertEqual(b"HTTP/1.1 200 OK\r\nC: d\r\n\r\n", render(parse("a: b", "C: d"), without=b"a"))

    def test_body_length(self) -> None:
        for method, status, line, expected in (
            (b"GET", 200, "Content-Length: 5", 5),
            (b"GET", 200, "Transfer-Encoding: Chunked", CHUNKED),
            (b"GET", 200, "A: b", UNTIL_CLOSE),
            (b"HEAD", 200, "Content-Length: 5", 0),
            (b"GET", 204, "Content-Length: 5", 0),
            (b"GET", 304, "Transfer-Encoding: chunked", 0),
            (b"GET", 100, "A: b", 0),
        ):
            self.assertEqual(expected, body_length(method, parse(line, status=f"HTTP/1.1 {status} X")))

    def test_malformed(self) -> None:
        for lines in (
            ["Content-Length: 5", "Content-Length: 5"],
            ["Content-Length: x"],
            ["Content-Length: 5", "Transfer-Encoding: chunked"],
            ["Transfer-Encoding: gzip"],
            ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"],
            ["Connection: content-length", "Content-Length: 5"],
            [" A: b"],
            ["A : b"],
            ["A: b\nC: d"],
        ):
            self.assertRaises(UpstreamMalformed, parse, *lines)
        for status in (
            "HTTP/2 200 OK",
            "HTTP/1.1 99 X",
            "HTTP/1.1 600 X",
            "HTTP/1.1  200 OK",
            "200 OK",
            "http/1.1 200 OK",
        ):
            self.assertRaises(UpstreamMalformed, parse, status=status)
        self.assertRaises(UpstreamMalformed, parse, "Transfer-Encoding: chunked", status="HTTP/1.0 200 OK")
        self.assertRaises(UpstreamMalformed, parse_response, b"SSH-2", LIMITS)
        self.assertRaises(UpstreamMalformed, parse_response, b"HTTP/1.1 200 OK\r\nA: " + b"b" * 70000, LIMITS)


class Properties(SynchronousTestCase):
    @given(st.binary(max_size=100))
    def test_fails_in_no_other_way(self, data: bytes) -> None:
        for prefix in (b"", b"HTTP/1.1 200 OK\r\n"):
            for suffix in (b"", b"\r\n\r\n"):
                refused(prefix + data + suffix)

    @given(st.binary(max_size=40), st.sampled_from(["Content-Length: 3", "Transfer-Encoding: chunked", "A: b"]))
    def test_the_short_way_is_no_other(self, data: bytes, line: str) -> None:
        """Reading a usual head in one go finds what reading it line by line does."""
        for value in (b"", b"A: "):
            head = b"HTTP/1.1 200 OK\r\n" + value + data + b"\r\n" + line.encode() + b"\r\n\r\n"
            if refused(head):
                self.assertRaises(UpstreamMalformed, _parse_lines, head, LIMITS)
                continue
            short, long = parse_response(head, LIMITS), _parse_lines(head, LIMITS)
            assert short is not None and long is not None
            self.assertEqual(long.lines, short.lines)
            short.kept = long.kept
            self.assertEqual(long, short)

    PIECES = (
        *(
            "A: b",
            "Content-Length: 3",
            "Transfer-Encoding: chunked",
            "Connection: close",
            "content-length:3",
            " x",
            "A :b",
        ),
        *("Content-Length: 0", "Transfer-Encoding: identity", "Date: x\x00", "A: b\nC: d"),
    )

    @settings(max_examples=300)
    @given(
        st.sampled_from([b"GET", b"HEAD"]),
        st.sampled_from([200, 204, 304, 404]),
        st.lists(st.sampled_from(PIECES), max_size=4),
    )
    def test_against_h11(self, method: bytes, code: int, lines: list[str]) -> None:
        """What is accepted here, h11 reads the same way: code, and how the body ends."""
        data = "\r\n".join([f"HTTP/1.1 {code} X", *lines, "", ""]).encode("latin-1")
        try:
            head = parse_response(data, LIMITS)
        except UpstreamMalformed:
            return
        assert head is not None
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
        connection.send(h11.EndOfMessage())
        connection.receive_data(data)
        event = connection.next_event()
        assert isinstance(event, h11.Response), event
        self.assertEqual(head.code, event.status_code)
        after = connection.next_event()
        self.assertEqual(body_length(method, head) == 0, isinstance(after, h11.EndOfMessage), (data, after))
