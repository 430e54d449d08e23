"""The conditions of an object, as Kubernetes' API conventions have them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal

Status = Literal["True", "False", "Unknown"]
LONGEST_MESSAGE = 1024
"""Characters; apiservers take 32768, people read one."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What is to be said of an object."""

    type: str
    status: Status
    reason: str
    message: str = ""


def with_conditions(
    present: object, wanted: Iterable[Condition], generation: int, now: float
) -> list[Mapping[str, Any]] | None:
    """
    @param present: C{status.conditions} as it is; others' conditions in it are kept, and the order.
    @param generation: of the object that the conditions are about.
    @param now: seconds since the epoch.
    @return: the conditions as they should be; C{None} if they are so already.
    """
    conditions = [dict(each) for each in present if isinstance(each, Mapping)] if isinstance(present, list) else []
    changed = False
    for condition in wanted:
        before = next((each for each in conditions if each.get("type") == condition.type), None)
        after = _entry(condition, before, generation, now)
        if after == before:
            continue
        changed = True
        if before is None:
            conditions.append(after)
        else:
            conditions[conditions.index(before)] = after
    return list(conditions) if changed else None


def condition_of(content: Mapping[str, Any], type: str) -> Mapping[str, Any]:
    """The condition of this type, empty if there is none."""
    status = content.get("status")
    conditions = status.get("conditions") if isinstance(status, Mapping) else None
    for each in conditions if isinstance(conditions, list) else ():
        if isinstance(each, Mapping) and each.get("type") == type:
            return each
    return {}


def rfc3339(now: float) -> str:
    """Seconds since the epoch as metav1.Time."""
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _entry(condition: Condition, before: Mapping[str, Any] | None, generation: int, now: float) -> dict[str, Any]:
    since = rfc3339(now)
    if before is not None and before.get("status") == condition.status:
        since = str(before.get("lastTransitionTime") or since)
    return {
        "type": condition.type,
        "status": condition.status,
        "reason": condition.reason,
        "message": condition.message[:LONGEST_MESSAGE],
        "observedGeneration": generation,
        "lastTransitionTime": since,
    }
