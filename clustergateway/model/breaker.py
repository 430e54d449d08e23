"""
Whether it makes sense to try something that failed lately: a circuit breaker.

Decisions only. Times are seconds of one clock, given by the caller; so is chance.
"""

from __future__ import annotations

from typing import Literal

from .backoff import Backoff

State = Literal["closed", "open", "half-open"]

THRESHOLD = 3
"""Failures in a row after which nothing more is tried for a while."""
PROBE_LIMIT = 30.0
"""Seconds after which a probe of which nothing was heard is given up, and another one let through."""
PAUSES = Backoff(first=1.0, most=30.0, spread=0.5)


class Breaker:
    """
    Closed: everything is let through. After some failures in a row it opens: nothing is, for a pause that grows
    each time. Then it is half-open: one probe is let through, whose success closes it and whose failure opens it again.

    @ivar state: as it was left by the last call.
    """

    __slots__ = ("_failures", "_openings", "_pauses", "_threshold", "_until", "state")

    def __init__(self, threshold: int = THRESHOLD, pauses: Backoff = PAUSES) -> None:
        """
        @param threshold: failures in a row after which it opens.
        @param pauses: for how long.
        """
        self._threshold = threshold
        self._pauses = pauses
        self.state: State = "closed"
        self._failures = 0
        self._openings = 0
        self._until = 0.0

    def admit(self, now: float) -> float:
        """
        May it be tried now? If so, the caller tells by C{succeeded}, C{failed} or C{abandoned} how it went.

        @return: 0 if it may; else in how many seconds asking again makes sense.
        """
        if self.state == "closed":
            return 0.0
        if now < self._until:
            return self._until - now
        self.state = "half-open"
        self._until = now + PROBE_LIMIT
        return 0.0

    def abandoned(self, now: float) -> None:
        """What was tried was given up before it showed anything: the next one may be the probe."""
        if self.state == "half-open":
            self._until = now

    def succeeded(self) -> None:
        self.state = "closed"
        self._failures = self._openings = 0

    def failed(self, now: float, chance: float) -> None:
        """@param chance: from 0 to 1, so that not all come back at once."""
        self._failures += 1
        if self.state == "open" or (self.state == "closed" and self._failures < self._threshold):
            return  # an attempt that began before it opened says nothing new
        self.state = "open"
        self._openings += 1
        self._until = now + self._pauses.delay(self._openings, chance)
