from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import UpstreamMalformed
from clustergateway.model.grpcframes import LARGEST, Messages, prefix


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """C{data}, cut at these places."""
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    return [data[start:stop] for start, stop in pairwise(places)]


class MessagesTests(SynchronousTestCase):
    """Messages come out as they went in, however they were cut on the way."""

    @given(st.lists(st.binary(max_size=50)), st.lists(st.integers(0)))
    def test_round_trip(self, messages: list[bytes], cuts: list[int]) -> None:
        wire = b"".join(prefix(len(message)) + message for message in messages)
        reader = Messages()
        self.assertEqual(messages, [found for piece in pieces(wire, cuts) for found in reader.feed(piece)])
        self.assertTrue(reader.whole)

    @given(st.lists(st.binary(max_size=20)))
    def test_fails_in_no_other_way(self, data: list[bytes]) -> None:
        reader = Messages()
        try:
            for piece in data:
                reader.feed(piece)
        except UpstreamMalformed:
            pass

    def test_byte_by_byte(self) -> None:
        reader = Messages()
        found = [reader.feed(bytes((byte,))) for byte in prefix(2) + b"ab" + prefix(0)]
        self.assertEqual([[]] * 6 + [[b"ab"]] + [[]] * 4 + [[b""]], found)

    def test_half(self) -> None:
        reader = Messages()
        self.assertEqual([b"a"], reader.feed(prefix(1) + b"a" + prefix(3) + b"b"))
        self.assertFalse(reader.whole)

    def test_compressed(self) -> None:
        with self.assertRaises(UpstreamMalformed):
            Messages().feed(b"\x01\0\0\0\x01a")

    def test_too_large(self) -> None:
        self.assertEqual([], Messages().feed(prefix(LARGEST)))
        with self.assertRaises(UpstreamMalformed):
            Messages().feed(prefix(LARGEST + 1))
