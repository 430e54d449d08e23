"""ClusterProfiles say that their clusters are reached through the gateway, where that is wanted."""

from __future__ import annotations

from ..kube.cache import Informer
from ..model.addon import ADDON, MANAGER, Publication, deleting
from ..model.addoncluster import covers
from ..model.clusterprofile import CLUSTER_PROFILES, provider_of, published, withdrawn
from .hub import RESYNC, Hub


class Publisher:
    """One profile at a time: of a cluster that has the add-on, or that had it."""

    def __init__(self, hub: Hub, profiles: Informer, addons: Informer) -> None:
        self._hub = hub
        self._profiles = profiles
        self._addons = addons

    async def reconcile(self, namespace: str, name: str, publication: Publication | None) -> float | None:
        """
        @param publication: C{None} where profiles say nothing of the gateway.
        @return: seconds until the next look.
        """
        profile = self._profiles.get(name, namespace)
        if profile is None or deleting(profile):
            return None
        addon = self._addons.get(ADDON, name)
        present = provider_of(profile, ADDON)
        if publication is None or addon is None or deleting(addon):
            if present is not None:
                # With the version it was seen at: others' providers are in the same list.
                typed = {"apiVersion": CLUSTER_PROFILES.api_version, "kind": CLUSTER_PROFILES.kind}
                await self._hub.client.update(
                    CLUSTER_PROFILES, {**profile, **typed, "status": withdrawn(profile)}, "status"
                )
            return RESYNC
        provider = published(name, publication)
        if not covers(present, provider):
            metadata = {"name": name, "namespace": namespace}
            wanted = {"metadata": metadata, "status": {"accessProviders": [provider]}}
            await self._hub.client.apply(CLUSTER_PROFILES, wanted, MANAGER, subresource="status")
        return RESYNC
