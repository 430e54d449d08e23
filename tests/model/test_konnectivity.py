from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import UpstreamMalformed
from clustergateway.model.konnectivity import (
    CloseDial,
    CloseRequest,
    CloseResponse,
    Data,
    DataCodec,
    DialRequest,
    DialResponse,
    Drain,
    Packet,
    Unknown,
    decode,
    encode,
)

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(max_size=40)
PACKETS: st.SearchStrategy[Packet] = st.one_of(
    st.builds(DialRequest, TEXT, INT64, TEXT),
    st.builds(DialResponse, INT64, INT64, TEXT),
    st.builds(Data, INT64, st.binary(), TEXT),
    st.builds(CloseRequest, INT64),
    st.builds(CloseResponse, INT64, TEXT),
    st.builds(CloseDial, INT64),
    st.just(Drain()),
    st.builds(Unknown, st.integers(7, 2**31 - 1)),
)


class PacketTests(SynchronousTestCase):
    """The examples are what Google's protobuf makes of the same packets."""

    EXAMPLES = (
        (DialRequest("c1:443", 5), "120f 0a03746370 120663313a343433 1805"),
        (DialResponse(5, 300), "0801 1a05 10ac02 1805"),
        (DialResponse(5, error="no"), "0801 1a06 0a026e6f 1805"),
        (CloseRequest(300), "0802 2a03 08ac02"),
        (CloseResponse(300, "x"), "0803 3206 0a0178 10ac02"),
        (Data(300, b"hi"), "0804 2207 08ac02 1a026869"),
        (CloseDial(-1), "0805 3a0b 08ffffffffffffffffff01"),
        (Drain(), "0806 4200"),
    )

    def test_examples(self) -> None:
        for packet, text in self.EXAMPLES:
            self.assertEqual(bytes.fromhex(text), encode(packet))
            self.assertEqual(packet, decode(bytes.fromhex(text)))

    @given(PACKETS)
    def test_round_trip(self, packet: Packet) -> None:
        self.assertEqual(packet, decode(encode(packet)))

    @given(st.binary())
    def test_fails_in_no_other_way(self, data: bytes) -> None:
        try:
            decode(data)
        except UpstreamMalformed as error:
            self.assertEqual("tunnel", error.hop)

    @given(PACKETS, st.data())
    def test_a_cut_packet_fails_in_no_other_way(self, packet: Packet, data: st.DataObject) -> None:
        whole = encode(packet)
        try:
            decode(whole[: data.draw(st.integers(0, len(whole)))])
        except UpstreamMalformed:
            pass

    def test_malformed(self) -> None:
        for text in ("08", "0880", "ff" * 11, "12", "1205", "120f0a03", "00", "0b", "2201ff", "1a03 0a01ff"):
            with self.assertRaises(UpstreamMalformed, msg=text):
                decode(bytes.fromhex("0801" * text.startswith("1a") + "0804" * text.startswith("22") + text))

    def test_unknown_fields_are_ignored(self) -> None:
        plain = encode(CloseRequest(3))
        for extra in ("7801", "7a0161", "790000000000000000", "7d00000000"):
            self.assertEqual(CloseRequest(3), decode(plain + bytes.fromhex(extra)))
            self.assertEqual(CloseRequest(3), decode(bytes.fromhex(extra) + plain))

    def test_the_payload_must_be_that_of_the_type(self) -> None:
        self.assertEqual(Data(0, b""), decode(bytes.fromhex("0804 2a0308ac02")))
        self.assertEqual(DialRequest("", 0, ""), decode(b""))

    def test_the_last_value_counts(self) -> None:
        self.assertEqual(CloseRequest(2), decode(bytes.fromhex("0802 2a04 08010802")))
        self.assertEqual(CloseRequest(2), decode(bytes.fromhex("0802 2a020801 2a020802")))


class DataCodecTests(SynchronousTestCase):
    """The quick way and the general one agree."""

    @given(INT64, st.binary(min_size=1, max_size=70000))
    def test_prefix(self, connect_id: int, data: bytes) -> None:
        self.assertEqual(encode(Data(connect_id, data)), DataCodec(connect_id).prefix(len(data)) + data)

    @given(INT64, st.binary(min_size=1, max_size=70000))
    def test_data(self, connect_id: int, data: bytes) -> None:
        self.assertEqual(data, DataCodec(connect_id).data(encode(Data(connect_id, data))))

    @given(PACKETS, st.integers(0, 3))
    def test_nothing_but_own_data(self, packet: Packet, connect_id: int) -> None:
        data = DataCodec(connect_id).data(encode(packet))
        if data is not None:
            self.assertEqual(Data(connect_id, data), packet)

    @given(st.binary(max_size=12), st.integers(0, 3))
    def test_whatever_it_understands_decode_understands_alike(self, tail: bytes, connect_id: int) -> None:
        message = b"\x08\x04\x22" + tail
        data = DataCodec(connect_id).data(message)
        if data is not None:
            self.assertEqual(Data(connect_id, data), decode(message))

    def test_another_connection(self) -> None:
        self.assertIsNone(DataCodec(7).data(encode(Data(8, b"x"))))

    def test_with_an_error_text(self) -> None:
        self.assertIsNone(DataCodec(7).data(encode(Data(7, b"x", "odd"))))
