"""Clusters from ClusterProfiles that are read from the hub for each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred

from ..errors import GatewayError, NotFound, UnknownCluster
from ..model.gateway import ClusterGateway
from .secrets import unreadable

Object = Mapping[str, Any]


class ProfileReader:
    """Where no Secret is a cluster, the ClusterProfile of the name is read, as L{SecretReader} reads Secrets."""

    def __init__(
        self,
        secrets: Callable[[str], Deferred[ClusterGateway]],
        read: Callable[[str], Deferred[Object]],
        cluster_of: Callable[[Object], ClusterGateway | None],
    ) -> None:
        """
        @param secrets: finds the cluster of a Secret; its Deferred fails with L{UnknownCluster} if there is none.
        @param read: gets the ClusterProfile of a name from the hub; its Deferred fails with L{NotFound} if there is
            none, or none are served.
        @param cluster_of: makes a cluster of it, C{None} if it is none.
        """
        self._secrets = secrets
        self._read = read
        self._cluster_of = cluster_of

    def find(self, name: str) -> Deferred[ClusterGateway]:
        """
        @return: fails with L{UnknownCluster}, or with L{HubUnavailable} if the hub does not tell.
        """

        async def found() -> ClusterGateway:
            try:
                return await self._secrets(name)
            except UnknownCluster as error:
                missing = error
            try:
                gateway = self._cluster_of(await self._read(name))
            except NotFound:
                gateway = None
            except GatewayError as error:
                raise unreadable(name, error) from None
            if gateway is None:
                raise missing
            return gateway

        return Deferred.fromCoroutine(found())
