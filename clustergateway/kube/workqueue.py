"""Controllers: keys come in, each is looked at until it is as it should be."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import GatewayError
from ..model.workqueue import WorkQueue

K = TypeVar("K", bound=Hashable)


class Workers(Generic[K]):
    """
    Runs C{reconcile(key)} for each key that is added, at most once at a time for one key and for a few keys at a time.

    One that fails is run again after a while that grows with its failures; one that returns a number of seconds is run
    again after these.
    """

    _log = Logger()

    def __init__(
        self,
        reconcile: Callable[[K], Coroutine[Deferred[Any], Any, float | None]],
        clock: IReactorTime,
        chance: Callable[[], float],
        workers: int = 4,
    ) -> None:
        """
        @param chance: draws from 0 to 1.
        @param workers: keys at a time.
        """
        self._reconcile = reconcile
        self._clock = clock
        self._chance = chance
        self._idle = workers
        self._queue: WorkQueue[K] = WorkQueue()
        self._later: dict[K, IDelayedCall] = {}
        self._running: dict[K, Deferred[Any]] = {}
        self._stopped = False

    def add(self, key: K) -> None:
        """This key needs a look, now."""
        if self._stopped:
            return
        timer = self._later.pop(key, None)
        if timer is not None:
            timer.cancel()
        self._queue.add(key)
        self._work()

    def add_after(self, key: K, seconds: float) -> None:
        """This key needs a look then, or earlier if that is asked for."""
        timer = self._later.get(key)
        if self._stopped or (timer is not None and timer.getTime() <= self._clock.seconds() + seconds):
            return
        if timer is not None:
            timer.cancel()
        self._later[key] = self._clock.callLater(seconds, self._due, key)

    def stop(self) -> None:
        """End; what is under way is cancelled."""
        self._stopped = True
        for timer in self._later.values():
            timer.cancel()
        self._later.clear()
        for running in tuple(self._running.values()):
            running.cancel()

    def _due(self, key: K) -> None:
        del self._later[key]
        self._queue.add(key)
        self._work()

    def _work(self) -> None:
        while self._idle and not self._stopped:
            key = self._queue.take()
            if key is None:
                return
            self._idle -= 1
            running = Deferred.fromCoroutine(self._reconcile(key))
            self._running[key] = running
            running.addBoth(self._done, key)

    def _done(self, result: float | Failure | None, key: K) -> None:
        self._idle += 1
        del self._running[key]
        self._queue.done(key)
        if isinstance(result, Failure):
            if not (self._stopped and result.check(CancelledError)):
                self._failed(key, result)
        else:
            self._queue.succeeded(key)
            if result is not None:
                self.add_after(key, result)
        self._work()

    def _failed(self, key: K, failure: Failure) -> None:
        seconds = self._queue.failed(key, self._chance())
        if isinstance(failure.value, GatewayError):
            seconds = max(seconds, failure.value.retry_after or 0)
            self._log.warn(
                "{key}: {message} Again in {seconds} s.",
                key=key,
                message=failure.value.message,
                seconds=round(seconds, 1),
            )
        else:
            self._log.failure("{key} failed", failure, key=key)
        self.add_after(key, seconds)
