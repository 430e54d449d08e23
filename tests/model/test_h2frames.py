from __future__ import annotations

from itertools import pairwise

from hyperframe.frame import DataFrame, WindowUpdateFrame
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import UpstreamMalformed
from clustergateway.model.h2frames import (
    DATA,
    PADDED,
    Frame,
    Frames,
    data_header,
    encode,
    unpadded,
    window_update,
)

FRAMES = st.builds(Frame, st.integers(0, 255), st.integers(0, 255), st.integers(0, 2**31 - 1), st.binary(max_size=50))


class FramesTests(SynchronousTestCase):
    """Frames come out as they went in, however they were cut on the way."""

    @given(st.lists(FRAMES), st.lists(st.integers(0)))
    def test_round_trip(self, frames: list[Frame], cuts: list[int]) -> None:
        wire = b"".join(map(encode, frames))
        places = [0, *sorted(cut % (len(wire) + 1) for cut in cuts), len(wire)]
        reader = Frames(16384)
        found: list[Frame] = []
        for start, stop in pairwise(places):
            found += reader.feed(wire[start:stop])
        self.assertEqual(frames, found)

    @given(st.lists(st.binary(max_size=20)))
    def test_fails_in_no_other_way(self, data: list[bytes]) -> None:
        reader = Frames(1000)
        try:
            for piece in data:
                reader.feed(piece)
        except UpstreamMalformed:
            pass

    def test_too_large(self) -> None:
        reader = Frames(100)
        self.assertEqual([], reader.feed(data_header(1, 100)))
        with self.assertRaises(UpstreamMalformed):
            Frames(100).feed(data_header(1, 101))

    def test_http1_is_not_taken_for_frames(self) -> None:
        with self.assertRaises(UpstreamMalformed):
            Frames(1 << 18).feed(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    def test_the_reserved_bit_is_ignored(self) -> None:
        self.assertEqual([Frame(DATA, 0, 5, b"")], Frames(100).feed(b"\0\0\0\0\0\x80\0\0\x05"))

    @given(st.integers(1, 2**31 - 1), st.binary(max_size=50))
    def test_data_as_hyperframe_has_it(self, stream: int, data: bytes) -> None:
        self.assertEqual(DataFrame(stream, data).serialize(), data_header(stream, len(data)) + data)

    @given(st.integers(0, 2**31 - 1), st.integers(1, 2**31 - 1))
    def test_window_update_as_hyperframe_has_it(self, stream: int, credit: int) -> None:
        self.assertEqual(WindowUpdateFrame(stream, credit).serialize(), window_update(stream, credit))


class PaddingTests(SynchronousTestCase):
    """RFC 9113 section 6.1."""

    @given(st.binary(max_size=20), st.integers(0, 255))
    def test_removed(self, data: bytes, padding: int) -> None:
        padded = Frame(DATA, PADDED, 1, bytes((padding,)) + data + b"\0" * padding)
        self.assertEqual(data, unpadded(padded))

    def test_none(self) -> None:
        self.assertEqual(b"\x05abc", unpadded(Frame(DATA, 0, 1, b"\x05abc")))

    def test_more_than_there_is(self) -> None:
        for payload in (b"", b"\x01", b"\x05abc"):
            with self.assertRaises(UpstreamMalformed):
                unpadded(Frame(DATA, PADDED, 1, payload))
