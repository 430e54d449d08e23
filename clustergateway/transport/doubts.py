"""Requests that are not answered, on connections that were kept: is it the endpoint that is dead?"""

from __future__ import annotations

from typing import Any
from typing import Protocol as Seam

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IProtocol, IReactorTime

from .outbound import Outbound

_UNHEARD = 0.2
"""After so long a silence its endpoint is doubted; most answers take less."""
_SHORT = 0.5
"""A silence below this is short, seconds."""
_RECENT = {True: 2.0, False: 0.5}
"""
An endpoint that has taken a connection within so many seconds is not asked for another because of a silence, by whether
it is short. So slow answers do not cost a handshake each, and who died just after one is found out within a second.
"""
_LOOK = 0.1
"""Between two looks at all requests that are not answered, seconds."""


class Alternatives(Seam):
    """The endpoints of a cluster that has several, such as L{FailoverEndpoint}."""

    def outgrown(self, connection: IProtocol) -> bool:
        """Does an endpoint that is preferred to the connection's work again?"""
        ...

    def dead(self, connection: IProtocol) -> bool:
        """Was the connection's endpoint found dead, while another one may work?"""
        ...

    def connected(self, connection: IProtocol) -> float:
        """When its endpoint last took a connection, on the clock; minus infinity if it failed since."""
        ...

    def doubt(self, connection: IProtocol) -> Deferred[bool]:
        """Find out whether it is."""
        ...


class Doubts:
    """
    Ends connections whose endpoint is dead, so that requests which may be repeated are, elsewhere. A slow answer is
    waited for: the endpoint is asked for another connection, and as long as it gives one it is not dead.
    """

    def __init__(self, clock: IReactorTime, alternatives: Alternatives) -> None:
        self._clock = clock
        self._alternatives = alternatives
        self._asked: dict[Outbound, tuple[float, float]] = {}
        self._looking: IDelayedCall | None = None
        self._looked = 0.0

    def asked(self, outbound: Outbound) -> None:
        """A request is sent on a connection that was kept."""
        now = self._clock.seconds()
        self._asked[outbound] = (now, now + _UNHEARD)
        if self._looking is None:
            self._look_later(now)

    def _look_later(self, now: float) -> None:
        self._looked = now
        self._looking = self._clock.callLater(_LOOK, self._look)

    def _look(self) -> None:
        self._looking = None
        now = self._clock.seconds()
        # An answer may have come that nobody here has had the time to read.
        late = now - self._looked > 2 * _LOOK
        for outbound, (since, due) in tuple(self._asked.items()):
            if outbound.heard or outbound.exchange is None:
                del self._asked[outbound]
            elif now >= due and not late:
                self._asked[outbound] = (since, max(now + (now - since), since + _SHORT))
                if now - self._alternatives.connected(outbound) >= _RECENT[now < since + _SHORT]:
                    self._alternatives.doubt(outbound).addCallback(self._judged, outbound, since)
        if self._asked:
            self._look_later(now)

    def _judged(self, dead: bool, outbound: Outbound, since: float) -> None:
        exchange = outbound.exchange
        if not dead or outbound.heard or exchange is None or self._asked.get(outbound, (None,))[0] != since:
            return
        if exchange.repeatable:
            transport: Any = outbound.transport
            transport.abortConnection()
