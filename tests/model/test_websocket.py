"""Frames of RFC 6455, both directions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.websocket import (
    CloseCode,
    Decoder,
    Message,
    Opcode,
    WebSocketError,
    accept_key,
    apply_mask,
    close_status,
    encode_close,
    encode_frame,
)

MASK = b"\x37\xfa\x21\x3d"


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


class ExamplesOfTheRfc(SynchronousTestCase):
    """RFC 6455 sections 1.3 and 5.7."""

    def test_accept_key(self) -> None:
        self.assertEqual(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")

    def test_unmasked_text(self) -> None:
        wire = bytes.fromhex("810548656c6c6f")
        self.assertEqual(encode_frame(Opcode.TEXT, b"Hello"), wire)
        self.assertEqual(Decoder(masked=False).feed(wire), [Message(Opcode.TEXT, b"Hello")])

    def test_masked_text(self) -> None:
        wire = bytes.fromhex("818537fa213d7f9f4d5158")
        self.assertEqual(encode_frame(Opcode.TEXT, b"Hello", mask=MASK), wire)
        self.assertEqual(Decoder(masked=True).feed(wire), [Message(Opcode.TEXT, b"Hello")])

    def test_fragments_with_a_ping_between(self) -> None:
        wire = bytes.fromhex("010348656c") + bytes.fromhex("890548656c6c6f") + bytes.fromhex("80026c6f")
        self.assertEqual(
            Decoder(masked=False).feed(wire), [Message(Opcode.PING, b"Hello"), Message(Opcode.TEXT, b"Hello")]
        )

    def test_lengths(self) -> None:
        for size, head in ((125, "827d"), (126, "827e007e"), (65535, "827effff"), (65536, "827f0000000000010000")):
            wire = encode_frame(Opcode.BINARY, b"x" * size)
            self.assertEqual(wire[: len(head) // 2], bytes.fromhex(head))
            self.assertEqual(Decoder(masked=False).feed(wire), [Message(Opcode.BINARY, b"x" * size)])


class Refusals(SynchronousTestCase):
    def refused(self, wire: bytes, *, masked: bool = False, limit: int = 1000) -> CloseCode:
        decoder = Decoder(masked=masked, limit=limit)
        error = self.assertRaises(WebSocketError, decoder.feed, wire)
        self.assertIs(self.assertRaises(WebSocketError, decoder.feed, b""), error)
        assert isinstance(error, WebSocketError)
        return error.close_code

    def test_wrong_masking(self) -> None:
        self.refused(encode_frame(Opcode.TEXT, b"x"), masked=True)
        self.refused(encode_frame(Opcode.TEXT, b"x", mask=MASK), masked=False)

    def test_malformed_frames(self) -> None:
        for wire in (
            b"\xc1\x00",  # reserved bit
            b"\x83\x00",  # unknown opcode
            b"\x09\x00",  # fragmented ping
            b"\x89\x7e\x00\x80",  # long ping
            b"\x80\x00",  # continues nothing
            b"\x02\x00\x82\x00",  # a message inside a message
            b"\x82\x7e\x00\x7d",  # length not minimal
            b"\x82\x7f" + (65535).to_bytes(8, "big"),
            b"\x82\x7f\xff" + bytes(7),  # sign bit
            b"\x88\x01\x03",  # half a status code
            b"\x88\x02" + (1005).to_bytes(2, "big"),  # a code that never travels
        ):
            self.assertEqual(self.refused(wire), CloseCode.PROTOCOL_ERROR, wire)

    def test_text_that_is_not_utf8(self) -> None:
        self.assertEqual(self.refused(b"\x81\x01\xff"), CloseCode.INVALID_DATA)
        self.assertEqual(self.refused(b"\x88\x03\x03\xe8\xff"), CloseCode.INVALID_DATA)

    def test_too_large_is_refused_before_it_has_arrived(self) -> None:
        self.assertEqual(self.refused(b"\x82\x7e\x03\xe9"), CloseCode.TOO_BIG)

    def test_too_large_in_fragments(self) -> None:
        piece = encode_frame(Opcode.BINARY, b"x" * 600, final=False)
        rest = encode_frame(Opcode.CONTINUATION, b"x" * 401)
        self.assertEqual(self.refused(piece + rest), CloseCode.TOO_BIG)

    def test_endless_empty_fragments(self) -> None:
        wire = b"\x02\x00" + b"\x00\x00" * 1001
        self.assertEqual(self.refused(wire), CloseCode.TOO_BIG)


class Closing(SynchronousTestCase):
    def test_close_ends_it(self) -> None:
        decoder = Decoder(masked=False)
        payload = encode_close(CloseCode.NORMAL, "bye")
        after = encode_frame(Opcode.TEXT, b"late") + b"\xff\xff\xff"
        messages = decoder.feed(encode_frame(Opcode.CLOSE, payload) + after)
        self.assertEqual(messages, [Message(Opcode.CLOSE, payload)])
        self.assertEqual(close_status(payload), (1000, "bye"))
        self.assertEqual(decoder.feed(after), [])

    def test_close_without_a_status(self) -> None:
        self.assertEqual(Decoder(masked=False).feed(b"\x88\x00"), [Message(Opcode.CLOSE)])
        self.assertEqual(close_status(b""), (1005, ""))

    def test_long_reason_is_cut_between_characters(self) -> None:
        payload = encode_close(CloseCode.GOING_AWAY, "ä" * 100)
        self.assertEqual(len(payload), 124)
        self.assertEqual(close_status(payload), (1001, "ä" * 61))


MESSAGES = st.lists(
    st.one_of(
        st.builds(Message, st.sampled_from([Opcode.BINARY]), st.binary(max_size=70000)),
        st.builds(Message, st.just(Opcode.TEXT), st.text().map(str.encode)),
        st.builds(Message, st.sampled_from([Opcode.PING, Opcode.PONG]), st.binary(max_size=125)),
    ),
    max_size=8,
)


class Properties(SynchronousTestCase):
    @given(MESSAGES, st.one_of(st.none(), st.binary(min_size=4, max_size=4)), st.integers(1, 5000))
    def test_round_trip(self, messages: list[Message], mask: bytes | None, size: int) -> None:
        wire = b"".join(encode_frame(message.opcode, message.payload, mask=mask) for message in messages)
        decoder = Decoder(masked=mask is not None)
        self.assertEqual([m for piece in chunks(wire, size) for m in decoder.feed(piece)], messages)

    @given(st.binary(max_size=500), st.integers(1, 60))
    def test_fragmentation_changes_nothing(self, payload: bytes, size: int) -> None:
        pieces = chunks(payload, size) or [b""]
        wire = b"".join(
            encode_frame(Opcode.CONTINUATION if index else Opcode.BINARY, piece, final=index == len(pieces) - 1)
            for index, piece in enumerate(pieces)
        )
        self.assertEqual(Decoder(masked=False).feed(wire), [Message(Opcode.BINARY, payload)])

    @given(st.lists(st.binary(max_size=40)), st.booleans())
    def test_fails_in_no_other_way(self, pieces: list[bytes], masked: bool) -> None:
        decoder = Decoder(masked=masked, limit=1000)
        try:
            for piece in pieces:
                for message in decoder.feed(piece):
                    if message.opcode is Opcode.CLOSE:
                        close_status(message.payload)
        except WebSocketError as error:
            self.assertEqual(error.code, 400)

    @given(st.binary(max_size=100), st.binary(min_size=4, max_size=4))
    def test_mask_undoes_itself(self, payload: bytes, mask: bytes) -> None:
        self.assertEqual(apply_mask(apply_mask(payload, mask), mask), payload)
        self.assertEqual(apply_mask(payload, mask), bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))
