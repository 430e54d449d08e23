"""Tests for L{clustergateway.observe.auditfile}."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.observe.auditfile import FileSink


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.path = self.folder / "audit.log"

    def sink(self, max_bytes: int = 0, backups: int = 0) -> FileSink:
        sink = FileSink(str(self.path), self.clock, max_bytes, backups)
        self.addCleanup(sink.close)
        return sink

    def names(self) -> list[str]:
        return sorted(each.name for each in self.folder.iterdir())

    def test_lines_behind_what_is_there(self) -> None:
        self.path.write_text("before\n")
        sink = self.sink()
        sink.write(["a", "b"])
        sink.write(["c"])
        self.assertEqual(self.path.read_text(), "before\na\nb\nc\n")
        self.assertEqual(sink.written, 3)

    def test_nobody_else_reads_it(self) -> None:
        self.sink()
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_it_is_set_aside_when_full(self) -> None:
        sink = self.sink(max_bytes=10)
        sink.write(["12345678"])
        self.assertEqual(self.names(), ["audit.log"])
        self.clock.advance(61)
        sink.write(["abc"])
        self.assertEqual(self.names(), ["audit-1970-01-01T00-01-01.log", "audit.log"])
        self.assertEqual(self.path.read_text(), "abc\n")

    def test_an_event_larger_than_a_file(self) -> None:
        sink = self.sink(max_bytes=3)
        sink.write(["12345678"])
        self.assertEqual(self.path.read_text(), "12345678\n")

    def test_two_in_one_second_and_the_oldest_goes(self) -> None:
        sink = self.sink(max_bytes=1, backups=2)
        for number in range(5):
            sink.write([f"{number}"])
        contents = sorted(each.read_text() for each in self.folder.iterdir())
        self.assertEqual(contents, ["2\n", "3\n", "4\n"])

    def test_a_file_that_somebody_moved(self) -> None:
        sink = self.sink()
        sink.write(["a"])
        self.path.rename(self.folder / "old")
        sink.write(["b"])
        self.assertEqual(self.path.read_text(), "b\n")

    def test_what_cannot_be_written_is_dropped_and_counted(self) -> None:
        sink = self.sink()
        sink.write(["a"])
        self.path.unlink()
        self.path.mkdir()
        sink.write(["b", "c"])
        sink.write(["d"])
        self.assertEqual((sink.written, sink.dropped), (1, 3))
        self.path.rmdir()
        sink.write(["e"])
        self.assertEqual((sink.written, sink.dropped), (2, 3))
        self.assertEqual(self.path.read_text(), "e\n")

    def test_no_such_folder(self) -> None:
        error = self.assertRaises(ConfigurationError, FileSink, str(self.folder / "no" / "audit.log"), self.clock)
        self.assertIn("cannot be opened", error.message)

    def full(self, sink: FileSink, times: int) -> None:
        """Fill it up so many times."""
        for _ in range(times):
            self.clock.advance(1)
            sink.write(["x"])

    def test_only_what_it_set_aside_itself_goes(self) -> None:
        others = [
            *("audit-of-mysql.log", "audit-2020-01-01.log", "audit-2020-01-01T00-00-00.log.gz", "audit-x.log"),
            *("audit-2020-01-01T00-00-00.1.2.log", "audit-2020-01-01T00-00-00xlog", "xaudit-2020-01-01T00-00-00.log"),
        ]
        for name in others:
            (self.folder / name).write_text("precious")
            os.utime(self.folder / name, (0, 0))
        (self.folder / "audit-2020-01-01T00-00-00.log").mkdir()
        (self.folder / "audit-2020-01-01T00-00-01.log").symlink_to("audit-of-mysql.log")
        self.full(self.sink(max_bytes=1, backups=1), 4)
        kept = ["audit-2020-01-01T00-00-00.log", "audit-2020-01-01T00-00-01.log", "audit-1970-01-01T00-00-04.log"]
        self.assertEqual(self.names(), sorted([*others, *kept, "audit.log"]))

    def test_a_name_that_is_a_pattern(self) -> None:
        self.path = self.folder / "audit[a-z]*.log"
        other = self.folder / "auditx-1970-01-01T00-00-00.log"
        other.write_text("precious")
        self.full(self.sink(max_bytes=1, backups=1), 4)
        self.assertEqual(self.names(), sorted(["audit[a-z]*-1970-01-01T00-00-04.log", "audit[a-z]*.log", other.name]))

    def test_a_name_that_is_taken(self) -> None:
        (self.folder / "audit-1970-01-01T00-00-02.log").symlink_to("nowhere")
        self.full(self.sink(max_bytes=1), 2)
        self.assertEqual((self.folder / "audit-1970-01-01T00-00-02.1.log").read_text(), "x\n")

    def test_behind_a_link_the_target_is_set_aside(self) -> None:
        real = self.folder / "real"
        real.mkdir()
        self.path.symlink_to("real/events.jsonl")
        self.full(self.sink(max_bytes=1, backups=1), 4)
        self.assertTrue(self.path.is_symlink())
        self.assertEqual(self.names(), ["audit.log", "real"])
        self.assertEqual(
            sorted(each.name for each in real.iterdir()), ["events-1970-01-01T00-00-04.jsonl", "events.jsonl"]
        )

    def test_what_is_no_file_is_left_where_it_is(self) -> None:
        os.mkfifo(self.path)
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        sink = self.sink(max_bytes=1, backups=1)
        self.full(sink, 3)
        self.assertEqual(os.read(reader, 100), b"x\n" * 3)
        self.assertEqual((self.names(), sink.written), (["audit.log"], 3))
        self.path.unlink()
        self.path.symlink_to("/dev/null")
        self.full(self.sink(max_bytes=1, backups=1), 3)
        self.assertEqual(self.path.readlink(), Path("/dev/null"))

    def test_nobody_waits_for_a_reader(self) -> None:
        os.mkfifo(self.path)
        error = self.assertRaises(ConfigurationError, FileSink, str(self.path), self.clock)
        self.assertIn("cannot be opened", error.message)
