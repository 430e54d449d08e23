"""How many plugins run at a time, and who is next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from .process import Output, PluginFailed

MOST = 8
"""Runs at a time; one is a process of some ten megabytes, and a hundred clusters take turns within seconds."""
MOST_FAILING = 4
"""How many of them may be of plugins that failed the last time: those that hang keep no place from the others."""

_Outcome = TypeVar("_Outcome")
Start = Callable[[], Deferred[Output]]


class NoPlace(PluginFailed):
    """The plugin was not run: others were, all the time."""


@dataclass(slots=True, eq=False)
class _Turn:
    """
    @ivar failing: the plugin failed the last time.
    @ivar result: of the run.
    @ivar running: the run itself, C{None} before it starts.
    """

    start: Start
    failing: bool
    result: Deferred[Output] = field(default_factory=Deferred)
    running: Deferred[Output] | None = None
    limit: IDelayedCall | None = None


class Places:
    """Runs start in the order in which they were asked for, as far as there is room for their kind."""

    def __init__(
        self, clock: IReactorTime, patience: float, most: int = MOST, most_failing: int = MOST_FAILING
    ) -> None:
        """
        @param patience: seconds for which one waits for a place.
        """
        self._clock = clock
        self._patience = patience
        self._most = most
        self._most_failing = most_failing
        self._waiting: list[_Turn] = []
        self._running: list[_Turn] = []
        self._closed = False
        self._choosing = False

    def run(self, start: Start, failing: bool = False) -> Deferred[Output]:
        """
        @param start: begins the run; its Deferred fails with L{PluginFailed}, and ends the run when it is cancelled.
        @param failing: whether the plugin failed the last time.
        @return: what the run gives; fails with L{NoPlace} if there was no place in time.
        """
        turn = _Turn(start, failing)
        if self._closed:
            turn.result.errback(NoPlace("was not run: the gateway is stopping"))
            return turn.result
        turn.limit = self._clock.callLater(self._patience, self._too_long, turn)
        self._waiting.append(turn)
        self._next()
        return turn.result

    def close(self) -> None:
        """End what runs, with all of its children, and start nothing more."""
        self._closed = True
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            self._no_longer_waits(turn)
            turn.result.errback(NoPlace("was not run: the gateway is stopping"))
        for turn in tuple(self._running):
            assert turn.running is not None
            turn.running.cancel()

    def _next(self) -> None:
        # A run that is over as soon as it begins comes here again, and so would all that wait, one inside the other.
        if self._choosing:
            return
        self._choosing = True
        try:
            while (turn := next(filter(self._room, self._waiting), None)) is not None:
                self._waiting.remove(turn)
                self._no_longer_waits(turn)
                self._begin(turn)
        finally:
            self._choosing = False

    def _room(self, turn: _Turn) -> bool:
        if len(self._running) >= self._most:
            return False
        return not turn.failing or sum(each.failing for each in self._running) < self._most_failing

    def _begin(self, turn: _Turn) -> None:
        self._running.append(turn)
        running = turn.running = turn.start()
        running.addBoth(self._over, turn)
        running.chainDeferred(turn.result)

    def _over(self, outcome: _Outcome, turn: _Turn) -> _Outcome:
        self._running.remove(turn)
        self._next()
        return outcome

    def _too_long(self, turn: _Turn) -> None:
        turn.limit = None
        self._waiting.remove(turn)
        turn.result.errback(
            NoPlace(f"was not run: other clusters' plugins took all places for {self._patience:g} seconds")
        )

    @staticmethod
    def _no_longer_waits(turn: _Turn) -> None:
        if turn.limit is not None:
            turn.limit.cancel()
            turn.limit = None
