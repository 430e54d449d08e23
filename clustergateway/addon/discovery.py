"""Managed clusters become ClusterGateways: an account on each, its token on the hub, and its rights by ManifestWork."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import Conflict, GatewayError
from ..kube.cache import Informer
from ..model.addon import ADDON, MANAGED_LABEL, AddOnTypes, Configuration, deleting
from ..model.addoncluster import SOURCE_ANNOTATION, account, covers, gateway_secret, is_ours
from ..model.addonconditions import Condition, condition_of
from ..model.manifestwork import AGENT, MANIFEST_WORKS, WORK, agent_namespace, permissions
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
        @raise GatewayError: it did not work; the condition says why, and it is to be tried again.
        """
        addon = self._copies.addons.get(ADDON, cluster)
        managed = self._copies.clusters.get(cluster)
        if addon is None or managed is None or deleting(addon) or deleting(managed):
            await self._forget(cluster, configuration)
            return None
        try:
            condition = await self._registration(cluster, configuration, addon, managed)
        except Conflict:
            raise  # somebody was faster: no cause of failure, only of another look
        except GatewayError as error:
            await self._say(cluster, Condition(REGISTERED, "False", error.reason, error.message))
            raise
        await self._hub.say(self._types.managed_addons, addon, [condition])
        return RESYNC

    async def _say(self, cluster: str, condition: Condition) -> None:
        try:
            fresh = await self._hub.find(self._types.managed_addons, ADDON, cluster)
            if fresh is not None:
                await self._hub.say(self._types.managed_addons, fresh, [condition])
        except GatewayError:
            pass  # what went wrong before is what is reported

    async def _registration(
        self, cluster: str, configuration: Configuration, addon: Object, managed: Object
    ) -> Condition:
        if configuration.manual:
            await self._give_up(cluster, configuration)
            return Condition(REGISTERED, "True", "Manual", "the Secret of the cluster is made by people")
        if not self._copies.accounts.synced:
            message = "the hub does not serve ManagedServiceAccounts: is the add-on managed-serviceaccount installed?"
            return Condition(REGISTERED, "False", "ManagedServiceAccountMissing", message)
        return await self._register(cluster, configuration, addon, managed)

    async def _register(self, cluster: str, configuration: Configuration, addon: Object, managed: Object) -> Condition:
        owner = owner_of(self._types.managed_addons, addon)
        await self._ensure(self._accounts, self._copies.accounts, account(configuration, cluster), owner)
        namespace = agent_namespace(self._copies.addons.get(AGENT, cluster))
        copied = self._copies.secrets.get(cluster, configuration.secret_namespace)
        work = permissions(managed, namespace, configuration.account, configuration.full_rights, copied)
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
        applied = condition_of(self._copies.works.get(WORK, cluster) or {}, "Applied")
        if applied.get("status") == "False":
            message = f"ManifestWork {cluster}/{WORK}: {applied.get('message') or 'it is not applied'}"
            return Condition(REGISTERED, "False", "PermissionsNotApplied", message)
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
        if configuration.manual:
            await self._give_up(cluster, configuration)
            return
        secret = self._copies.secrets.get(cluster, configuration.secret_namespace)
        if secret is not None and _copied_from(secret, cluster):
            await self._hub.delete(SECRETS, secret)

    async def _give_up(self, cluster: str, configuration: Configuration) -> None:
        """The Secret that we made is people's from now on: nothing says any more that it is ours, or has an owner."""
        secret = self._copies.secrets.get(cluster, configuration.secret_namespace)
        if secret is None or not _copied_from(secret, cluster):
            return
        metadata = secret["metadata"]
        others = [each for each in metadata.get("ownerReferences") or () if each.get("kind") != MANAGED_CLUSTERS.kind]
        change = {
            "resourceVersion": metadata["resourceVersion"],
            "labels": {MANAGED_LABEL: None},
            "annotations": {SOURCE_ANNOTATION: None},
            "ownerReferences": others or None,
        }
        await self._hub.client.patch(SECRETS, cluster, configuration.secret_namespace, {"metadata": change})

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
