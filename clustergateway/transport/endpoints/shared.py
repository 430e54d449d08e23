"""One piece of work, several who wait for it; and factories that do not write to the log."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class Shared(Generic[Key, Result]):
    """Work that is under way, by key. Whoever stops waiting does not stop the work."""

    def __init__(self) -> None:
        self._waiting: dict[Key, list[Deferred[Result]]] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._waiting

    def __len__(self) -> int:
        return len(self._waiting)

    def wait(self, key: Key, begin: Callable[[], Deferred[Result]]) -> Deferred[Result]:
        """
        @param begin: called if nothing is under way for C{key}.
        @return: fires as the work does.
        """
        waiting: Deferred[Result] = Deferred()
        if key in self._waiting:
            self._waiting[key].append(waiting)
            return waiting
        self._waiting[key] = [waiting]
        begin().addCallbacks(self._done, self._failed, (key,), {}, (key,))
        return waiting

    def _done(self, result: Result, key: Key) -> None:
        for waiting in self._waiting.pop(key):
            if not waiting.called:
                waiting.callback(result)

    def _failed(self, failure: Failure, key: Key) -> None:
        for waiting in self._waiting.pop(key):
            if not waiting.called:
                waiting.errback(failure.value)


class Quiet(Factory):
    """Starts and stops with each connection, which nobody wants to read of."""

    noisy = False
