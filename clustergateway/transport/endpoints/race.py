"""Attempts in order of preference, without waiting long for one that does not succeed."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from errno import EMFILE, ENFILE
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from ...errors import ServiceUnavailable, TooManyRequests
from ...model.endpointchoice import EndpointChoice

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


def own_limit(failure: Failure) -> bool:
    """
    Did an attempt fail because of a limit of our own: tunnels, requests, open files? Others are the endpoint's, and so
    are the subclasses of L{ServiceUnavailable}.
    """
    error = failure.value
    return type(error) in (ServiceUnavailable, TooManyRequests) or getattr(error, "osError", 0) in (EMFILE, ENFILE)


class Race(Generic[Key, Result]):
    """
    Attempts in order; the next begins when the one before failed, or has taken long enough to be doubted, and then runs
    beside it (RFC 8305 section 5, applied to whole routes). The first success wins and cancels the others; those of
    them that had begun before it count as failed.

    @param choice: told how each went.
    @param keys: what to attempt, in order; at least one.
    @param attempt: begins one.
    """

    def __init__(
        self,
        clock: IReactorTime,
        choice: EndpointChoice[Key],
        keys: Sequence[Key],
        attempt: Callable[[Key], Deferred[Result]],
    ) -> None:
        self._clock = clock
        self._choice = choice
        self._left = list(keys)
        self._attempt = attempt
        self._running: dict[Key, tuple[float, Deferred[Any]]] = {}
        self._timer: IDelayedCall | None = None
        self._failure: Failure | None = None
        self._result: Deferred[tuple[Key, Result]] = Deferred(lambda _: self._over())

    def run(self) -> Deferred[tuple[Key, Result]]:
        """
        @return: fires with what succeeded and its result; fails as the first to fail did if none does.
        """
        self._next()
        return self._result

    def _next(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        key = self._left.pop(0)
        began = self._clock.seconds()
        self._choice.trying(key, began)
        if self._left:
            self._timer = self._clock.callLater(self._choice.stagger(key), self._doubted)
        attempt = self._attempt(key)
        self._running[key] = (began, attempt)
        attempt.addCallbacks(self._won, self._failed, (key, began), {}, (key, began))

    def _doubted(self) -> None:
        self._timer = None
        self._next()

    def _won(self, result: Result, key: Key, began: float) -> None:
        self._running.pop(key, None)
        now = self._clock.seconds()
        self._choice.succeeded(key, now - began)
        for other, (earlier, _) in self._running.items():
            if earlier < began:
                self._choice.overtaken(other, now, earlier)
        self._over()
        if not self._result.called:
            self._result.callback((key, result))

    def _failed(self, failure: Failure, key: Key, began: float) -> None:
        if self._running.pop(key, None) is None:
            return  # cancelled
        now = self._clock.seconds()
        if own_limit(failure):
            self._choice.limited(key, now)
        else:
            self._choice.failed(key, now, began)
        self._failure = self._failure or failure
        if self._left:
            self._next()
        elif not self._running:
            self._result.errback(self._failure)

    def _over(self) -> None:
        self._left.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        running, self._running = self._running, {}
        for _, attempt in running.values():
            attempt.cancel()
