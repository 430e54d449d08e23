"""What a main process prints, and when."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.streams.mainprocess import KEPT, MainProcess


class Printing(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(100)
        self.process = MainProcess(self.clock, "web", "east", 97)

    def texts(self, first: int = 0) -> list[bytes]:
        return [line.text for line in self.process.lines(first)]

    def test_a_line_a_second_since_the_start(self) -> None:
        lines = list(self.process.lines())
        self.assertEqual([line.text for line in lines], [b"tick %d pod=web cluster=east\n" % n for n in (1, 2, 3)])
        self.assertEqual([line.time for line in lines], [98, 99, 100])

    def test_what_is_said_is_in_its_place(self) -> None:
        self.process.say(b"hello\n")
        self.clock.advance(1)
        self.assertEqual([text.split()[0] for text in self.texts(2)], [b"tick", b"hello", b"tick"])

    def test_numbers_go_on_when_lines_are_gone(self) -> None:
        self.clock.advance(5000)
        lines = list(self.process.lines())
        self.assertEqual((len(lines), lines[-1].text.split()[1]), (KEPT, b"5003"))
        later = MainProcess(self.clock, "web", "east", 97)
        self.assertEqual([line.text for line in later.lines()], [line.text for line in lines])

    def test_following(self) -> None:
        following = Deferred.fromCoroutine(self.process.following(3))
        self.assertNoResult(following)
        self.clock.advance(1)
        self.assertEqual([line.number for line in self.successResultOf(following)], [3])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_two_follow(self) -> None:
        both = [Deferred.fromCoroutine(self.process.following(3)) for _ in range(2)]
        both[0].cancel()
        self.failureResultOf(both[0], CancelledError)
        self.clock.advance(1)
        self.assertEqual([line.number for line in self.successResultOf(both[1])], [3])

    def test_nobody_follows(self) -> None:
        following = Deferred.fromCoroutine(self.process.following(3))
        following.cancel()
        self.failureResultOf(following, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopped(self) -> None:
        following = Deferred.fromCoroutine(self.process.following(3))
        self.process.stop()
        self.assertEqual(list(self.successResultOf(following)), [])
        self.clock.advance(10)
        self.assertEqual(len(self.texts()), 3)
