"""Several ways to one place: the first that works, found without waiting long for one that does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from zope.interface import implementer

from ...model.endpointchoice import EndpointChoice, Patience
from ..tls import hang_up
from .race import Race, own_limit
from .shared import Quiet, Shared

_PATIENCE_IN_DOUBT = 3.0
"""The longest that an endpoint in doubt is waited for, if it is known to take that long, seconds."""
_PATIENCE_WITH_PROBE = 10.0
"""Likewise one that is probed while another is used: nobody waits."""
_MEASURED_AGAIN = 10.0
"""So often one is probed that works, but was too slow to be preferred, seconds."""
_NEVER = float("-inf")
_LATE = 0.1
"""A limit that is noticed so late shows that we are busy ourselves, and nothing else."""


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
        self._numbers: WeakKeyDictionary[IProtocol, int] = WeakKeyDictionary()
        self._probes: Shared[int, bool] = Shared()
        self._dead: set[int] = set()
        self._connected: dict[int, float] = {}

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
        self._numbers[protocol] = number
        self._works(number)
        if self._used is not None:
            self._used(protocol, self._endpoints[number][0])
        return protocol

    # For who keeps connections and uses them again.

    def outgrown(self, connection: IProtocol) -> bool:
        """Does an endpoint that is preferred to the connection's work again? Has it found out if it is time to."""
        now = self._clock.seconds()
        for better in range(self._numbers.get(connection, 0)):
            if self._choice.avoided(better, now) or better in self._probes:
                continue
            if self._choice.sound(better):
                if self._choice.in_time(better):
                    return True
                # It would be overtaken again. Unless it is as fast as it used to be by now.
                if now - self._connected.get(better, _NEVER) < _MEASURED_AGAIN:
                    continue
            self._probe(better, _PATIENCE_WITH_PROBE)
        return False

    def dead(self, connection: IProtocol) -> bool:
        """Was the connection's endpoint found dead, while another one may work?"""
        number = self._numbers.get(connection, 0)
        return number in self._dead and self._elsewhere(number)

    def connected(self, connection: IProtocol) -> float:
        """When the connection's endpoint last took one, on our clock; minus infinity if it failed since."""
        number = self._numbers.get(connection, 0)
        return self._connected.get(number, _NEVER) if self._choice.sound(number) else _NEVER

    def doubt(self, connection: IProtocol) -> Deferred[bool]:
        """
        The connection is silent: is its endpoint L{dead}? One that is takes no new connection either, or not in time.

        @return: fires in three times what it usually takes to connect to it; within three seconds, whatever else goes
            on. Most take less than 0.1 seconds to connect to and are found dead in a quarter of one.
        """
        number, began = self._numbers.get(connection, 0), self._clock.seconds()
        patience = min(max(self._choice.stagger(number), 3 * self._choice.usual(number)), _PATIENCE_IN_DOUBT)
        # A probe with more patience may be under way: the limit is ours as well as the probe's.
        probe = self._probe(number, patience).addTimeout(patience, self._clock)
        probe.addErrback(self._silent, number, began, patience)
        return probe.addCallback(lambda alive: not alive and self.dead(connection))

    def _elsewhere(self, number: int) -> bool:
        now = self._clock.seconds()
        others = (other for other in range(len(self._endpoints)) if other != number)
        return any(other not in self._dead and not self._choice.avoided(other, now) for other in others)

    def _probe(self, number: int, patience: float) -> Deferred[bool]:
        """@return: fires with whether the endpoint can be connected to in so many seconds."""
        return self._probes.wait(number, lambda: self._begin_probe(number, patience))

    def _begin_probe(self, number: int, patience: float) -> Deferred[bool]:
        began = self._clock.seconds()
        self._choice.trying(number, began)
        connecting: Deferred[Any] = self._endpoints[number][1].connect(Quiet.forProtocol(Protocol))
        connecting.addTimeout(patience, self._clock)
        return connecting.addCallbacks(self._alive, self._silent, (number, began), {}, (number, began, patience))

    def _alive(self, probe: Protocol, number: int, began: float) -> bool:
        self._choice.succeeded(number, self._clock.seconds() - began)
        self._works(number)
        hang_up(probe.transport)
        return True

    def _works(self, number: int) -> None:
        self._connected[number] = self._clock.seconds()
        self._dead.discard(number)

    def _silent(self, failure: Failure, number: int, began: float, patience: float) -> bool:
        now = self._clock.seconds()
        if now - began > patience + _LATE:
            return True
        if own_limit(failure):
            self._choice.limited(number, now)
            return True
        self._choice.failed(number, now, began)
        self._dead.add(number)
        return False
