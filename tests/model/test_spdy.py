"""SPDY/3.1 frames."""

from __future__ import annotations

import struct
import zlib

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.spdy import (
    MAX_DATA,
    Data,
    Decoder,
    Encoder,
    Frame,
    GoAway,
    MoreHeaders,
    Ping,
    RstStream,
    Settings,
    SpdyError,
    SynReply,
    SynStream,
    WindowUpdate,
    value_of,
)
from clustergateway.model.spdy_dictionary import DICTIONARY

IDS = st.integers(1, (1 << 31) - 1)
WORDS = st.integers(0, (1 << 32) - 1)
LATIN = st.text(st.characters(max_codepoint=255), max_size=30)
HEADERS = st.lists(st.tuples(LATIN.filter(bool), LATIN), max_size=5, unique_by=lambda pair: pair[0]).map(tuple)
FRAMES = st.one_of(
    st.builds(SynStream, IDS, HEADERS, st.booleans(), st.booleans(), IDS, st.integers(0, 7)),
    st.builds(SynReply, IDS, HEADERS, st.booleans()),
    st.builds(MoreHeaders, IDS, HEADERS, st.booleans()),
    st.builds(RstStream, IDS, WORDS),
    st.builds(
        Settings,
        st.lists(st.tuples(st.integers(0, (1 << 24) - 1), WORDS, st.integers(0, 255)), max_size=3).map(tuple),
        st.booleans(),
    ),
    st.builds(Ping, WORDS),
    st.builds(GoAway, IDS, WORDS),
    st.builds(WindowUpdate, IDS, IDS),
    st.builds(Data, IDS, st.binary(max_size=200), st.booleans()),
)


def control(kind: int, body: bytes, *, version: int = 3, size: int | None = None) -> bytes:
    return struct.pack("!HHI", 0x8000 | version, kind, len(body) if size is None else size) + body


def block(plain: bytes) -> bytes:
    packer = zlib.compressobj(zdict=DICTIONARY)
    return packer.compress(plain) + packer.flush(zlib.Z_SYNC_FLUSH)


def joined(frames: list[Frame]) -> list[Frame]:
    """With the pieces of each data frame put together. A piece that is not a frame's last never has fin."""
    whole: list[Frame] = []
    for frame in frames:
        last = whole[-1] if whole else None
        if isinstance(frame, Data) and isinstance(last, Data) and last.stream_id == frame.stream_id and not last.fin:
            whole[-1] = Data(frame.stream_id, last.data + frame.data, frame.fin)
        else:
            whole.append(frame)
    return whole


class OnTheWire(SynchronousTestCase):
    def test_frames_without_headers(self) -> None:
        for frame, wire in (
            (Data(3, b"hi", True), "00000003 01000002 6869"),
            (Data(3, b""), "00000003 00000000"),
            (RstStream(1, 5), "80030003 00000008 00000001 00000005"),
            (Ping(1), "80030006 00000004 00000001"),
            (GoAway(7, 0), "80030007 00000008 00000007 00000000"),
            (WindowUpdate(1, 65536), "80030009 00000008 00000001 00010000"),
            (Settings(((4, 100, 1),)), "80030004 0000000c 00000001 01000004 00000064"),
        ):
            raw = bytes.fromhex(wire)
            self.assertEqual(Encoder().encode(frame), raw)
            self.assertEqual(Decoder().feed(raw), [frame])

    def test_dictionary(self) -> None:
        """The checksum that every zlib stream of SPDY/3 names its dictionary by."""
        self.assertEqual((len(DICTIONARY), zlib.adler32(DICTIONARY)), (1423, 0xE3C6A7C2))
        wire = Encoder().encode(SynReply(1, ()))
        self.assertEqual(wire[12:18], bytes.fromhex("78f9 e3c6a7c2"))

    def test_headers(self) -> None:
        frame = SynStream(1, (("streamtype", "stdin"), ("port", "80\x008080")), fin=True)
        decoded = Decoder().feed(Encoder().encode(frame))
        self.assertEqual(decoded, [frame])
        self.assertEqual(value_of(frame.headers, "streamtype"), "stdin")
        self.assertEqual(value_of(frame.headers, "other"), "")

    def test_long_data_comes_as_it_arrives(self) -> None:
        wire = Encoder().encode(Data(1, b"abcdef", True))
        decoder = Decoder()
        self.assertEqual(decoder.feed(wire[:11]), [Data(1, b"abc")])
        self.assertEqual(decoder.feed(b""), [])
        self.assertEqual(decoder.feed(wire[11:]), [Data(1, b"def", True)])

    def test_unknown_control_frames_are_skipped(self) -> None:
        self.assertEqual(Decoder().feed(control(5, b"") + control(77, b"xyz") + control(6, bytes(4))), [Ping(0)])

    def test_too_much_for_one_frame(self) -> None:
        self.assertRaises(ValueError, Encoder().encode, Data(1, bytes(MAX_DATA + 1)))


