from __future__ import annotations

import h11
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import BadRequest
from clustergateway.model.chunks import ChunkTracker
from clustergateway.model.http1 import TABLE


def feed(*pieces: bytes, allowance: int = 100) -> tuple[int, bytes]:
    """
    @return: where in the last piece the body ended, or -1; and the decoded content.
    """
    tracker = ChunkTracker(allowance, BadRequest, TABLE)
    payload: list[bytes] = []
    end = -1
    for piece in pieces:
        end = tracker.feed(piece, 0, payload)
    return end, b"".join(payload)


def encode(chunks: list[bytes], trailers: bytes = b"") -> bytes:
    return b"".join(b"%X\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks if chunk) + b"0\r\n" + trailers + b"\r\n"


class Chunks(SynchronousTestCase):
    def test_end(self) -> None:
        self.assertEqual((5, b""), feed(b"0\r\n\r\n"))
        self.assertEqual((13, b"abc"), feed(b"03 ; a=b\r\nabc\r\n", b"0\r\nX-A: b\r\n\r\nGET"))
        self.assertEqual((-1, b"ab"), feed(b"3\r\nab"))

    def test_start(self) -> None:
        self.assertEqual(9, ChunkTracker(9, BadRequest, TABLE).feed(b"GET 0\r\n\r\n", 4))

    def test_malformed(self) -> None:
        for data in (
            b"\r\n",
            b"x\r\n",
            b"-1\r\n",
            b"0x1\r\n",
            b" 1\r\n",
            b"1\n",
            b"1;\na\r\n",
            b"1;a\x00\r\n",
            b"1\r\nab\r\n",
            b"1\r\na\n",
            b"1\r\na\r\r\n",
            b"1234567890123456\r\n",
            b"0\r\n X: y\r\n",
            b"0\r\nX\r\n",
            b"0\r\nAuthorization: x\r\n",
            b"0\r\nX-Remote-User: x\r\n",
            b"0\r\nContent-Length: 1\r\n",
            b"0\r\nTransfer-Encoding: chunked\r\n",
            b"0\r\nHost: x\r\n",
            b"0\r\nConnection: x\r\n",
        ):
            self.assertRaises(BadRequest, feed, data)

    def test_bounds(self) -> None:
        self.assertRaises(BadRequest, feed, b"1;" + b"x" * 5000, allowance=10_000)
        self.assertRaises(BadRequest, feed, *[b"1;" + b"x" * 20 + b"\r\na\r\n"] * 6)
        self.assertRaises(BadRequest, feed, b"0\r\n", *[b"A: " + b"b" * 20 + b"\r\n"] * 6)
        self.assertEqual(-1, feed(*[b"1;x\r\na\r\n"] * 40)[0])

    @given(st.lists(st.binary(max_size=20), max_size=5), st.sampled_from([b"", b"A: b\r\n"]), st.data())
    def test_round_trip(self, chunks: list[bytes], trailers: bytes, data: st.DataObject) -> None:
        body = encode(chunks, trailers)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=6)))
        pieces = [body[i:j] for i, j in zip([0, *cuts], [*cuts, len(body)], strict=True) if i < j]
        self.assertEqual((len(pieces[-1]), b"".join(chunks)), feed(*pieces))

    @given(st.lists(st.sampled_from([b"0", b"1", b"a", b"\r\n", b";", b"\n", b"X: y", b"\r", b" "]), max_size=9))
    def test_against_h11(self, pieces: list[bytes]) -> None:
        """What is accepted as complete here is the same body for h11. It fails in no other way than with BadRequest."""
        body = b"".join(pieces)
        try:
            end, payload = feed(body)
        except BadRequest:
            return
        if end < 0:
            return
        connection = h11.Connection(h11.SERVER)
        connection.receive_data(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        self.assertIsInstance(connection.next_event(), h11.Request)
        content = b""
        while isinstance(event := connection.next_event(), h11.Data):
            content += event.data
        self.assertIsInstance(event, h11.EndOfMessage)
        self.assertEqual((payload, body[end:]), (content, connection.trailing_data[0]))
