"""
Which of several endpoints to try, in which order, and how long to wait for one before trying the next as well.

Decisions only; L{clustergateway.transport.endpoints.failover} carries them out. Times are seconds of one clock.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Patience:
    """
    @ivar first: how long an endpoint that failed is avoided before it is tried again; doubles with each failure.
    @ivar most: the longest that it is avoided.
    @ivar least_stagger: an endpoint that has not connected after this long is joined by the next one (RFC 8305 section
        8 recommends 250 ms between attempts).
    @ivar most_stagger: likewise for one that is known to take long. Below a second, so that failing over is too.
    """

    first: float = 1.0
    most: float = 30.0
    least_stagger: float = 0.25
    most_stagger: float = 0.75


@dataclass(slots=True)
class _Health:
    failures: int = 0
    failed_at: float = float("-inf")
    limited: bool = False
    avoid_until: float = 0.0
    usual: float = 0.0
    at_least: float = 0.0  # what it takes, as far as an attempt shows that nobody saw the end of


class EndpointChoice(Generic[Key]):
    """What is known about the endpoints that were tried. What is in no list any more is forgotten by L{keep}."""

    def __init__(self, patience: Patience | None = None) -> None:
        self._patience = patience or Patience()
        self._health: dict[Key, _Health] = {}

    def order(self, keys: Sequence[Key], now: float) -> list[Key]:
        """
        All of C{keys}: first those that work, are unknown or are due for a new try, in the given order of preference,
        then those to be avoided, the one that is due soonest first.
        """
        avoided = [key for key in keys if self.avoided(key, now) > 0]
        avoided.sort(key=lambda key: self.avoided(key, now))
        return [key for key in keys if key not in avoided] + avoided

    def avoided(self, key: Key, now: float) -> float:
        """For how many seconds more the endpoint is to be avoided; 0 if it is not."""
        health = self._health.get(key)
        return max(0.0, health.avoid_until - now) if health is not None else 0.0

    def sound(self, key: Key) -> bool:
        """Is nothing bad known of it?"""
        health = self._health.get(key)
        return health is None or not (health.failures or health.limited)

    def trying(self, key: Key, now: float) -> None:
        """
        It is being tried. If it failed before, this is the probe that finds out whether it has recovered, and others
        avoid it in the meantime.
        """
        health = self._health.get(key)
        if health is not None and not self.sound(key):
            health.avoid_until = now + self._backoff(health.failures)

    def succeeded(self, key: Key, took: float) -> None:
        """It connected, C{took} seconds after the attempt began."""
        health = self._health.setdefault(key, _Health())
        health.failures = 0
        health.limited = False
        health.avoid_until = 0.0
        health.at_least = 0.0
        health.usual = took if not health.usual else 0.75 * health.usual + 0.25 * took

    def failed(self, key: Key, now: float, began: float | None = None) -> None:
        """
        It could not be connected to.

        @param began: when that attempt did, C{None}: now. One that began before the last failure says nothing new: a
            hundred at a time count once.
        """
        health = self._health.setdefault(key, _Health())
        if began is not None and began < health.failed_at:
            return
        health.failed_at = now
        health.failures += 1
        health.avoid_until = now + self._backoff(health.failures)

    def overtaken(self, key: Key, now: float, began: float) -> None:
        """
        Another one that began later was connected first, and nobody waits for this one any more. Counts as a failure,
        for it may be silent; but if it is only slow, it is given twice as long the next time.
        """
        self.failed(key, now, began)
        health = self._health[key]
        health.at_least = max(health.at_least, now - began)

    def limited(self, key: Key, now: float) -> None:
        """
        A limit of our own was in the way. That is no failure and does not add up, but it cannot be had for now.
        """
        health = self._health.setdefault(key, _Health())
        health.limited = True
        health.avoid_until = max(health.avoid_until, now + self._patience.first)

    def usual(self, key: Key) -> float:
        """How long it usually takes to connect to it, seconds; 0 if it never was."""
        health = self._health.get(key)
        return health.usual if health is not None else 0.0

    def in_time(self, key: Key) -> bool:
        """Does it usually connect before the next one is tried?"""
        return self.usual(key) < self.stagger(key)

    def stagger(self, key: Key) -> float:
        """How long to wait for it before the next one is tried as well: twice what it usually takes, within bounds."""
        health = self._health.get(key)
        usual = max(health.usual, health.at_least) if health is not None else 0.0
        return min(max(2 * usual, self._patience.least_stagger), self._patience.most_stagger)

    def keep(self, keys: Sequence[Key]) -> None:
        """Forget all others."""
        self._health = {key: health for key, health in self._health.items() if key in keys}

    def _backoff(self, failures: int) -> float:
        return min(self._patience.first * 2.0 ** min(max(failures - 1, 0), 16), self._patience.most)
