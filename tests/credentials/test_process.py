"""Tests for L{clustergateway.credentials.process}."""

from __future__ import annotations

import errno
import os

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.credentials.process import LARGEST_COMPLAINT, LARGEST_OUTPUT, Output, PluginFailed, run_plugin

from .processes import FakeProcesses


class RunTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.processes = FakeProcesses()

    def run_it(self) -> Deferred[Output]:
        return run_plugin(
            self.processes, self.clock, "/bin/plugin", ["plugin", "a"], {"A": "B"}, 5.0, self.processes.end_group
        )

    def failure(self, running: Deferred[Output]) -> PluginFailed:
        error = self.failureResultOf(running, PluginFailed).value
        assert isinstance(error, PluginFailed)
        return error

    def test_started_with_nothing_to_read(self) -> None:
        self.run_it().addErrback(lambda _: None)
        process = self.processes.last
        self.assertEqual((process.executable, process.args, process.env), ("/bin/plugin", ["plugin", "a"], {"A": "B"}))
        self.assertEqual(process.happened, ["closeStdin"])

    def test_output(self) -> None:
        running = self.run_it()
        self.processes.last.out(b"he")
        self.processes.last.err(b"warning")
        self.processes.last.out(b"llo")
        self.assertNoResult(running)
        self.processes.last.end()
        self.assertEqual(self.successResultOf(running), Output(b"hello", b"warning"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_code(self) -> None:
        running = self.run_it()
        self.processes.last.err(b"no such user")
        self.processes.last.end(3)
        error = self.failure(running)
        self.assertEqual((error.why, error.stderr), ("ended with code 3", b"no such user"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_signal(self) -> None:
        running = self.run_it()
        self.processes.last.end(signal=11)
        self.assertEqual(self.failure(running).why, "was ended by signal 11")

    def test_hangs(self) -> None:
        running = self.run_it()
        self.clock.advance(5.0)
        self.assertEqual(self.failure(running).why, "did not end within 5 seconds")
        self.assertEqual(self.processes.last.happened, ["closeStdin", "end group", "KILL", "loseConnection"])
        self.processes.last.end(signal=9)

    def test_children_end_with_it(self) -> None:
        running = self.run_it()
        self.processes.last.end()
        self.successResultOf(running)
        self.assertEqual(self.processes.last.happened, ["closeStdin", "end group"])

    def test_ended_but_what_left_its_session_holds_the_pipes(self) -> None:
        running = self.run_it()
        self.processes.last.exit()
        self.clock.advance(5.0)
        self.failure(running)
        self.assertEqual(self.processes.last.happened, ["closeStdin", "end group", "loseConnection"])

    def test_stopped(self) -> None:
        running = self.run_it()
        running.cancel()
        self.assertEqual(self.failure(running).why, "was stopped")
        self.assertEqual(self.processes.last.happened, ["closeStdin", "end group", "KILL", "loseConnection"])
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.processes.last.end(signal=9)

    def test_floods(self) -> None:
        running = self.run_it()
        self.processes.last.out(b"x" * LARGEST_OUTPUT)
        self.assertNoResult(running)
        self.processes.last.out(b"x")
        self.assertEqual(self.failure(running).why, "wrote more than 1048576 bytes")
        self.assertEqual(self.processes.last.happened, ["closeStdin", "end group", "KILL", "loseConnection"])
        self.processes.last.out(b"x" * LARGEST_OUTPUT)
        self.processes.last.err(b"x")
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_floods_with_complaints(self) -> None:
        running = self.run_it()
        for _ in range(10):
            self.processes.last.err(b"x" * LARGEST_COMPLAINT)
        self.processes.last.err(b"the end")
        self.processes.last.end(1)
        stderr = self.failure(running).stderr
        self.assertEqual((len(stderr), stderr[-8:]), (LARGEST_COMPLAINT, b"xthe end"))

    def test_cannot_be_started(self) -> None:
        self.processes.error = OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self.assertEqual(self.failure(self.run_it()).why, "Resource temporarily unavailable")
        self.processes.error = ValueError("embedded null byte")
        self.assertEqual(self.failure(self.run_it()).why, "could not be started")
