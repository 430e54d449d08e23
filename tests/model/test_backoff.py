"""Tests for L{clustergateway.model.backoff}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.backoff import Backoff


class BackoffTests(SynchronousTestCase):
    def test_grows_to_the_limit(self) -> None:
        backoff = Backoff(1.0, 10.0)
        self.assertEqual([backoff.delay(failures) for failures in (1, 2, 3, 4, 5, 6)], [1, 2, 4, 8, 10, 10])

    def test_chance_shortens(self) -> None:
        backoff = Backoff(8.0, 10.0, spread=0.25)
        self.assertEqual([backoff.delay(1, chance) for chance in (0.0, 0.5, 1.0)], [8.0, 7.0, 6.0])

    @given(st.integers(1, 10**9), st.floats(0, 1))
    def test_bounded(self, failures: int, chance: float) -> None:
        self.assertTrue(0.5 <= Backoff(1.0, 30.0).delay(failures, chance) <= 30.0)