class Refusals(SynchronousTestCase):
    def refused(self, wire: bytes) -> None:
        decoder = Decoder()
        error = self.assertRaises(SpdyError, decoder.feed, wire)
        self.assertIs(self.assertRaises(SpdyError, decoder.feed, b""), error)

    def test_other_versions(self) -> None:
        self.refused(control(6, bytes(4), version=2))
        self.refused(b"\xc0\x03\x00\x06\x00\x00\x00\x04")

    def test_short_frames(self) -> None:
        for kind in (1, 2, 3, 4, 6, 7, 8, 9):
            self.refused(control(kind, b"\x00"))

    def test_a_huge_control_frame_is_refused_before_it_has_arrived(self) -> None:
        self.refused(control(1, b"", size=(1 << 24) - 1))

    def test_settings_of_another_length(self) -> None:
        self.refused(control(4, struct.pack("!I", 2) + bytes(8)))

    def test_header_blocks(self) -> None:
        one = struct.pack("!I", 1)
        pair = struct.pack("!I", 1) + b"a" + struct.pack("!I", 0)
        for packed in (
            b"",
            b"not zlib",
            block(one + struct.pack("!I", 99) + b"a"),
            block(one + pair + b"tail"),
            block(struct.pack("!I", 2) + pair + pair),
            block(one + bytes(8)),
            block(struct.pack("!I", (1 << 32) - 1)),
            zlib.compress(one + pair),
        ):
            self.refused(control(2, bytes(4) + packed))

    def test_a_header_bomb(self) -> None:
        packed = block(struct.pack("!I", 1) + bytes(10_000_000))
        self.assertLess(len(packed), 256 * 1024)
        self.refused(control(2, bytes(4) + packed))

    def test_the_shared_compression_must_not_end(self) -> None:
        packer = zlib.compressobj(zdict=DICTIONARY)
        self.refused(control(2, bytes(4) + packer.compress(struct.pack("!I", 0)) + packer.flush()))


class Properties(SynchronousTestCase):
    @given(st.lists(FRAMES, max_size=12), st.integers(1, 60))
    def test_round_trip(self, frames: list[Frame], size: int) -> None:
        encoder, decoder = Encoder(), Decoder()
        wire = b"".join(encoder.encode(frame) for frame in frames)
        pieces = [wire[at : at + size] for at in range(0, len(wire), size)]
        self.assertEqual(joined([f for piece in pieces for f in decoder.feed(piece)]), joined(frames))

    @given(st.lists(st.binary(max_size=40)))
    def test_fails_in_no_other_way(self, pieces: list[bytes]) -> None:
        decoder = Decoder()
        try:
            for piece in pieces:
                decoder.feed(piece)
        except SpdyError as error:
            self.assertEqual(error.code, 400)

    @given(st.integers(0, 12), st.binary(max_size=40))
    def test_bodies_fail_in_no_other_way(self, kind: int, body: bytes) -> None:
        self.good_or_refused(control(kind, body))

    @given(st.sampled_from([b"\x80\x03\x00\x01", b"\x80\x03\x00\x02"]), st.binary(max_size=40))
    def test_header_blocks_fail_in_no_other_way(self, head: bytes, plain: bytes) -> None:
        body = bytes(10 if head[3] == 1 else 4) + block(plain)
        self.good_or_refused(head + len(body).to_bytes(4, "big") + body)

    def good_or_refused(self, wire: bytes) -> None:
        try:
            frames = Decoder().feed(wire)
        except SpdyError as error:
            self.assertEqual(error.code, 400)
        else:
            self.assertLessEqual(len(frames), 1)
