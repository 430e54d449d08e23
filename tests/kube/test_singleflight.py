from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import HubUnavailable
from clustergateway.kube.singleflight import SharedAnswers


class SharedAnswersTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.asked: list[Deferred[int]] = []
        self.answers: SharedAnswers[str, int] = SharedAnswers(self.clock, float, 2)

    def ask(self) -> Deferred[int]:
        question: Deferred[int] = Deferred()
        self.asked.append(question)
        return question

    def get(self, key: str = "a") -> Deferred[int]:
        answer = self.answers.get(key, self.ask)
        assert isinstance(answer, Deferred)
        return answer

    def test_one_question_for_all(self) -> None:
        waiting = [self.get() for _ in range(3)]
        self.assertEqual(len(self.asked), 1)
        self.asked[0].callback(7)
        self.assertEqual([self.successResultOf(each) for each in waiting], [7, 7, 7])

    def test_kept_for_its_life(self) -> None:
        self.get()
        self.asked[0].callback(7)
        self.clock.advance(6.9)
        self.assertEqual(self.answers.get("a", self.ask), 7)
        self.clock.advance(0.1)
        self.assertNoResult(self.get())
        self.assertEqual(len(self.asked), 2)

    def test_not_kept_without_life(self) -> None:
        self.successResultOf(self.answers.get("a", lambda: succeed(0)))  # type: ignore[arg-type]
        self.assertNoResult(self.get())

    def test_failure_is_for_those_who_wait(self) -> None:
        waiting = [self.get(), self.get()]
        self.asked[0].errback(HubUnavailable("away"))
        for each in waiting:
            self.failureResultOf(each, HubUnavailable)
        self.assertNoResult(self.get())
        self.assertEqual(len(self.asked), 2)

    def test_who_leaves_leaves_alone(self) -> None:
        first, second = self.get(), self.get()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.asked[0].callback(7)
        self.assertEqual(self.successResultOf(second), 7)

    def test_all_leave_and_the_answer_is_kept(self) -> None:
        waiting = self.get()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.asked[0].callback(7)
        self.assertEqual(self.answers.get("a", self.ask), 7)

    def test_failure_nobody_waits_for(self) -> None:
        waiting = self.get()
        waiting.cancel()
        self.failureResultOf(waiting, CancelledError)
        self.asked[0].errback(HubUnavailable("away"))
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_keys_do_not_wait_for_each_other(self) -> None:
        for key in ("a", "b", "c"):
            self.get(key)
        self.assertEqual(len(self.asked), 3)

    def test_bounded(self) -> None:
        for key in ("a", "b", "c"):
            self.get(key)
            self.asked[-1].callback(7)
        self.assertNoResult(self.get("a"))
        self.assertEqual(self.answers.get("c", self.ask), 7)

    def test_clear(self) -> None:
        self.get()
        self.asked[0].callback(7)
        self.answers.clear()
        self.assertNoResult(self.get())
