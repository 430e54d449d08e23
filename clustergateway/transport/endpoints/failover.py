"""Several ways to one place: the first that works, found without waiting long for one that does not."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from ...model.endpointchoice import EndpointChoice, Patience

Key = TypeVar("Key", bound=Hashable)
Result = TypeVar("Result")


class Race(Generic[Key, Result]):
    """
    Attempts in order; the next begins when the one before failed, or has taken long enough to be doubted, and then runs
    beside it (RFC 8305 section 5, applied to whole routes). The first success wins and cancels the others.

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
        self._running: dict[Key, Deferred[Any]] = {}
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
        attempt = self._running[key] = self._attempt(key)
        attempt.addCallbacks(self._won, self._failed, (key, began), {}, (key,))

    def _doubted(self) -> None:
        self._timer = None
        self._next()

    def _won(self, result: Result, key: Key, began: float) -> None:
        self._running.pop(key, None)
        self._choice.succeeded(key, self._clock.seconds() - began)
        self._over()
        if not self._result.called:
            self._result.callback((key, result))

    def _failed(self, failure: Failure, key: Key) -> None:
        if self._running.pop(key, None) is None:
            return  # cancelled
        self._choice.failed(key, self._clock.seconds())
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
        for attempt in running.values():
            attempt.cancel()


@implementer(IStreamClientEndpoint)
class FailoverEndpoint:
    """
    An ordered list of endpoints of any kind as one.

    Put in it what a connection needs to be of use: endpoints with TLS on top if there is TLS, so that one with a wrong
    certificate counts as dead too.

    @param endpoints: by what to call them, most preferred first.
    @param used: told of each connection, before anybody else is, which endpoint it goes to.
    """

    def __init__(
        self,
        clock: IReactorTime,
        endpoints: Sequence[tuple[str, IStreamClientEndpoint]],
        used: Callable[[IProtocol, str], None] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self._clock = clock
        self._endpoints = tuple(endpoints)
        self._used = used
        self._choice: EndpointChoice[int] = EndpointChoice(patience)

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        @return: fires with the factory's protocol; fails as the first to fail did if none works.
        """
        order = self._choice.order(range(len(self._endpoints)), self._clock.seconds())
        race: Race[int, IProtocol] = Race(
            self._clock, self._choice, order, lambda number: self._endpoints[number][1].connect(factory)
        )
        return race.run().addCallback(self._won)

    def _won(self, won: tuple[int, IProtocol]) -> IProtocol:
        number, protocol = won
        if self._used is not None:
            self._used(protocol, self._endpoints[number][0])
        return protocol

    def failed(self, name: str) -> None:
        """An established connection turned out to be of no use; others are preferred for a while."""
        for number, (own, _) in enumerate(self._endpoints):
            if own == name:
                self._choice.failed(number, self._clock.seconds())
