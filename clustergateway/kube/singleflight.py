"""One question under way for all who ask it, and its answer kept for a while."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from ..model.expiring import ExpiringCache

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SharedAnswers(Generic[K, V]):
    """
    Answers from memory while the answer is fresh; else asks, once for everybody who waits.

    Nobody waits for anything but the answer itself: there is no queue and no limit on how many questions are under way.
    A failure is for those who waited for it and is not kept. Who gives up waiting leaves; the question goes on.
    """

    def __init__(self, clock: IReactorTime, life: Callable[[V], float], size: int) -> None:
        """
        @param life: seconds for which an answer is good; 0 for not at all.
        @param size: answers kept at most.
        """
        self._clock = clock
        self._life = life
        self._cache: ExpiringCache[K, V] = ExpiringCache(size)
        self._waiting: dict[K, list[Deferred[V]]] = {}

    def get(self, key: K, ask: Callable[[], Deferred[V]]) -> V | Deferred[V]:
        """
        @param ask: called if the answer is not known and nobody is waiting for it yet.
        @return: the answer, or a Deferred of one's own that fires with it.
        """
        known = self._cache.get(key, self._clock.seconds())
        if known is not None:
            return known
        waiting = self._waiting.get(key)
        answer: Deferred[V] = Deferred(lambda gone: self._leave(key, gone))
        if waiting is not None:
            waiting.append(answer)
            return answer
        self._waiting[key] = [answer]
        ask().addBoth(self._answered, key)
        return answer

    def clear(self) -> None:
        """Forget all answers."""
        self._cache.clear()

    def _leave(self, key: K, gone: Deferred[V]) -> None:
        waiting = self._waiting.get(key, [])
        if gone in waiting:
            waiting.remove(gone)

    def _answered(self, result: V | Failure, key: K) -> None:
        waiting = self._waiting.pop(key)
        if not isinstance(result, Failure):
            life = self._life(result)
            if life > 0:
                self._cache.put(key, result, self._clock.seconds() + life)
        for each in waiting:
            # One may have left because another heard the answer.
            if not each.called:
                each.callback(result)
