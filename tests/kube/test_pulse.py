from __future__ import annotations

from functools import partial

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.kube.pulse import Pulse


class PulseTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.pulse = Pulse(self.clock)

    def test_heard(self) -> None:
        self.assertEqual(self.pulse.heard, float("-inf"))
        self.clock.advance(5)
        self.pulse.answered()
        self.clock.advance(5)
        self.assertEqual(self.pulse.heard, 5)

    def test_everybody_is_told_until_they_leave(self) -> None:
        told: list[str] = []

        def once() -> None:
            told.append("a")
            leave()

        leave = self.pulse.on_missed(once)
        self.pulse.on_missed(partial(told.append, "b"))
        self.pulse.missed()
        self.pulse.missed()
        self.assertEqual(told, ["a", "b", "b"])

    def test_reviews(self) -> None:
        """Each pause is followed by one that finds out; the pauses grow to five seconds."""
        self.assertTrue(self.pulse.admit())
        for pause in (2, 4, 5, 5):
            self.pulse.unreviewed()
            self.clock.advance(pause - 0.1)
            self.assertFalse(self.pulse.admit())
            self.clock.advance(0.1)
            self.assertTrue(self.pulse.admit())
            self.assertFalse(self.pulse.admit())
        self.pulse.abandoned()
        self.assertTrue(self.pulse.admit())
        self.pulse.reviewed()
        self.assertTrue(self.pulse.admit())
        self.assertTrue(self.pulse.admit())

    def test_other_calls_say_nothing_of_reviews(self) -> None:
        self.pulse.missed()
        self.assertTrue(self.pulse.admit())
        self.pulse.unreviewed()
        self.pulse.answered()
        self.assertFalse(self.pulse.admit())
