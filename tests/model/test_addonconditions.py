from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.addonconditions import Condition, condition_of, rfc3339, with_conditions

from .test_addon import JSON

READY = Condition("Ready", "True", "Fine", "it is")


def conditions(*wanted: Condition, present: object = None, generation: int = 1, now: float = 0.0) -> list[Any]:
    found = with_conditions(present, wanted, generation, now)
    assert found is not None
    return found


class WithConditionsTests(SynchronousTestCase):
    def test_first(self) -> None:
        self.assertEqual(
            conditions(READY),
            [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Fine",
                    "message": "it is",
                    "observedGeneration": 1,
                    "lastTransitionTime": "1970-01-01T00:00:00Z",
                }
            ],
        )

    def test_nothing_new(self) -> None:
        self.assertIsNone(with_conditions(conditions(READY), [READY], 1, 99.0))

    def test_time_is_that_of_the_status_alone(self) -> None:
        before = conditions(READY)
        other = conditions(Condition("Ready", "True", "Better"), present=before, generation=2, now=60.0)
        self.assertEqual((other[0]["lastTransitionTime"], other[0]["reason"]), ("1970-01-01T00:00:00Z", "Better"))
        worse = conditions(Condition("Ready", "False", "Bad"), present=other, now=60.0)
        self.assertEqual(worse[0]["lastTransitionTime"], "1970-01-01T00:01:00Z")

    def test_others_are_kept_in_order(self) -> None:
        present = [{"type": "A", "status": "True"}, *conditions(READY), {"type": "Z", "extra": 1}]
        found = conditions(Condition("Ready", "False", "Bad"), present=present)
        self.assertEqual([each["type"] for each in found], ["A", "Ready", "Z"])
        self.assertEqual(found[2], {"type": "Z", "extra": 1})

    @given(JSON)
    def test_whatever_is_there(self, present: object) -> None:
        found = conditions(READY, present=present)
        self.assertIsNone(with_conditions(found, [READY], 1, 5.0))


class ConditionOfTests(SynchronousTestCase):
    def test_found(self) -> None:
        self.assertEqual(condition_of({"status": {"conditions": conditions(READY)}}, "Ready")["reason"], "Fine")

    @given(st.dictionaries(st.just("status"), JSON))
    def test_missing(self, content: dict[str, Any]) -> None:
        self.assertEqual(condition_of(content, "Ready"), {})

    def test_time(self) -> None:
        self.assertEqual(rfc3339(1767225600.9), "2026-01-01T00:00:00Z")
