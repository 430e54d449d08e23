from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import Conflict, HubUnavailable
from clustergateway.kube.workqueue import Workers


class WorkersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.seen: list[str] = []
        self.going: dict[str, Deferred[float | None]] = {}
        self.workers = Workers(self.reconcile, self.clock, lambda: 0.0, workers=2)

    async def reconcile(self, key: str) -> float | None:
        self.seen.append(key)
        work: Deferred[float | None] = Deferred()
        self.going[key] = work
        try:
            return await work
        except CancelledError:
            self.seen.append(f"{key} cancelled")
            raise

    def test_a_few_at_a_time(self) -> None:
        for key in "abc":
            self.workers.add(key)
        self.assertEqual(self.seen, ["a", "b"])
        self.going["a"].callback(None)
        self.assertEqual(self.seen, ["a", "b", "c"])

    def test_one_key_once_at_a_time(self) -> None:
        for _ in range(3):
            self.workers.add("a")
        self.assertEqual(self.seen, ["a"])
        self.going["a"].callback(None)
        self.assertEqual(self.seen, ["a", "a"])

    def test_failures_come_again_later_and_later(self) -> None:
        self.workers.add("a")
        for seconds in (0.1, 0.2, 0.4):
            self.going["a"].errback(Conflict("changed"))
            self.clock.advance(seconds * 0.9)
            count = len(self.seen)
            self.clock.advance(seconds * 0.11)
            self.assertEqual(len(self.seen), count + 1)

    def test_failure_that_says_when(self) -> None:
        self.workers.add("a")
        self.going["a"].errback(HubUnavailable("away", retry_after=5))
        self.clock.advance(4.9)
        self.assertEqual(self.seen, ["a"])
        self.clock.advance(0.2)
        self.assertEqual(self.seen, ["a", "a"])

    def test_crash_is_logged_and_tried_again(self) -> None:
        self.workers.add("a")
        self.going["a"].errback(RuntimeError("a mistake"))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.clock.advance(0.1)
        self.assertEqual(self.seen, ["a", "a"])

    def test_change_does_not_wait_for_the_retry(self) -> None:
        self.workers.add("a")
        self.going["a"].errback(Conflict("changed"))
        self.workers.add("a")
        self.assertEqual(self.seen, ["a", "a"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_again_after(self) -> None:
        self.workers.add("a")
        self.going["a"].callback(60.0)
        self.workers.add_after("a", 30.0)
        self.workers.add_after("a", 40.0)
        self.clock.advance(30)
        self.assertEqual(self.seen, ["a", "a"])
        self.clock.advance(100)
        self.assertEqual(self.seen, ["a", "a"])

    def test_stop(self) -> None:
        self.workers.add("a")
        self.workers.add_after("b", 5.0)
        self.workers.stop()
        self.workers.add("c")
        self.workers.add_after("c", 1.0)
        self.assertEqual((self.seen, self.clock.getDelayedCalls()), (["a", "a cancelled"], []))
