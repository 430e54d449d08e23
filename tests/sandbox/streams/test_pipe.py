"""Pipes and gates: whoever writes waits for whoever reads."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.streams.pipe import HIGH_WATER, BrokenPipe, Discard, Empty, Gate, Pipe, Signal

from .conversation import result_of


class Pipes(SynchronousTestCase):
    def setUp(self) -> None:
        self.held: list[bool] = []
        self.pipe = Pipe(self.held.append)

    def reading(self, limit: int = 100) -> Deferred[bytes]:
        return Deferred.fromCoroutine(self.pipe.read(limit))

    def test_reading_waits(self) -> None:
        reading = self.reading()
        self.assertNoResult(reading)
        self.pipe.put(b"abc")
        self.assertEqual(self.successResultOf(reading), b"abc")

    def test_limit(self) -> None:
        self.pipe.put(b"abcdef")
        self.assertEqual([self.successResultOf(self.reading(4)) for _ in range(2)], [b"abcd", b"ef"])

    def test_end_comes_after_what_was_written(self) -> None:
        self.pipe.put(b"abc")
        self.pipe.end()
        self.pipe.put(b"late")
        self.assertEqual([self.successResultOf(self.reading()) for _ in range(3)], [b"abc", b"", b""])

    def test_end_wakes_the_reader(self) -> None:
        reading = self.reading()
        self.pipe.end()
        self.assertEqual(self.successResultOf(reading), b"")

    def test_passing_end(self) -> None:
        """As Ctrl-D: reading goes on after it."""
        for piece in (b"a", b"", b"b"):
            self.pipe.put(piece)
        self.assertEqual([self.successResultOf(self.reading()) for _ in range(3)], [b"a", b"", b"b"])

    def test_writers_wait_for_the_reader(self) -> None:
        writing = Deferred.fromCoroutine(self.pipe.write(bytes(HIGH_WATER + 1)))
        self.assertNoResult(writing)
        self.assertEqual(self.held, [True])
        self.successResultOf(self.reading(1))
        self.successResultOf(writing)
        self.assertEqual(self.held, [True, False])

    def test_writing_into_a_broken_pipe(self) -> None:
        writing = Deferred.fromCoroutine(self.pipe.write(bytes(HIGH_WATER + 1)))
        self.pipe.break_off()
        self.successResultOf(writing)
        self.assertEqual(self.held, [True, False])
        self.failureResultOf(Deferred.fromCoroutine(self.pipe.write(b"x")), BrokenPipe)
        self.assertEqual(self.successResultOf(self.reading()), b"")

    def test_lines(self) -> None:
        for piece in (b"one\ntw", b"o\nthree\nfo", b"ur"):
            self.pipe.put(piece)
        self.pipe.end()
        lines = [self.successResultOf(Deferred.fromCoroutine(self.pipe.read_line())) for _ in range(5)]
        self.assertEqual(lines, [b"one\n", b"two\n", b"three\n", b"four", b""])

    def test_a_line_without_end_is_not_collected_for_ever(self) -> None:
        self.pipe.put(b"x" * (HIGH_WATER + 1))
        self.assertEqual(len(self.successResultOf(Deferred.fromCoroutine(self.pipe.read_line()))), HIGH_WATER + 1)

    def test_a_cancelled_reader_takes_nothing(self) -> None:
        reading = self.reading()
        reading.cancel()
        self.failureResultOf(reading, CancelledError)
        self.pipe.put(b"abc")
        self.assertEqual(self.successResultOf(self.reading()), b"abc")


class Gates(SynchronousTestCase):
    def test_passable(self) -> None:
        gate = Gate()
        self.successResultOf(Deferred.fromCoroutine(gate.passable()))
        gate.pauseProducing()
        waiting = Deferred.fromCoroutine(gate.passable())
        self.assertNoResult(waiting)
        gate.resumeProducing()
        self.successResultOf(waiting)

    def test_gone(self) -> None:
        gate = Gate()
        gate.pauseProducing()
        waiting = Deferred.fromCoroutine(gate.passable())
        gate.stopProducing()
        self.failureResultOf(waiting, BrokenPipe)
        self.failureResultOf(Deferred.fromCoroutine(gate.passable()), BrokenPipe)

    def test_followers(self) -> None:
        gate, follower = Gate(), Gate()
        gate.followers.add(follower)
        gate.pauseProducing()
        self.assertFalse(follower.is_open)
        gate.resumeProducing()
        self.assertTrue(follower.is_open)


class Signals(SynchronousTestCase):
    def test_one_waiter_may_cancel_another(self) -> None:
        signal = Signal()
        first, second = signal.wait(), signal.wait()
        first.addCallback(lambda _: second.cancel())
        signal.fire()
        self.failureResultOf(second, CancelledError)

    def test_bool(self) -> None:
        signal = Signal()
        waiting = signal.wait()
        self.assertTrue(signal)
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.assertFalse(signal)


class Ends(SynchronousTestCase):
    def test_nothing_to_read_and_nowhere_to_write(self) -> None:
        self.assertIsNone(result_of(Deferred.fromCoroutine(Discard().write(b"x"))))
        self.assertEqual(result_of(Deferred.fromCoroutine(Empty().read())), b"")
        self.assertEqual(result_of(Deferred.fromCoroutine(Empty().read_line())), b"")
