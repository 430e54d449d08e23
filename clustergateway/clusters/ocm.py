"""Open Cluster Management's ManagedClusters: those that have no Secret yet, and a hub that does not serve them yet."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import GatewayError, NotFound, UnknownCluster
from ..interfaces import Directory
from ..kube.cache import Handlers, Informer
from ..kube.client import KubeClient
from ..model.gateway import ClusterGateway
from ..model.ocm import managed_only
from .store import Listener, Listeners

WAIT = 10.0
"""Seconds between two looks for an API that the hub does not serve."""


class AwaitedApi:
    """
    Starts an informer as soon as the hub serves its type.

    @ivar absent: the hub says that it does not serve it.
    """

    _log = Logger()

    def __init__(self, client: KubeClient, informer: Informer, clock: IReactorTime) -> None:
        self.absent = False
        self._client = client
        self._informer = informer
        self._clock = clock
        self._looking: Deferred[None] | None = None
        self._again: IDelayedCall | None = None

    def start(self) -> None:
        """Look, and look again."""
        self._again = None
        self._looking = Deferred.fromCoroutine(self._look())
        self._looking.addErrback(self._failed)

    def stop(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._looking is not None:
            self._looking.cancel()
        self._informer.stop()

    def problems(self) -> Mapping[str, str]:
        """Resource -> what people should know."""
        kind = self._informer.kind
        return {kind.resource: f"the hub does not serve {kind.group}/{kind.version} yet"} if self.absent else {}

    async def _look(self) -> None:
        kind = self._informer.kind
        try:
            answer = await self._client.call("GET", f"/apis/{kind.api_version}")
            resources = answer.get("resources")
            there = any(each.get("name") == kind.resource for each in resources or () if isinstance(each, Mapping))
        except NotFound:
            there = False
        except GatewayError:
            there = True  # nobody can tell; the informer has more patience, and says why it has nothing
        if not there:
            if not self.absent:
                self._log.info("{resource} are not served by the hub; waiting", resource=kind.resource)
            self._again = self._clock.callLater(WAIT, self.start)
        self.absent = not there
        self._looking = None
        if there:
            self._informer.start()

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("looking for an API failed", failure)


class RegisteredClusters:
    """
    What VirtualClusters show: the clusters of another directory, and those that are registered with Open Cluster
    Management and have no Secret.
    """

    def __init__(self, directory: Directory, managed_clusters: Informer) -> None:
        self._directory = directory
        self._registered: dict[str, ClusterGateway] = {}
        self._listeners = Listeners()
        self._known = {gateway.name for gateway in directory.all()}
        directory.subscribe(self._changed)
        managed_clusters.subscribe(Handlers(self._put, lambda _, after: self._put(after), self._drop))

    def get(self, name: str) -> ClusterGateway:
        try:
            return self._directory.get(name)
        except UnknownCluster:
            if name in self._registered:
                return self._registered[name]
            raise

    def all(self) -> Iterator[ClusterGateway]:
        others = (gateway for name, gateway in self._registered.items() if name not in self._known)
        return iter(sorted((*self._directory.all(), *others), key=lambda gateway: gateway.name))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._listeners.subscribe(listener)

    def _changed(self, event: str, gateway: ClusterGateway) -> None:
        """Of a cluster that has, or had, a Secret."""
        name = gateway.name
        shown = name in self._registered
        if event == "DELETED":
            self._known.discard(name)
            if shown:
                event = "MODIFIED"
                gateway = replace(self._registered[name], resource_version=gateway.resource_version)
        else:
            self._known.add(name)
            if event == "ADDED" and shown:
                event = "MODIFIED"
        self._listeners.tell(event, gateway)

    def _put(self, cluster: Mapping[str, Any]) -> None:
        gateway = managed_only(cluster)
        if gateway is None:
            return
        before = self._registered.get(gateway.name)
        self._registered[gateway.name] = gateway
        if gateway.name not in self._known and gateway != before:
            self._listeners.tell("ADDED" if before is None else "MODIFIED", gateway)

    def _drop(self, cluster: Mapping[str, Any]) -> None:
        gateway = self._registered.pop(str(cluster["metadata"]["name"]), None)
        if gateway is not None and gateway.name not in self._known:
            version = str(cluster["metadata"].get("resourceVersion", ""))
            self._listeners.tell("DELETED", replace(gateway, resource_version=version))
