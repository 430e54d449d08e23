"""Tests for L{clustergateway.model.session}."""

from __future__ import annotations

import base64
import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import GatewayError, ServiceUnavailable
from clustergateway.model import spdy
from clustergateway.model.channels import (
    Channel,
    TerminalSize,
    encode_close,
    encode_message,
    encode_size,
    exit_status,
)
from clustergateway.model.http1answer import ResponseHead, parse_response
from clustergateway.model.session import Event, Piece, SessionDecoder, SpdySession, WebSocketSession, session_decoder
from clustergateway.model.websocket import Decoder, Message, Opcode, close_status, encode_frame
from clustergateway.settings import Limits

MASK = b"\x01\x02\x03\x04"
WHY = ServiceUnavailable("enough")
STDIN, STDOUT, STDERR = Channel.STDIN, Channel.STDOUT, Channel.STDERR


def answer(*lines: bytes) -> ResponseHead:
    head = parse_response(b"\r\n".join([b"HTTP/1.1 101 Switching Protocols", *lines, b"", b""]), Limits())
    assert head is not None
    return head


def shown(channel: Channel, data: bytes) -> bytes:
    return encode_frame(Opcode.BINARY, encode_message(channel, data))


def typed(channel: Channel, data: bytes) -> bytes:
    return encode_frame(Opcode.BINARY, encode_message(channel, data), mask=MASK)


def status(code: int) -> bytes:
    return json.dumps(exit_status(code)).encode()


class ChoiceTests(SynchronousTestCase):
    def test_by_the_answer(self) -> None:
        connection = b"Connection: Upgrade"
        for protocol in (b"v5.channel.k8s.io", b"v4.channel.k8s.io", b"channel.k8s.io", b"v4.base64.channel.k8s.io"):
            head = answer(connection, b"Upgrade: websocket", b"Sec-WebSocket-Protocol: " + protocol)
            self.assertIsInstance(session_decoder(head), WebSocketSession)
        self.assertIsInstance(session_decoder(answer(connection, b"Upgrade: WebSocket")), WebSocketSession)
        self.assertIsInstance(session_decoder(answer(connection, b"Upgrade: SPDY/3.1")), SpdySession)

    def test_not_known(self) -> None:
        portforward = b"Sec-WebSocket-Protocol: SPDY/3.1+portforward.k8s.io"
        self.assertIsNone(session_decoder(answer(b"Connection: Upgrade", b"Upgrade: websocket", portforward)))
        self.assertIsNone(session_decoder(answer(b"Connection: Upgrade", b"Upgrade: h2c")))


class WebSocketTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.session = WebSocketSession()

    def test_a_conversation(self) -> None:
        session = self.session
        self.assertEqual(
            session.client(typed(Channel.RESIZE, encode_size(TerminalSize(80, 24)))), [TerminalSize(80, 24)]
        )
        self.assertEqual(session.server(shown(STDOUT, b"$ ")), [Piece(STDOUT, b"$ ")])
        self.assertEqual(session.client(typed(STDIN, b"ls\n")), [Piece(STDIN, b"ls\n")])
        self.assertEqual(
            session.server(shown(STDOUT, b"a\n") + shown(STDERR, b"b\n")),
            [Piece(STDOUT, b"a\n"), Piece(STDERR, b"b\n")],
        )
        self.assertIsNone(session.exit_code)
        self.assertEqual(session.server(shown(Channel.ERROR, status(3))), [])
        self.assertEqual(session.exit_code, 3)

    def test_what_says_nothing(self) -> None:
        close = encode_frame(Opcode.BINARY, encode_close(STDIN), mask=MASK)
        ping = encode_frame(Opcode.PING, b"x", mask=MASK)
        empty = encode_frame(Opcode.BINARY, b"", mask=MASK)
        self.assertEqual(self.session.client(close + ping + empty + typed(STDIN, b"")), [])

    def test_nobody_speaks_for_the_other_side(self) -> None:
        self.assertEqual(self.session.client(typed(STDOUT, b"forged") + typed(Channel.ERROR, status(0))), [])
        self.assertEqual(self.session.server(shown(STDIN, b"forged")), [])
        self.assertIsNone(self.session.exit_code)

    def test_base64(self) -> None:
        session = WebSocketSession(base64_text=True)
        self.assertEqual(
            session.server(encode_frame(Opcode.TEXT, b"1" + base64.b64encode(b"hi"))), [Piece(STDOUT, b"hi")]
        )
        self.assertRaises(GatewayError, session.server, encode_frame(Opcode.TEXT, b"1%"))

    def test_a_status_in_pieces(self) -> None:
        whole = status(7)
        for piece in (whole[:40], whole[40:]):
            self.session.server(shown(Channel.ERROR, piece))
        self.assertEqual(self.session.exit_code, 7)

    def test_an_endless_status_is_not_kept(self) -> None:
        for _ in range(100):
            self.session.server(shown(Channel.ERROR, b" " * 10_000))
        self.assertIsNone(self.session.exit_code)

    def test_nonsense(self) -> None:
        self.assertRaises(GatewayError, self.session.client, b"\xff" * 10)
        self.assertRaises(GatewayError, WebSocketSession().client, typed(Channel.RESIZE, b"{"))
        self.assertRaises(GatewayError, WebSocketSession().server, shown(Channel.ERROR, b"x").replace(b"\x03", b"\x09"))


