"""Tests for L{clustergateway.cli.sessions}."""

from __future__ import annotations

import argparse
import io
from contextlib import redirect_stdout
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.cli import sessions
from clustergateway.errors import ConfigurationError
from clustergateway.model.asciicast import Event, Header, NotACast, exit_marker
from clustergateway.model.channels import TerminalSize

ABOUT = {"user": "jane", "cluster": "east", "namespace": "default", "pod": "web"}
EVENTS = [Event(0.5, "o", "$ "), Event(1.0, "i", "ls\r"), Event(61.0, "o", "file\r\n"), Event(62.0, "r", "80x25")]


class World(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()

    def cast(self, name: str, timestamp: int, command: str = "sh", *more: Event) -> Path:
        header = Header(TerminalSize(80, 24), timestamp, "", command, ABOUT)
        path = self.folder / name
        path.write_text("".join([header.line(), *(event.line() for event in (*EVENTS, *more))]), newline="\n")
        return path

    def run_it(self, *arguments: str) -> str:
        parser = argparse.ArgumentParser()
        sessions.arguments(parser)
        out = io.StringIO()
        with redirect_stdout(out):
            self.assertEqual(sessions.main(parser.parse_args(arguments)), 0)
        return out.getvalue()


class ListTests(World):
    def test_oldest_first(self) -> None:
        self.cast("b.cast", 1_700_000_000)
        self.cast("a.cast", 1_700_000_060, "sh", exit_marker(63.0, 3))
        self.assertEqual(
            [line.split() for line in self.run_it("list", str(self.folder)).splitlines()],
            [
                ["STARTED", "SECONDS", "EXIT", "USER", "CLUSTER", "NAMESPACE", "POD", "COMMAND", "FILE"],
                ["2023-11-14T22:13:20Z", "62", "-", "jane", "east", "default", "web", "sh", "b.cast"],
                ["2023-11-14T22:14:20Z", "63", "3", "jane", "east", "default", "web", "sh", "a.cast"],
            ],
        )

    def test_what_is_no_recording_is_left_out(self) -> None:
        (self.folder / "x.cast").write_text("nothing")
        (self.folder / "y.txt").write_text("nothing")
        (self.folder / "z.cast").write_text(Header(timestamp=1 << 60).line())
        self.assertEqual(self.run_it("list", str(self.folder)).count("\n"), 2)

    def test_nothing_in_it_reaches_the_terminal(self) -> None:
        self.cast("a.cast", 0, "sh -c \x1b]0;gotcha\x07\nx")
        self.assertNotIn("\x1b", self.run_it("list", str(self.folder)))

    def test_no_folder(self) -> None:
        self.assertRaises(ConfigurationError, self.run_it, "list", str(self.folder / "none"))


class PlayTests(World):
    def test_at_once(self) -> None:
        self.assertEqual(self.run_it("play", str(self.cast("a.cast", 0)), "--speed", "0"), "$ file\r\n")

    def test_at_its_pace(self) -> None:
        clock, out = Clock(), io.StringIO()
        playing = sessions.play([event for event in EVENTS if event.code == "o"], out, clock, 2.0, 10.0)
        seen = []
        for _ in range(22):
            seen.append(out.getvalue())
            clock.advance(0.25)
        self.assertEqual(seen[0:2], ["", "$ "])
        self.assertEqual(seen[20:22], ["$ ", "$ file\r\n"])
        self.successResultOf(playing)

    def test_what_is_wrong(self) -> None:
        (self.folder / "x.cast").write_text("nothing")
        self.assertRaises(NotACast, self.run_it, "play", str(self.folder / "x.cast"))
        self.assertRaises(ConfigurationError, self.run_it, "play", str(self.folder / "none.cast"))
        self.assertRaises(ConfigurationError, self.run_it, "play", "x", "--speed", "-1")
