"""Whether an apiserver answers, as its calls show."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from ..model.backoff import Backoff
from ..model.breaker import Breaker

PAUSES = Backoff(first=2.0, most=5.0, spread=0.0)
"""For how long no review is asked for after one was not answered: not long, there are people who wait."""


class Pulse:
    """
    Told how calls to one apiserver go, and asked by whoever wants to know whether another one makes sense.

    @ivar heard: when it last answered what it was asked, seconds of the clock; minus infinity for never.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self.heard = float("-inf")
        self._clock = clock
        self._breaker = Breaker(1, PAUSES)
        self._wondering: list[Callable[[], object]] = []

    def answered(self) -> None:
        """There was an answer that makes sense."""
        self.heard = self._clock.seconds()

    def missed(self) -> None:
        """A call was not answered in time."""
        for wonder in tuple(self._wondering):
            wonder()

    def on_missed(self, wonder: Callable[[], object]) -> Callable[[], None]:
        """
        Have C{wonder} called each time that a call is not answered in time: the apiserver may be gone without a word.

        @return: ends it.
        """
        self._wondering.append(wonder)
        return lambda: self._wondering.remove(wonder)

    # Reviews, for which people wait: not all of them are to find out that nobody answers.

    def admit(self) -> bool:
        """May a review be asked for now? If so, one of the following is called when it is over."""
        return self._breaker.admit(self._clock.seconds()) == 0

    def reviewed(self) -> None:
        """Something was answered."""
        self._breaker.succeeded()

    def unreviewed(self) -> None:
        """Nothing was, in time."""
        self._breaker.failed(self._clock.seconds(), 0.0)

    def abandoned(self) -> None:
        """Nobody waited for it to the end."""
        self._breaker.abandoned(self._clock.seconds())
