"""Tests for L{clustergateway.observe.recording}."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from shutil import which
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError, GatewayError, ServiceUnavailable
from clustergateway.model import spdy
from clustergateway.model.asciicast import Event, Header, parse_events, parse_header
from clustergateway.model.auditpolicy import Session
from clustergateway.model.channels import Channel, TerminalSize, encode_message, encode_size, exit_status
from clustergateway.model.identity import Identity
from clustergateway.model.record import Record
from clustergateway.model.websocket import Opcode, encode_frame
from clustergateway.observe.recording import FLUSH, Recording, SessionRecorder

HEAD = (
    b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Protocol: v5.channel.k8s.io\r\n"
    b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
)
SPDY = (
    b"HTTP/1.1 101 Switching Protocols\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n"
    b"Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
)
TARGET = (
    "/x/proxy/api/v1/namespaces/default/pods/web/exec?command=sh&command=-c&command=echo%20hi&container=main&tty=true"
)


def shown(text: bytes, channel: Channel = Channel.STDOUT) -> bytes:
    return encode_frame(Opcode.BINARY, encode_message(channel, text))


def typed(text: bytes, channel: Channel = Channel.STDIN) -> bytes:
    return encode_frame(Opcode.BINARY, encode_message(channel, text), mask=b"abcd")


def resized(width: int, height: int) -> bytes:
    return typed(encode_size(TerminalSize(width, height)), Channel.RESIZE)


def record(**more: Any) -> Record:
    given: dict[str, Any] = {
        "audit_id": "id-1",
        "identity": Identity("jane"),
        "impersonated": Identity("reader"),
        "cluster": "east",
        "namespace": "default",
        "resource": "pods",
        "subresource": "exec",
        "name": "web",
        **more,
    }
    return Record("GET", TARGET, 0.0, **given)


class World(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000_000)
        self.folder = Path(self.mktemp())
        self.recorder = SessionRecorder(str(self.folder), self.clock)

    def begin(self, session: Session = Session(), head: bytes = HEAD) -> Recording:  # noqa: B008 - frozen
        recording = self.recorder.begin(record(), session)
        assert recording is not None
        recording.response_head(101, head)
        return recording

    def cast(self) -> tuple[Header, list[Event]]:
        (path,) = self.folder.glob("*.cast")
        header, *events = path.read_text().splitlines(keepends=True)
        return parse_header(header), list(parse_events(events))


class RecordingTests(World):
    def test_a_session(self) -> None:
        recording = self.begin()
        recording.request_data(resized(100, 30))
        self.clock.advance(1)
        recording.response_data(shown(b"$ "))
        self.clock.advance(0.25)
        recording.request_data(typed(b"ls\r"))
        recording.response_data(shown(b"ls\r\n") + shown(b"oops", Channel.STDERR))
        recording.request_data(resized(80, 25))
        recording.ended()
        header, events = self.cast()
        about = {
            "auditID": "id-1",
            "user": "jane",
            "impersonated": "reader",
            "cluster": "east",
            "namespace": "default",
            "pod": "web",
            "container": "main",
            "kind": "exec",
            "command": "sh -c echo hi",
        }
        self.assertEqual(header, Header(TerminalSize(100, 30), 1_000_000_000, "jane in east", "sh -c echo hi", about))
        self.assertEqual(
            events,
            [
                Event(1.0, "o", "$ "),
                Event(1.25, "o", "ls\r\n"),
                Event(1.25, "o", "oops"),
                Event(1.25, "r", "80x25"),
            ],
        )
        self.assertEqual((self.recorder.recorded, self.recorder.failed, recording.problem), (1, 0, ""))

    def test_what_is_typed_only_if_wanted(self) -> None:
        recording = self.begin(Session(stdin=True))
        recording.request_data(typed(b"secret"))
        recording.ended()
        self.assertEqual(self.cast()[1], [Event(0.0, "i", "secret")])

    def test_the_size_may_come_late(self) -> None:
        recording = self.begin()
        recording.response_data(shown(b"x"))
        recording.request_data(resized(100, 30))
        self.clock.advance(FLUSH)
        self.assertEqual(self.cast()[0].size, TerminalSize(100, 30))

    def test_a_terminal_that_does_not_know_its_size(self) -> None:
        recording = self.begin()
        recording.request_data(resized(0, 0))
        recording.response_data(shown(b"x"))
        recording.ended()
        self.assertEqual(self.cast(), (self.cast()[0], [Event(0.0, "o", "x")]))
        self.assertEqual(self.cast()[0].size, TerminalSize(80, 24))

    def test_it_is_in_the_file_soon(self) -> None:
        recording = self.begin()
        recording.response_data(shown(b"x"))
        self.clock.advance(FLUSH)
        self.assertEqual(len(self.cast()[1]), 1)
        recording.ended()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_character_in_two_pieces(self) -> None:
        recording = self.begin()
        first, second = "é".encode()[:1], "é".encode()[1:]
        recording.response_data(shown(first))
        recording.response_data(shown(second))
        recording.response_data(shown(first))
        recording.ended()
        self.assertEqual("".join(event.text for event in self.cast()[1]), "é\ufffd")

    def test_nothing_is_left_of_a_refusal(self) -> None:
        recording = self.recorder.begin(record(), Session())
        assert recording is not None
        recording.response_head(403, b"HTTP/1.1 403 Forbidden\r\n\r\n")
        recording.response_data(b'{"kind":"Status"}')
        recording.ended()
        self.assertEqual(list(self.folder.iterdir()), [])
        self.assertEqual((recording.name, self.recorder.recorded, self.recorder.failed), ("", 0, 0))

    def test_nothing_is_shown(self) -> None:
        recording = self.begin()
        recording.ended()
        header, events = self.cast()
        self.assertEqual((header.about["user"], header.size, events), ("jane", TerminalSize(80, 24), []))
        self.assertEqual((self.recorder.recorded, self.recorder.failed), (1, 0))
        self.assertTrue(recording.name.endswith(".cast"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nothing_is_shown_yet(self) -> None:
        self.begin()
        self.clock.advance(FLUSH)
        self.assertEqual(self.cast()[1], [])

    def test_only_typed(self) -> None:
        recording = self.begin()
        recording.request_data(typed(b"rm -rf /"))
        recording.ended()
        self.assertEqual(self.cast()[1], [])

    def test_how_it_ended(self) -> None:
        for code in (0, 3):
            self.setUp()
            recording = self.begin()
            recording.response_data(shown(json.dumps(exit_status(code)).encode(), Channel.ERROR))
            self.clock.advance(2)
            recording.ended()
            self.assertEqual(self.cast()[1], [Event(2.0, "m", f"exit status {code}")])

    def test_nothing_is_shown_over_spdy(self) -> None:
        recording = self.begin(head=SPDY)
        client, server = spdy.Encoder(), spdy.Encoder()
        for number, streamtype in ((1, "error"), (3, "stdout")):
            recording.request_data(client.encode(spdy.SynStream(number, (("streamtype", streamtype),))))
        status = json.dumps(exit_status(0)).encode()
        recording.response_data(server.encode(spdy.Data(1, status, True)))
        recording.ended()
        self.assertEqual(self.cast()[1], [Event(0.0, "m", "exit status 0")])

    def test_where_it_came_from(self) -> None:
        recording = self.recorder.begin(record(address="10.0.0.1", forwarded=("192.0.2.1",)), Session())
        assert recording is not None
        recording.response_head(101, HEAD)
        recording.ended()
        self.assertEqual(self.cast()[0].about["address"], "192.0.2.1, 10.0.0.1")

    def test_names_do_not_collide_nor_escape(self) -> None:
        for _ in range(2):
            recording = self.recorder.begin(record(audit_id="../../x", cluster="/etc"), Session())
            assert recording is not None
            recording.response_head(101, HEAD)
            recording.response_data(shown(b"x"))
            recording.ended()
        names = sorted(each.name for each in self.folder.iterdir())
        self.assertEqual(len(names), 2)
        for name in names:
            self.assertRegex(name, r"^20010909T014640Z_-etc_default_web_\.\.-\.\.-x(_1)?\.cast$")
        self.assertEqual(self.folder.stat().st_mode & 0o077, 0)


class FailureTests(World):
    def setUp(self) -> None:
        super().setUp()
        self.stopped: list[GatewayError] = []

    def outcome(self, session: Session, *pieces: bytes, head: bytes = HEAD) -> tuple[Recording, bool]:
        recording = self.recorder.begin(record(), session)
        assert recording is not None
        recording.bind(self.stopped.append)
        recording.response_head(101, head)
        for piece in pieces:
            recording.response_data(piece)
        self.clock.advance(FLUSH)
        return recording, bool(self.stopped)

    def test_what_cannot_be_understood(self) -> None:
        nonsense = b"\xff\xff\xff"
        recording, stopped = self.outcome(Session(), shown(b"good"), nonsense, shown(b"after"))
        self.assertFalse(stopped)
        recording.ended()
        self.assertEqual([event.text for event in self.cast()[1]], ["good"])
        self.assertEqual((self.recorder.recorded, self.recorder.failed), (0, 1))
        self.assertTrue(self.outcome(Session(required=True), nonsense)[1])
        self.assertEqual(self.stopped[0].code, 503)

    def test_an_unknown_protocol(self) -> None:
        head = HEAD.replace(b"websocket", b"h2c")
        self.assertFalse(self.outcome(Session(), head=head)[1])
        self.assertTrue(self.outcome(Session(required=True), head=head)[1])

    def test_too_large(self) -> None:
        self.recorder.max_bytes = 30
        recording, stopped = self.outcome(Session(), shown(b"x"), shown(b"y" * 30), shown(b"z"))
        self.assertFalse(stopped)
        recording.ended()
        self.assertEqual([event.text for event in self.cast()[1]], ["x"])
        self.assertIn("larger", recording.problem)
        self.assertTrue(self.outcome(Session(required=True), shown(b"y" * 30))[1])

    def test_its_end_is_still_heard_of(self) -> None:
        self.recorder.max_bytes = 30
        recording, _ = self.outcome(Session(), shown(b"y" * 30))
        recording.response_data(shown(json.dumps(exit_status(3)).encode(), Channel.ERROR))
        recording.ended()
        self.assertEqual((recording.exit_code, self.cast()[1]), (3, []))

    def test_the_client_is_told(self) -> None:
        self.recorder.max_bytes = 30
        recording, _ = self.outcome(Session(required=True), shown(b"y" * 30))
        self.assertIn(b"its recording has ended: it is larger than 30 bytes", recording.parting(self.stopped[0]))
        recording, _ = self.outcome(Session(required=True), b"\xff\xff\xff")
        self.assertEqual(recording.parting(self.stopped[0]), b"")
        recording, _ = self.outcome(Session(required=True), head=HEAD.replace(b"websocket", b"h2c"))
        self.assertEqual(recording.parting(self.stopped[0]), b"")

    def test_no_file(self) -> None:
        os.rmdir(self.folder)
        self.assertIsNone(self.recorder.begin(record(), Session()))
        error = self.assertRaises(ServiceUnavailable, self.recorder.begin, record(), Session(required=True))
        self.assertEqual(error.cluster, "east")
        self.assertEqual(self.recorder.failed, 2)

    def test_no_folder(self) -> None:
        path = self.mktemp()
        Path(path).write_text("a file")
        self.assertRaises(ConfigurationError, SessionRecorder, path, self.clock)


class AsciinemaTests(World):
    if which("asciinema") is None or which("script") is None:
        skip = "asciinema, or script to give it a terminal, is not installed"

    def test_a_player_shows_what_the_user_saw(self) -> None:
        recording = self.begin()
        recording.request_data(resized(80, 24))
        for line in (b"$ echo hi\r\n", b"hi\r\n", "grün\r\n".encode()):
            self.clock.advance(5)
            recording.response_data(shown(line))
        recording.request_data(resized(100, 30))
        recording.ended()
        (path,) = self.folder.glob("*.cast")
        played = subprocess.run(
            ["script", "-qec", f"asciinema cat {path}", "/dev/null"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, "LANG": "C.UTF-8"},
            check=True,
        )
        self.assertEqual(played.stdout, "$ echo hi\r\nhi\r\ngrün\r\n".encode())
