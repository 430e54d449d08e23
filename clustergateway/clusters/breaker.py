"""A circuit breaker for each cluster, so that a dead one is refused at once and takes nothing from the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from ..errors import ClusterUnavailable, GatewayError, UpstreamTimeout
from ..model.breaker import Breaker, State
from ..model.gateway import ClusterGateway
from ..transport.failures import connect_error


@dataclass(slots=True)
class Experience:
    """
    What connecting to one cluster has shown.

    @ivar generation: of the cluster; another one is another experience.
    @ivar connected: when that last succeeded, seconds, C{None} for never; likewise C{failed} with its C{error}.
    """

    generation: str
    breaker: Breaker = field(default_factory=Breaker)
    connected: float | None = None
    failed: float | None = None
    error: GatewayError | None = None


class Breakers:
    """
    Told how connecting to clusters goes, and asked before it is done again. Failures after a connection is made (an
    error answer, a reset) are no matter of this.
    """

    def __init__(self, clock: IReactorTime, chance: Callable[[], float]) -> None:
        """@param chance: gives numbers from 0 to 1, C{random.random} for instance."""
        self._clock = clock
        self._chance = chance
        self._known: dict[str, Experience] = {}

    def check(self, cluster: ClusterGateway) -> None:
        """
        To be called before a connection is opened, which is then reported by C{succeeded}, C{failed} or
        C{abandoned}.

        @raise ClusterUnavailable: it is of no use now; the error says why. It asks nobody to come again: clients of
            Kubernetes obey that ten times over, for each request, before they say a word to their user.
        """
        known = self._known.get(cluster.name)
        if known is None or known.generation != cluster.generation:
            return
        wait = known.breaker.admit(self._clock.seconds())
        if wait > 0:
            cause = "" if known.error is None else f": {known.error.message}"
            hop = "" if known.error is None else known.error.hop
            raise ClusterUnavailable(
                f"cluster {cluster.name} could not be reached lately and is tried again soon{cause}",
                cluster=cluster.name,
                hop=hop,
            )

    def succeeded(self, cluster: ClusterGateway) -> None:
        """A connection is there, TLS included."""
        known = self._experience(cluster)
        known.breaker.succeeded()
        known.connected = self._clock.seconds()

    def failed(self, cluster: ClusterGateway, error: GatewayError) -> None:
        """No endpoint of the cluster could be connected to."""
        known = self._experience(cluster)
        now = self._clock.seconds()
        known.breaker.failed(now, self._chance())
        known.failed, known.error = now, error

    def abandoned(self, cluster: ClusterGateway) -> None:
        """Connecting was given up before it showed anything."""
        known = self.experience(cluster)
        if known is not None:
            known.breaker.abandoned(self._clock.seconds())

    def guard(self, cluster: ClusterGateway, endpoint: IStreamClientEndpoint, patience: float) -> GuardedEndpoint:
        """
        The endpoint, asked only when it makes sense, and learnt from.

        @param endpoint: connects to the cluster, TLS included.
        @param patience: seconds after which an attempt that is cancelled counts as failed: whoever cancels it sooner
            may have reasons of their own.
        """
        return GuardedEndpoint(self, cluster, endpoint, patience, self._clock)

    def experience(self, cluster: ClusterGateway) -> Experience | None:
        """What is known of it, C{None} for nothing."""
        known = self._known.get(cluster.name)
        return known if known is not None and known.generation == cluster.generation else None

    def states(self) -> Iterator[tuple[str, State]]:
        """Cluster name and state of each breaker, for metrics."""
        return iter([(name, known.breaker.state) for name, known in self._known.items()])

    def changed(self, event: str, cluster: ClusterGateway) -> None:
        """To be subscribed to the directory: what goes, or is reached in another way, is forgotten."""
        known = self._known.get(cluster.name)
        if known is not None and (event == "DELETED" or known.generation != cluster.generation):
            del self._known[cluster.name]

    def _experience(self, cluster: ClusterGateway) -> Experience:
        known = self.experience(cluster)
        if known is None:
            known = self._known[cluster.name] = Experience(cluster.generation)
        return known


@implementer(IStreamClientEndpoint)
class GuardedEndpoint:
    """Made by L{Breakers.guard}."""

    def __init__(
        self,
        breakers: Breakers,
        cluster: ClusterGateway,
        endpoint: IStreamClientEndpoint,
        patience: float,
        clock: IReactorTime,
    ) -> None:
        self._breakers = breakers
        self._cluster = cluster
        self._endpoint = endpoint
        self._patience = patience
        self._clock = clock

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        @return: fails with L{ClusterUnavailable} at once while the cluster is known to be dead, else as the endpoint's.
        """
        try:
            self._breakers.check(self._cluster)
        except ClusterUnavailable as error:
            return fail(error)
        began = self._clock.seconds()
        connecting: Deferred[IProtocol] = self._endpoint.connect(protocolFactory)
        return connecting.addCallbacks(self._connected, self._failed, errbackArgs=(began,))

    def _connected(self, protocol: IProtocol) -> IProtocol:
        self._breakers.succeeded(self._cluster)
        return protocol

    def _failed(self, failure: Failure, began: float) -> Failure:
        if not failure.check(CancelledError):
            self._breakers.failed(self._cluster, connect_error(failure, self._cluster.name))
        elif self._clock.seconds() - began >= self._patience:
            late = UpstreamTimeout("the endpoint did not connect in time", cluster=self._cluster.name, hop="connect")
            self._breakers.failed(self._cluster, late)
        else:
            self._breakers.abandoned(self._cluster)
        return failure
