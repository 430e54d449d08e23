from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.backoff import Backoff
from clustergateway.model.workqueue import WorkQueue


class WorkQueueTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.queue: WorkQueue[str] = WorkQueue(Backoff(first=1.0, most=8.0))

    def test_in_order_without_repeats(self) -> None:
        for key in ("a", "b", "a", "c"):
            self.queue.add(key)
        self.assertEqual(len(self.queue), 3)
        self.assertEqual([self.queue.take() for _ in range(4)], ["a", "b", "c", None])

    def test_again_after_the_work(self) -> None:
        """A change during the work means another look, but not at the same time, and one for any number of changes."""
        self.queue.add("a")
        self.queue.take()
        self.queue.add("a")
        self.queue.add("a")
        self.assertIsNone(self.queue.take())
        self.queue.done("a")
        self.assertEqual((self.queue.take(), self.queue.take()), ("a", None))
        self.queue.done("a")
        self.assertIsNone(self.queue.take())

    def test_failures(self) -> None:
        self.assertEqual([self.queue.failed("a") for _ in range(5)], [1.0, 2.0, 4.0, 8.0, 8.0])
        self.assertEqual(self.queue.failed("b"), 1.0)
        self.queue.succeeded("a")
        self.assertEqual(self.queue.failed("a"), 1.0)

    def test_chance(self) -> None:
        self.assertEqual(self.queue.failed("a", 1.0), 0.5)


class Worlds(RuleBasedStateMachine):
    """Whatever is added is taken after it, and nothing is worked on twice at a time."""

    @initialize()
    def begin(self) -> None:
        self.queue: WorkQueue[int] = WorkQueue()
        self.owed: set[int] = set()
        self.working: set[int] = set()

    @rule(key=st.integers(0, 2))
    def add(self, key: int) -> None:
        self.queue.add(key)
        self.owed.add(key)

    @rule()
    def take(self) -> None:
        key = self.queue.take()
        if key is None:
            assert not self.owed - self.working
        else:
            assert key in self.owed and key not in self.working
            self.owed.discard(key)
            self.working.add(key)

    @rule(key=st.integers(0, 2))
    def done(self, key: int) -> None:
        if key in self.working:
            self.queue.done(key)
            self.working.discard(key)

    @invariant()
    def counted(self) -> None:
        if hasattr(self, "queue"):
            assert len(self.queue) == len(self.owed)


class WorldsTests(SynchronousTestCase):
    def test_any_history(self) -> None:
        Worlds.TestCase("runTest").runTest()
