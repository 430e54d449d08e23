"""
The order in which a controller looks at things: each at most once at a time, never twice for two changes that came
before it was looked at, later and later while looking fails. Pure.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from .backoff import Backoff

K = TypeVar("K", bound=Hashable)

RETRY = Backoff(first=0.1, most=300.0)


class WorkQueue(Generic[K]):
    """
    Keys waiting, being worked on, and waiting to be worked on again.

    @ivar backoff: how long a failed key waits.
    """

    def __init__(self, backoff: Backoff = RETRY) -> None:
        self.backoff = backoff
        self._waiting: dict[K, None] = {}
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._failures: dict[K, int] = {}

    def __len__(self) -> int:
        """How many are waiting or to be done again; those being worked on do not count."""
        return len(self._waiting) + len(self._again)

    def add(self, key: K) -> None:
        """This key needs a look; one that is being worked on gets another one after it."""
        if key in self._working:
            self._again.add(key)
        else:
            self._waiting.setdefault(key)

    def take(self) -> K | None:
        """The key that waits longest, now being worked on until L{done}; C{None}: there is none."""
        for key in self._waiting:
            del self._waiting[key]
            self._working.add(key)
            return key
        return None

    def done(self, key: K) -> None:
        """The work on a key that was taken is over, however it went."""
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self._waiting.setdefault(key)

    def succeeded(self, key: K) -> None:
        """Its earlier failures do not matter any more."""
        self._failures.pop(key, None)

    def failed(self, key: K, chance: float = 0.0) -> float:
        """
        @param chance: from 0 to 1, drawn by the caller.
        @return: seconds after which the key should be added again.
        """
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        return self.backoff.delay(failures, chance)
