"""Taking away what we made: what an earlier configuration had, or everything."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..model.addon import Configuration
from ..model.addoncertificates import SERVING_SECRET, SIGNER_SECRET
from ..model.addoncluster import SOURCE_ANNOTATION
from ..model.addonobjects import (
    API_SERVICES,
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    DEPLOYMENTS,
    PROXY_CA_COPY,
    PROXY_CLIENT_COPY,
    ROLE_BINDINGS,
    ROLES,
    SERVICE_ACCOUNTS,
    SERVICES,
    TRUST_NAMESPACE,
    Wanted,
)
from ..model.manifestwork import MANIFEST_WORKS
from ..model.resourcetype import SECRETS, ResourceType
from .hub import Hub

IN_NAMESPACES = (DEPLOYMENTS, SERVICES, SERVICE_ACCOUNTS, ROLE_BINDINGS, ROLES, SECRETS)
IN_CLUSTER = (API_SERVICES, CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES)


class Removal:
    """
    Only what carries our label goes; namespaces stay, for others may have something in them.

    The hosting cluster's garbage collector does most of it too, by owner references. It has no say in what the first
    owner still has, and is not there in every hub that is tested.
    """

    def __init__(self, hub: Hub, accounts: ResourceType) -> None:
        """
        @param accounts: ManagedServiceAccounts, in the version that is served.
        """
        self._hub = hub
        self._accounts = accounts

    async def prune(self, configuration: Configuration, made: Iterable[Wanted], namespaces: Iterable[str]) -> None:
        """
        @param made: what is there now, without Secrets.
        @param namespaces: in which there may be something of ours.
        """
        stays = {(kind, wanted["metadata"].get("namespace", ""), wanted["metadata"]["name"]) for kind, wanted in made}
        for namespace in namespaces:
            for kind in IN_NAMESPACES:
                for each in await self._hub.ours(kind, namespace):
                    name = each["metadata"]["name"]
                    if kind is SECRETS:
                        kept = self._secret_stays(configuration, namespace, each)
                    else:
                        kept = (kind, namespace, name) in stays
                    if not kept:
                        await self._hub.delete(kind, each)

    async def everything(self, namespaces: Iterable[str]) -> None:
        """@param namespaces: in which there may be something of ours, besides those where there always is."""
        for kind in (*IN_CLUSTER, MANIFEST_WORKS, self._accounts):
            await self._delete(kind, "")
        used = set(namespaces)
        for namespace in sorted(used):
            for kind in IN_NAMESPACES:
                await self._delete(kind, namespace)
        if TRUST_NAMESPACE not in used:
            await self._delete(ROLE_BINDINGS, TRUST_NAMESPACE)
        if self._hub.namespace not in used:
            await self._delete(SECRETS, self._hub.namespace)

    async def _delete(self, kind: ResourceType, namespace: str) -> None:
        for each in await self._hub.ours(kind, namespace):
            await self._hub.delete(kind, each)

    def _secret_stays(self, configuration: Configuration, namespace: str, secret: Mapping[str, Any]) -> bool:
        metadata = secret["metadata"]
        name = metadata["name"]
        if name == SIGNER_SECRET and namespace == self._hub.namespace:
            return True
        copies = () if configuration.egress is None else (PROXY_CLIENT_COPY, PROXY_CA_COPY)
        if name in (SERVING_SECRET, *copies) and namespace == configuration.install_namespace:
            return True
        copied = SOURCE_ANNOTATION in (metadata.get("annotations") or {})
        return bool(copied and namespace == configuration.secret_namespace)
