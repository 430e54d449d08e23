"""ClusterProfiles say that their clusters are reached through the gateway, where that is wanted."""

from __future__ import annotations

from ..errors import NotFound
from ..kube.cache import Informer
from ..model.addon import ADDON, MANAGER, Publication, deleting
from ..model.addoncluster import covers
from ..model.clusterprofile import CLUSTER_PROFILES, provider_of, published
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
        wanted = published(name, namespace, None if addon is None or deleting(addon) else publication)
        present = provider_of(profile, ADDON)
        providers = wanted["status"].get("accessProviders")
        if (not providers and present is None) or (providers and covers(present, providers[0])):
            return RESYNC
        try:
            # Others have providers of their own in the same list; applying ours leaves theirs alone.
            await self._hub.client.apply(CLUSTER_PROFILES, wanted, MANAGER, subresource="status")
        except NotFound:
            return None
        return RESYNC
