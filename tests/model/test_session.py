"""Tests for L{clustergateway.model.session}."""

from __future__ import annotations

import base64
import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import GatewayError
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
from clustergateway.model.websocket import Opcode, encode_frame
from clustergateway.settings import Limits

MASK = b"\x01\x02\x03\x04"
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


class FuzzTests(SynchronousTestCase):
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
