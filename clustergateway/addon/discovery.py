"""Managed clusters become ClusterGateways: an account on each, its token on the hub, and its rights by ManifestWork."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..kube.cache import Informer
from ..model.addon import ADDON, AddOnTypes, Configuration, deleting
from ..model.addoncluster import SOURCE_ANNOTATION, account, covers, gateway_secret, is_ours
from ..model.addonconditions import Condition
from ..model.manifestwork import AGENT, MANIFEST_WORKS, agent_namespace, permissions
from ..model.ocm import MANAGED_CLUSTERS
from ..model.resourcetype import SECRETS, ResourceType
from .hub import RESYNC, Hub, Object, owner_of

REGISTERED = "ClusterGatewayRegistered"


@dataclass(frozen=True)
class Copies:
    """
    What is known of managed clusters, as of a moment ago.

    @ivar tokens: Secrets of ManagedServiceAccounts, in the clusters' namespaces.
    @ivar secrets: our copies of them.
    """

    addons: Informer
    clusters: Informer
    accounts: Informer
    works: Informer
    tokens: Informer
    secrets: Informer

    def all(self) -> Iterator[Informer]:
        return iter((self.addons, self.clusters, self.accounts, self.works, self.tokens, self.secrets))


class Discovery:
    """One cluster at a time; as the installer, from nothing but what there is."""

    def __init__(self, hub: Hub, types: AddOnTypes, accounts: ResourceType, copies: Copies) -> None:
        self._hub = hub
        self._types = types
        self._accounts = accounts
        self._copies = copies

    async def reconcile(self, cluster: str, configuration: Configuration) -> float | None:
        """
        @param cluster: a cluster that has, or had, one of our objects.
        @return: seconds until the next look, C{None} if there is nothing left to look at.
        """
        addon = self._copies.addons.get(ADDON, cluster)
        managed = self._copies.clusters.get(cluster)
        if addon is None or managed is None or deleting(addon) or deleting(managed):
            await self._forget(cluster, configuration)
            return None
        if configuration.manual:
            condition = Condition(REGISTERED, "True", "Manual", "the Secret of the cluster is made by people")
        elif not self._copies.accounts.synced:
            message = "the hub does not serve ManagedServiceAccounts: is the add-on managed-serviceaccount installed?"
            condition = Condition(REGISTERED, "False", "ManagedServiceAccountMissing", message)
        else:
            condition = await self._register(cluster, configuration, addon, managed)
        await self._hub.say(self._types.managed_addons, addon, [condition])
        return RESYNC

    async def _register(self, cluster: str, configuration: Configuration, addon: Object, managed: Object) -> Condition:
        owner = owner_of(self._types.managed_addons, addon)
        await self._ensure(self._accounts, self._copies.accounts, account(configuration, cluster), owner)
        namespace = agent_namespace(self._copies.addons.get(AGENT, cluster))
        work = permissions(cluster, namespace, configuration.account, configuration.full_rights)
        await self._ensure(MANIFEST_WORKS, self._copies.works, work, owner)
        await self._drop_former_accounts(cluster, configuration)
        token = self._copies.tokens.get(configuration.account, cluster)
        wanted = None if token is None else gateway_secret(configuration, cluster, token)
        if wanted is None:
            message = "the managed cluster has not sent the token of the ManagedServiceAccount yet"
            return Condition(REGISTERED, "False", "TokenMissing", message)
        present = await self._hub.find(SECRETS, cluster, configuration.secret_namespace)
        if present is not None and not _copied_from(present, cluster):
            message = f"Secret {configuration.secret_namespace}/{cluster} is there and was not made by the add-on"
            return Condition(REGISTERED, "False", "SecretNotOurs", message)
        await self._ensure(SECRETS, self._copies.secrets, wanted, owner_of(MANAGED_CLUSTERS, managed))
        return Condition(REGISTERED, "True", "Registered", "the cluster is a ClusterGateway")

    async def _ensure(self, kind: ResourceType, known: Informer, wanted: Object, owner: Object) -> None:
        metadata = wanted["metadata"]
        wanted = {**wanted, "metadata": {**metadata, "ownerReferences": [owner]}}
        if not covers(known.get(metadata["name"], metadata["namespace"]), wanted):
            await self._hub.apply(kind, wanted)

    async def _drop_former_accounts(self, cluster: str, configuration: Configuration) -> None:
        for each in self._copies.accounts.all():
            metadata = each["metadata"]
            if is_ours(each) and metadata.get("namespace") == cluster and metadata["name"] != configuration.account:
                await self._hub.delete(self._accounts, each)

    async def _forget(self, cluster: str, configuration: Configuration) -> None:
        for kind, known in ((self._accounts, self._copies.accounts), (MANIFEST_WORKS, self._copies.works)):
            for each in known.all():
                if is_ours(each) and each["metadata"].get("namespace") == cluster:
                    await self._hub.delete(kind, each)
        secret = self._copies.secrets.get(cluster, configuration.secret_namespace)
        if secret is not None and _copied_from(secret, cluster) and not configuration.manual:
            await self._hub.delete(SECRETS, secret)

    def cluster_of(self, content: Mapping[str, Any]) -> str:
        """Which cluster an object of L{Copies} is about, C{""} for none."""
        metadata = content["metadata"]
        source = (metadata.get("annotations") or {}).get(SOURCE_ANNOTATION)
        if source and is_ours(content):
            return str(source).partition("/")[0]
        return str(metadata.get("namespace") or metadata["name"])


def _copied_from(secret: Mapping[str, Any], cluster: str) -> bool:
    source = (secret["metadata"].get("annotations") or {}).get(SOURCE_ANNOTATION, "")
    return is_ours(secret) and str(source).partition("/")[0] == cluster
