from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.endpointchoice import EndpointChoice, Patience


class EndpointChoiceTests(SynchronousTestCase):
    """Time is what the tests say."""

    def setUp(self) -> None:
        self.choice: EndpointChoice[str] = EndpointChoice(Patience(first=1, most=8))

    def order(self, now: float) -> str:
        return "".join(self.choice.order("abc", now))

    def test_preference_while_nothing_is_known(self) -> None:
        self.assertEqual("abc", self.order(0))

    def test_what_failed_comes_last(self) -> None:
        self.choice.failed("a", 0)
        self.assertEqual("bca", self.order(0.9))

    def test_and_is_tried_again_in_its_place(self) -> None:
        self.choice.failed("a", 0)
        self.assertEqual("abc", self.order(1))

    def test_but_by_one_at_a_time(self) -> None:
        self.choice.failed("a", 0)
        self.choice.trying("a", 1)
        self.assertEqual("bca", self.order(1))
        self.assertEqual("abc", self.order(2))

    def test_trying_what_works_changes_nothing(self) -> None:
        self.choice.trying("a", 0)
        self.choice.succeeded("a", 0.1)
        self.choice.trying("a", 1)
        self.assertEqual("abc", self.order(1))

    def test_recovered(self) -> None:
        self.choice.failed("a", 0)
        self.choice.succeeded("a", 0.1)
        self.assertEqual("abc", self.order(0))

    def test_each_failure_doubles_the_wait(self) -> None:
        waits = []
        for _ in range(6):
            self.choice.failed("a", 0)
            waits.append(self.choice.avoided("a", 0))
        self.assertEqual([1, 2, 4, 8, 8, 8], waits)

    def test_a_thousand_failures(self) -> None:
        for _ in range(1000):
            self.choice.failed("a", 0)
        self.assertEqual(8, self.choice.avoided("a", 0))

    def test_a_hundred_at_a_time_fail_once(self) -> None:
        for now in range(100):
            self.choice.failed("a", 1 + now / 1000, began=now / 1000)
        self.assertEqual(1, self.choice.avoided("a", 1))

    def test_a_probe_that_fails_is_another_failure(self) -> None:
        self.choice.failed("a", 1, began=0)
        self.choice.trying("a", 2)
        self.choice.failed("a", 2.5, began=2)
        self.assertEqual(2, self.choice.avoided("a", 2.5))

    def test_what_is_overtaken_is_avoided(self) -> None:
        self.choice.overtaken("a", 0.3, began=0)
        self.assertEqual("bca", self.order(1.2))
        self.assertEqual("abc", self.order(1.3))

    def test_what_is_overtaken_is_given_longer_next_time(self) -> None:
        self.choice.overtaken("a", 0.3, began=0)
        self.assertEqual(0.6, self.choice.stagger("a"))
        self.choice.overtaken("a", 2.1, began=1.5)
        self.assertEqual(0.75, self.choice.stagger("a"))

    def test_what_was_overtaken_and_then_connects_is_as_fast_as_it_was(self) -> None:
        self.choice.overtaken("a", 10, began=0)
        self.assertFalse(self.choice.usual("a"))
        self.choice.succeeded("a", 0.2)
        self.assertEqual((0.2, 0.4), (self.choice.usual("a"), self.choice.stagger("a")))

    def test_a_limit_of_our_own_puts_it_off_and_does_not_add_up(self) -> None:
        for _ in range(3):
            self.choice.limited("a", 0)
            self.assertEqual(("bca", 1), (self.order(0.9), self.choice.avoided("a", 0)))
        self.assertFalse(self.choice.sound("a"))
        self.choice.trying("a", 1)
        self.assertEqual("bca", self.order(1.9))
        self.choice.succeeded("a", 0.1)
        self.assertEqual((True, "abc"), (self.choice.sound("a"), self.order(1)))

    def test_a_limit_of_our_own_does_not_forgive(self) -> None:
        for _ in range(3):
            self.choice.failed("a", 0)
        self.choice.limited("a", 0)
        self.assertEqual(4, self.choice.avoided("a", 0))

    def test_in_time(self) -> None:
        self.assertTrue(self.choice.in_time("a"))
        self.choice.succeeded("a", 0.7)
        self.assertTrue(self.choice.in_time("a"))
        self.choice.succeeded("b", 0.8)
        self.assertFalse(self.choice.in_time("b"))

    def test_all_failed_the_one_due_soonest_is_first(self) -> None:
        for key, now in (("b", 0), ("c", 0.1), ("a", 0.2)):
            self.choice.failed(key, now)
        self.assertEqual("bca", self.order(0.5))

    def test_stagger(self) -> None:
        self.assertEqual(0.25, self.choice.stagger("a"))
        self.choice.succeeded("a", 0.2)
        self.assertEqual(0.4, self.choice.stagger("a"))
        self.choice.succeeded("b", 5)
        self.assertEqual(0.75, self.choice.stagger("b"))

    def test_what_is_usual_follows_slowly(self) -> None:
        self.choice.succeeded("a", 0.2)
        self.choice.succeeded("a", 0.4)
        self.assertAlmostEqual(0.5, self.choice.stagger("a"))

    def test_forgetting(self) -> None:
        self.choice.failed("a", 0)
        self.choice.failed("b", 0)
        self.choice.keep("bc")
        self.assertEqual("acb", self.order(0))
