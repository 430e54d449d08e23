"""The clusters of one source, in memory: versions, changes, and who wants to hear of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timezone

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..errors import Conflict, UnknownCluster
from ..model.gateway import ClusterGateway, Health

Listener = Callable[[str, ClusterGateway], None]

# So that a cluster keeps its uid over restarts and replicas.
_UIDS = uuid.UUID("6b3c8f1e-3d0c-5a6b-9a55-0c1f3b1d7a42")


class Listeners:
    """Those who subscribed. One that raises is logged and disturbs no other."""

    _log = Logger()

    def __init__(self) -> None:
        self._listeners: dict[object, Listener] = {}

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """@return: ends the subscription; calling it again does nothing."""
        token = object()
        self._listeners[token] = listener

        def end() -> None:
            self._listeners.pop(token, None)

        return end

    def tell(self, event: str, gateway: ClusterGateway) -> None:
        for listener in tuple(self._listeners.values()):
            self._call(listener, event, gateway)

    def _call(self, listener: Listener, event: str, gateway: ClusterGateway) -> None:
        try:
            listener(event, gateway)
        except Exception:
            self._log.failure("a listener for clusters failed on {event} of {name}", event=event, name=gateway.name)


class Store:
    """
    A L{Directory<clustergateway.interfaces.Directory>} that somebody fills, and a
    L{HealthWriter<clustergateway.interfaces.HealthWriter>}'s memory.

    Resource versions are numbers that grow with every change. They start at the clock's milliseconds, so that a client
    that remembers one from before a restart sees it as too old rather than as one of the future.

    @ivar version: the latest resource version given.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self.version = int(clock.seconds() * 1000)
        self._gateways: dict[str, ClusterGateway] = {}
        self._health: dict[str, Health] = {}
        self._listeners = Listeners()

    def get(self, name: str) -> ClusterGateway:
        try:
            return self._gateways[name]
        except KeyError:
            raise UnknownCluster(f'clustergateways.cluster.core.oam.dev "{name}" not found', cluster=name) from None

    def all(self) -> Iterator[ClusterGateway]:
        return iter([self._gateways[name] for name in sorted(self._gateways)])

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._listeners.subscribe(listener)

    def replace_all(self, gateways: Iterable[ClusterGateway]) -> None:
        """Make these, by name, all there are. Those that did not change keep their version and are not told of."""
        wanted = {gateway.name: gateway for gateway in gateways}
        for name in [name for name in self._gateways if name not in wanted]:
            self.remove(name)
        for gateway in wanted.values():
            self.put(gateway)

    def put(self, gateway: ClusterGateway) -> None:
        """
        Add or change one. Its resource version is replaced by one of this store's; an empty uid or creation time is
        filled in, and the health that was written here since is kept.
        """
        known = self._gateways.get(gateway.name)
        candidate = replace(
            gateway,
            uid=gateway.uid or str(uuid.uuid5(_UIDS, gateway.name)),
            creation_timestamp=gateway.creation_timestamp or self._first_seen(known),
            health=self._health.get(gateway.name, gateway.health),
            resource_version="" if known is None else known.resource_version,
        )
        if candidate == known:
            return
        self._set("ADDED" if known is None else "MODIFIED", candidate)

    def remove(self, name: str) -> None:
        """Take one away, if it is there. Listeners see it with a new version, as the watch of an apiserver would."""
        self._health.pop(name, None)
        gateway = self._gateways.pop(name, None)
        if gateway is not None:
            self._listeners.tell("DELETED", replace(gateway, resource_version=self._next()))

    def write_health(self, name: str, health: Health, resource_version: str = "") -> ClusterGateway:
        """
        Remember a cluster's health for as long as it is here, over changes of its source.

        @param resource_version: of the ClusterGateway that the writer has seen; C{""} to write unconditionally.
        @raise UnknownCluster: there is no such one.
        @raise Conflict: it changed since.
        """
        gateway = self.get(name)
        if resource_version and resource_version != gateway.resource_version:
            raise Conflict(
                f'clustergateways.cluster.core.oam.dev "{name}" was changed by somebody else; read it again',
                cluster=name,
            )
        self._health[name] = health
        self.put(gateway)
        return self.get(name)

    def _set(self, event: str, gateway: ClusterGateway) -> None:
        gateway = replace(gateway, resource_version=self._next())
        self._gateways[gateway.name] = gateway
        self._listeners.tell(event, gateway)

    def _first_seen(self, known: ClusterGateway | None) -> str:
        if known is not None:
            return known.creation_timestamp
        return datetime.fromtimestamp(int(self._clock.seconds()), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")

    def _next(self) -> str:
        self.version += 1
        return str(self.version)
