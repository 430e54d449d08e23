"""Clusters from Secrets of the hosting cluster: from an informer's memory, or read for each request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..errors import ConfigurationError, GatewayError, HubUnavailable, NotFound, UnknownCluster
from ..kube.cache import Handlers, Informer
from ..model.gateway import ClusterGateway
from ..model.ocm import merge
from ..model.secrets import broken_gateway, gateway_from_secret
from ..model.soundness import all_warnings
from .store import Listener, Listeners

Object = Mapping[str, Any]


class SecretDirectory:
    """
    A L{Directory<clustergateway.interfaces.Directory>} that an informer of Secrets feeds, and with Open Cluster
    Management one of ManagedClusters too: then a Secret without a ManagedCluster of its name is no cluster.

    A Secret that means to be a cluster and cannot be is listed with the reason, and not routed to: every replica says
    the same of it, whatever it was before. The resource versions are the hub's.
    """

    _log = Logger()

    def __init__(self, secrets: Informer, clock: IReactorTime, managed_clusters: Informer | None = None) -> None:
        """
        @param secrets: of the namespace, those with the credential type label at least.
        @param managed_clusters: where they say which Secrets count, C{None} where they do not.
        """
        self._clock = clock
        self._managed = managed_clusters is not None
        self._informers = [secrets]
        self._secrets: dict[str, Object] = {}
        self._clusters: dict[str, Object] = {}
        self._gateways: dict[str, ClusterGateway] = {}
        self._problems: dict[str, str] = {}
        self._listeners = Listeners()
        secrets.subscribe(Handlers(self._secret, lambda _, secret: self._secret(secret), self._secret_gone))
        if managed_clusters is not None:
            self._informers.append(managed_clusters)
            managed_clusters.subscribe(
                Handlers(self._cluster, lambda _, cluster: self._cluster(cluster), self._cluster_gone)
            )

    def get(self, name: str) -> ClusterGateway:
        """@raise HubUnavailable: the informers have not seen everything yet, and not this one."""
        gateway = self._gateways.get(name)
        if gateway is not None:
            return gateway
        if not all(informer.synced for informer in self._informers):
            raise unread(name)
        raise unknown(name)

    def all(self) -> Iterator[ClusterGateway]:
        return iter([self._gateways[name] for name in sorted(self._gateways)])

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._listeners.subscribe(listener)

    def problems(self) -> Mapping[str, str]:
        """Secrets that mean to be clusters and cannot be, or will not work: name -> sentence."""
        return MappingProxyType({**all_warnings(self.all(), self._clock.seconds()), **self._problems})

    def _secret(self, secret: Object) -> None:
        name = _name(secret)
        self._secrets[name] = secret
        self._derive(name)

    def _secret_gone(self, secret: Object) -> None:
        name = _name(secret)
        if self._secrets.pop(name, None) is not None:
            self._problems.pop(name, None)
            self._set(name, None, self._end(_version(secret)))

    def _cluster(self, cluster: Object) -> None:
        name = _name(cluster)
        self._clusters[name] = cluster
        self._derive(name)

    def _cluster_gone(self, cluster: Object) -> None:
        name = _name(cluster)
        if self._clusters.pop(name, None) is not None:
            self._set(name, None, self._end(_version(cluster)))

    def _end(self, version: str) -> str:
        """Of what a list no longer holds only the version before its end is known; the list's own is later."""
        return max(version, *(informer.resource_version for informer in self._informers), key=_number)

    def _derive(self, name: str) -> None:
        secret, cluster = self._secrets.get(name), self._clusters.get(name)
        if secret is None or (self._managed and cluster is None):
            return
        try:
            gateway = read_secret(secret, cluster if self._managed else None)
            self._problems.pop(name, None)
        except ConfigurationError as error:
            if self._problems.get(name) != error.message:
                self._log.warn("Secret {name}: {problem}", name=name, problem=error.message)
            self._problems[name] = error.message
            gateway = broken_gateway(secret, error.message)
        version = max(_version(secret), _version(cluster or {}), key=_number)
        self._set(name, gateway, version)

    def _set(self, name: str, gateway: ClusterGateway | None, version: str) -> None:
        known = self._gateways.get(name)
        if gateway is None:
            if known is not None:
                del self._gateways[name]
                self._listeners.tell("DELETED", replace(known, resource_version=version))
            return
        gateway = replace(gateway, resource_version=version)
        if gateway != known:
            self._gateways[name] = gateway
            self._listeners.tell("ADDED" if known is None else "MODIFIED", gateway)


class SecretReader:
    """
    Clusters read from the hub each time (gate C{SecretCache=false}), for hubs where the gateway may get Secrets but not
    list and watch them.
    """

    def __init__(
        self,
        read: Callable[[str], Deferred[Object]],
        managed: Callable[[str], Deferred[Object]] | None = None,
    ) -> None:
        """
        @param read: gets the Secret of a name from the hub; its Deferred fails with L{NotFound} if there is none.
        @param managed: likewise the ManagedCluster; C{None} without Open Cluster Management.
        """
        self._read = read
        self._managed = managed

    def find(self, name: str) -> Deferred[ClusterGateway]:
        """
        @return: fails with L{UnknownCluster}, or with L{HubUnavailable} if the hub does not tell.
        """

        async def found() -> ClusterGateway:
            try:
                secret = await self._read(name)
                cluster = None if self._managed is None else await self._managed(name)
            except NotFound:
                raise unknown(name) from None
            except GatewayError as error:
                raise unreadable(name, error) from None
            try:
                gateway = read_secret(secret, cluster)
            except ConfigurationError as error:
                gateway = broken_gateway(secret, error.message)
            if gateway is None:
                raise unknown(name)
            return gateway

        return Deferred.fromCoroutine(found())


def read_secret(secret: Object, cluster: Object | None) -> ClusterGateway | None:
    """
    @param cluster: the ManagedCluster of the same name, if it is to be merged in.
    @return: C{None} if the Secret is no cluster.
    @raise ConfigurationError: it means to be one, and cannot be.
    """
    return gateway_from_secret(secret) if cluster is None else merge(secret, cluster)


def unknown(name: str) -> UnknownCluster:
    """The error for a cluster that is not there, in the words of an apiserver."""
    return UnknownCluster(f'clustergateways.cluster.core.oam.dev "{name}" not found', cluster=name)


def unread(name: str) -> HubUnavailable:
    """The error for a cluster of which nobody can tell yet whether it is there."""
    return HubUnavailable("the clusters are not read from the hub yet", cluster=name, hop="hub", retry_after=1)


def unreadable(name: str, error: GatewayError) -> HubUnavailable:
    """
    The error for a cluster that the hub does not tell of. Whatever it says, the user is not to blame: not for our
    missing rights, nor for a hub that is busy.
    """
    return HubUnavailable(
        f"the cluster cannot be read: {error.message}", cluster=name, hop="hub", retry_after=error.retry_after
    )


def _name(thing: Object) -> str:
    return str(thing["metadata"]["name"])


def _version(thing: Object) -> str:
    return str((thing.get("metadata") or {}).get("resourceVersion", ""))


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else 0
