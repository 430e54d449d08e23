"""Tests for L{clustergateway.model.breaker}."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.backoff import Backoff
from clustergateway.model.breaker import PROBE_LIMIT, THRESHOLD, Breaker


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    for _ in range(THRESHOLD):
        breaker.admit(now)
        breaker.failed(now, 0.0)
    return breaker


class BreakerTests(SynchronousTestCase):
    def test_closed_at_first(self) -> None:
        self.assertEqual(Breaker().admit(0.0), 0.0)

    def test_a_few_failures_do_not_open(self) -> None:
        breaker = Breaker()
        for _ in range(5):
            breaker.failed(0.0, 0.0)
            breaker.failed(0.0, 0.0)
            breaker.succeeded()
        self.assertEqual((breaker.state, breaker.admit(0.0)), ("closed", 0.0))

    def test_opens(self) -> None:
        breaker = opened()
        self.assertEqual((breaker.state, breaker.admit(0.25)), ("open", 0.75))

    def test_one_probe(self) -> None:
        breaker = opened()
        self.assertEqual(breaker.admit(1.0), 0.0)
        self.assertEqual(breaker.state, "half-open")
        self.assertEqual(breaker.admit(2.0), PROBE_LIMIT - 1.0)

    def test_probe_succeeds(self) -> None:
        breaker = opened()
        breaker.admit(1.0)
        breaker.succeeded()
        self.assertEqual((breaker.state, breaker.admit(1.0)), ("closed", 0.0))

    def test_probe_fails(self) -> None:
        breaker = opened()
        breaker.admit(1.0)
        breaker.failed(1.0, 0.0)
        self.assertEqual((breaker.state, breaker.admit(1.0)), ("open", 2.0))

    def test_probe_vanishes(self) -> None:
        breaker = opened()
        breaker.admit(1.0)
        self.assertEqual(breaker.admit(1.0 + PROBE_LIMIT), 0.0)

    def test_probe_abandoned(self) -> None:
        breaker = opened()
        breaker.abandoned(0.5)
        self.assertEqual(breaker.admit(0.5), 0.5)
        breaker.admit(1.0)
        breaker.abandoned(2.0)
        self.assertEqual(breaker.admit(2.0), 0.0)

    def test_late_failures_change_nothing(self) -> None:
        breaker = opened()
        for _ in range(100):
            breaker.failed(0.5, 0.0)
        self.assertEqual(breaker.admit(0.5), 0.5)

    def test_late_success_closes(self) -> None:
        breaker = opened()
        breaker.succeeded()
        self.assertEqual(breaker.admit(0.0), 0.0)

    def test_chance_shortens_the_pause(self) -> None:
        breaker = Breaker()
        for _ in range(THRESHOLD):
            breaker.failed(0.0, 1.0)
        self.assertEqual(breaker.admit(0.0), 0.5)

    def test_less_patient(self) -> None:
        breaker = Breaker(1, Backoff(first=2.0, most=5.0, spread=0.0))
        for pause in (2.0, 4.0, 5.0):
            breaker.failed(0.0, 1.0)
            self.assertEqual(breaker.admit(0.0), pause)
            breaker.admit(pause)
        breaker.succeeded()
        self.assertEqual(breaker.admit(0.0), 0.0)

    def test_after_recovery_it_begins_anew(self) -> None:
        breaker = opened()
        breaker.admit(1.0)
        breaker.failed(1.0, 0.0)
        breaker.succeeded()
        for _ in range(THRESHOLD):
            breaker.failed(5.0, 0.0)
        self.assertEqual(breaker.admit(5.0), 1.0)

    def test_whatever_happens(self) -> None:
        run_state_machine_as_test(Whatever)


class Whatever(RuleBasedStateMachine):
    """Whatever happens, nobody is sent away for longer than the longest pause, and never both admitted and waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker()
        self.now = 0.0

    @rule(seconds=st.floats(0, 60))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def admit(self) -> None:
        wait = self.breaker.admit(self.now)
        assert 0.0 <= wait <= 30.0 + 1e-9  # what is left of a sum of floats
        assert (wait == 0.0) == (self.breaker.state != "open") or self.breaker.state == "half-open"

    @rule(chance=st.floats(0, 1))
    def failed(self, chance: float) -> None:
        self.breaker.failed(self.now, chance)

    @rule()
    def abandoned(self) -> None:
        self.breaker.abandoned(self.now)

    @rule()
    def succeeded(self) -> None:
        self.breaker.succeeded()
        assert self.breaker.state == "closed"

    @invariant()
    def always_admits_in_the_end(self) -> None:
        probe = Breaker()
        for name in ("state", "_failures", "_openings", "_until"):
            setattr(probe, name, getattr(self.breaker, name))
        assert probe.admit(self.now + 30.0) == 0.0
