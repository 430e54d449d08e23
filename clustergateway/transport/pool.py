"""Connections to one cluster with one credential, kept open between requests."""

from __future__ import annotations

from typing import Protocol as Seam
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IProtocol, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from ..errors import ClusterUnavailable, GatewayError, TooManyRequests
from ..settings import Limits
from .doubts import Alternatives, Doubts
from .failures import connect_error
from .outbound import Outbound
from .tls import hang_up


class Taker(Seam):
    """Who waits for a connection. Exactly one of the two is called, unless it stops waiting."""

    def take(self, outbound: Outbound) -> None: ...

    def connect_failed(self, error: GatewayError) -> None: ...


class Pool:
    """
    An L{Upstream <clustergateway.interfaces.Upstream>}. The connection used last is used next, so that the others grow
    old and are closed.

    @ivar name: of the cluster, for errors.
    @ivar busy: connections in use or being opened.
    """

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        clock: IReactorTime,
        limits: Limits,
        name: str,
        alternatives: Alternatives | None = None,
    ) -> None:
        """
        @param alternatives: behind the endpoint, if it stands for several: connections to one that is dead are not used
            again, nor those that a preferred one can take over.
        """
        self._endpoint = endpoint
        self._alternatives = alternatives
        self._doubts = None if alternatives is None else Doubts(clock, alternatives)
        self._clock = clock
        self.limits = limits
        self.name = name
        self.busy = 0
        self._idle: list[Outbound] = []
        self._opening: dict[Taker, Deferred[IProtocol]] = {}
        self._closed = False
        self._sweeping: IDelayedCall | None = None
        factory = Factory.forProtocol(lambda: Outbound(self))
        factory.noisy = False
        self._factory = factory

    @property
    def idle(self) -> int:
        """How many connections wait for a request."""
        return len(self._idle)

    def acquire(self, taker: Taker, *, fresh: bool = False) -> None:
        """
        Give the taker a connection, at once if one is idle.

        @param fresh: only a new one will do (an upgrade, or an idle one turned out to be stale).
        """
        while self._idle and self._alternatives is not None and self._alternatives.dead(self._idle[-1]):
            self.busy += 1
            self._idle.pop().discard()
        if self._idle and not fresh:
            self.busy += 1
            outbound = self._idle.pop()
            if self._doubts is not None:
                self._doubts.asked(outbound)
            taker.take(outbound)
        elif self._closed:
            taker.connect_failed(ClusterUnavailable("it was changed or removed", cluster=self.name, retry_after=1))
        elif self.busy >= self.limits.busy_upstream:
            taker.connect_failed(TooManyRequests("too many requests at a time", cluster=self.name, retry_after=1))
        else:
            self._open(taker)

    def stop_waiting(self, taker: Taker) -> None:
        """The taker does not want a connection any more."""
        opening = self._opening.pop(taker, None)
        if opening is not None:
            self.busy -= 1
            opening.cancel()

    def _open(self, taker: Taker) -> None:
        self.busy += 1
        opening = self._endpoint.connect(self._factory)
        self._opening[taker] = opening
        opening.addTimeout(self.limits.connect_timeout, self._clock)
        opening.addCallbacks(self._opened, self._failed, callbackArgs=(taker,), errbackArgs=(taker,))

    def _opened(self, protocol: IProtocol, taker: Taker) -> None:
        outbound = cast("Outbound", protocol)
        if self._opening.pop(taker, None) is None:
            outbound.alive = False
            hang_up(outbound.transport)
            return
        taker.take(outbound)

    def _failed(self, failure: Failure, taker: Taker) -> None:
        if self._opening.pop(taker, None) is not None:
            self.busy -= 1
            taker.connect_failed(connect_error(failure, self.name))

    def put_back(self, outbound: Outbound) -> None:
        """A connection's answer is over and it can be used again."""
        if self._closed or len(self._idle) >= self.limits.idle_upstream:
            outbound.close()
            return
        if self._alternatives is not None and self._alternatives.outgrown(outbound):
            outbound.close()
            return
        self.busy -= 1
        outbound.idle_since = self._clock.seconds()
        self._idle.append(outbound)
        if self._sweeping is None:
            self._sweeping = self._clock.callLater(self.limits.idle_upstream_timeout, self._sweep)

    def gone(self, outbound: Outbound) -> None:
        """A connection is closed."""
        if outbound in self._idle:
            self._idle.remove(outbound)
        else:
            self.busy -= 1

    def _sweep(self) -> None:
        """Close what has been idle for too long: the oldest are in front."""
        self._sweeping = None
        oldest = self._clock.seconds() - self.limits.idle_upstream_timeout
        for outbound in [outbound for outbound in self._idle if outbound.idle_since <= oldest]:
            outbound.close()
        if self._idle:
            wait = self._idle[0].idle_since - oldest
            self._sweeping = self._clock.callLater(wait, self._sweep)

    def close(self) -> None:
        """Close idle connections now, and each busy one when its exchange is over. New requests are not taken."""
        self._closed = True
        for outbound in self._idle[:]:
            outbound.close()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