class WebSocketPartingTests(SynchronousTestCase):
    """What a client makes of a session that ends in the middle of what the server sends."""

    def told(self, sent: bytes, session: WebSocketSession | None = None) -> list[Message]:
        session = session or WebSocketSession()
        session.server(sent)
        parting = session.parting(WHY)
        return Decoder(masked=False).feed(sent + parting) if parting else []

    def status_of(self, message: Message) -> object:
        self.assertEqual(message.payload[:1], b"\3")
        found = json.loads(message.payload[1:])
        return found["message"], found["reason"], found["code"]

    def test_it_is_told_why(self) -> None:
        shown_, said, close = self.told(shown(STDOUT, b"hi"))
        self.assertEqual(shown_.payload, b"\1hi")
        self.assertEqual(self.status_of(said), ("enough", "ServiceUnavailable", 503))
        self.assertEqual((close.opcode, close_status(close.payload)), (Opcode.CLOSE, (1000, "")))

    def test_wherever_it_is_cut(self) -> None:
        for size in (5, 200, 70_000):
            sent = shown(STDOUT, b"x" * size)
            head = len(sent) - size - 1
            for cut in (0, head, head + 1, head + 3, len(sent)):
                *shown_, said, close = self.told(sent[:cut])
                self.assertEqual(self.status_of(said), ("enough", "ServiceUnavailable", 503))
                self.assertEqual(close.opcode, Opcode.CLOSE)
                begun = max(0, cut - head)
                expected = [b"\1" + b"x" * (begun - 1) + bytes(size + 1 - begun)] if begun else []
                self.assertEqual([each.payload for each in shown_], expected or [bytes(size + 1)] * bool(cut))

    def test_where_it_cannot_be(self) -> None:
        whole = shown(STDOUT, b"x" * 70_000)
        closed = encode_frame(Opcode.CLOSE, b"\x03\xe8")
        for sent in (whole[:1], whole[:3], closed, closed[:2], shown(STDOUT, b"x" * 2_000_000)[:100]):
            self.assertEqual(self.told(sent), [])

    def test_within_a_message_of_several_frames_a_close_says_it(self) -> None:
        (close,) = self.told(encode_frame(Opcode.BINARY, b"\1half", final=False))
        self.assertEqual(close_status(close.payload), (1008, "enough"))

    def test_behind_the_end_of_the_command_too(self) -> None:
        _, close = self.told(shown(Channel.ERROR, status(0)))
        self.assertEqual(close_status(close.payload), (1008, "enough"))

    def test_without_a_status_in_the_protocol_too(self) -> None:
        (close,) = self.told(b"", WebSocketSession(True, False))
        self.assertEqual(close_status(close.payload), (1008, "enough"))

    def test_by_the_protocol(self) -> None:
        for protocol, count in ((b"v5.channel.k8s.io", 2), (b"v4.channel.k8s.io", 2), (b"v3.channel.k8s.io", 1)):
            head = answer(b"Connection: Upgrade", b"Upgrade: websocket", b"Sec-WebSocket-Protocol: " + protocol)
            session = session_decoder(head)
            assert session is not None
            self.assertEqual(len(Decoder(masked=False).feed(session.parting(WHY))), count)


class SpdyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.session = SpdySession()
        self.client, self.server = spdy.Encoder(), spdy.Encoder()
        for number, kind in enumerate(("error", "stdin", "stdout", "resize")):
            self.sent(spdy.SynStream(2 * number + 1, (("streamtype", kind),)))

    def sent(self, frame: spdy.Frame) -> list[Event]:
        return self.session.client(self.client.encode(frame))

    def got(self, frame: spdy.Frame) -> list[Event]:
        return self.session.server(self.server.encode(frame))

    def test_a_conversation(self) -> None:
        self.assertEqual(self.got(spdy.SynReply(5)), [])
        self.assertEqual(self.got(spdy.Data(5, b"$ ")), [Piece(STDOUT, b"$ ")])
        self.assertEqual(self.sent(spdy.Data(3, b"ls\n")), [Piece(STDIN, b"ls\n")])
        self.assertEqual(self.sent(spdy.Data(3, b"", True)), [])
        self.assertEqual(self.got(spdy.Data(1, status(2), True)), [])
        self.assertEqual(self.session.exit_code, 2)

    def test_sizes_in_any_pieces(self) -> None:
        both = encode_size(TerminalSize(80, 24)) + b"\n" + encode_size(TerminalSize(100, 30)) + b"\n"
        for cut in range(len(both)):
            self.setUp()
            events = self.sent(spdy.Data(7, both[:cut])) + self.sent(spdy.Data(7, both[cut:]))
            self.assertEqual(events, [TerminalSize(80, 24), TerminalSize(100, 30)])

    def test_an_endless_size(self) -> None:
        self.assertRaises(GatewayError, self.sent, spdy.Data(7, b" " * 5000))

    def test_nobody_speaks_for_the_other_side(self) -> None:
        self.assertEqual(self.sent(spdy.Data(5, b"forged")) + self.sent(spdy.Data(1, status(0))), [])
        self.assertIsNone(self.session.exit_code)


class SpdyPartingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.session = SpdySession()
        self.server = spdy.Encoder()
        client = spdy.Encoder()
        for number, kind in enumerate(("error", "stdin", "stdout", "resize")):
            self.session.client(client.encode(spdy.SynStream(2 * number + 1, (("streamtype", kind),))))

    def frames(self, sent: bytes = b"") -> list[spdy.Frame]:
        self.session.server(sent)
        parting = self.session.parting(WHY)
        return spdy.Decoder().feed(sent + parting) if parting else []

    def test_it_is_told_why_and_every_stream_ends(self) -> None:
        error, *others, goaway = self.frames()
        assert isinstance(error, spdy.Data)
        self.assertEqual((error.stream_id, error.fin, json.loads(error.data)["message"]), (1, True, "enough"))
        self.assertEqual(others, [spdy.Data(number, b"", True) for number in (3, 5, 7)])
        self.assertEqual(goaway, spdy.GoAway(7))

    def test_in_the_middle_of_a_frame(self) -> None:
        whole = self.server.encode(spdy.Data(5, b"x" * 100, True))
        first, rest, *others = self.frames(whole[:20])
        assert isinstance(first, spdy.Data)
        self.assertEqual(first, spdy.Data(5, b"x" * 12 + bytes(88), True))
        self.assertEqual([each.stream_id for each in (rest, *others) if isinstance(each, spdy.Data)], [1, 3, 7])

    def test_where_it_cannot_be_told(self) -> None:
        for sent in (
            self.server.encode(spdy.SynReply(5))[:10],
            b"\0",
            self.server.encode(spdy.Data(5, bytes(1 << 21)))[:9],
        ):
            self.setUp()
            self.assertEqual(self.frames(sent), [])

    def test_what_has_ended_is_left_alone(self) -> None:
        ended = self.server.encode(spdy.Data(1, status(0), True)) + self.server.encode(spdy.Data(5, b"", True))
        *_, third, seventh, goaway = self.frames(ended)
        self.assertEqual((third, seventh, goaway), (spdy.Data(3, b"", True), spdy.Data(7, b"", True), spdy.GoAway(7)))

    def test_an_early_version_says_it_in_words(self) -> None:
        session = session_decoder(answer(b"Connection: Upgrade", b"Upgrade: SPDY/3.1"))
        assert session is not None
        session.client(spdy.Encoder().encode(spdy.SynStream(1, (("streamtype", "error"),))))
        self.assertEqual(spdy.Decoder().feed(session.parting(WHY))[0], spdy.Data(1, b"enough", True))


class FuzzTests(SynchronousTestCase):
    @given(st.lists(st.tuples(st.sampled_from(Channel), st.binary(max_size=300))), st.data())
    def test_a_client_understands_every_parting(self, said: list[tuple[Channel, bytes]], data: st.DataObject) -> None:
        sent = b"".join([shown(channel, text) for channel, text in said])
        cut = data.draw(st.integers(0, len(sent)))
        session = WebSocketSession()
        try:
            session.server(sent[:cut])
        except GatewayError:
            return
        parting = session.parting(WHY)
        if parting:
            self.assertEqual(Decoder(masked=False).feed(sent[:cut] + parting)[-1].opcode, Opcode.CLOSE)

    @given(st.sampled_from([WebSocketSession, SpdySession]), st.lists(st.tuples(st.booleans(), st.binary())))
    def test_it_fails_in_no_other_way(
        self, kind: type[WebSocketSession] | type[SpdySession], pieces: list[tuple[bool, bytes]]
    ) -> None:
        session: SessionDecoder = kind()
        try:
            for from_client, data in pieces:
                (session.client if from_client else session.server)(data)
        except GatewayError:
            pass

    @given(st.binary(), st.booleans(), st.booleans())
    def test_nor_within_messages(self, payload: bytes, text: bool, from_client: bool) -> None:
        session = WebSocketSession(text)
        try:
            if from_client:
                session.client(encode_frame(Opcode.BINARY, payload, mask=MASK))
            else:
                session.server(encode_frame(Opcode.BINARY, payload))
        except GatewayError:
            pass
