"""Discovery and health of all managed clusters, for as long as the configuration names the same places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred, gatherResults
from twisted.logger import Logger

from ..kube.cache import Handlers, Informer
from ..kube.workqueue import Workers
from ..model.addon import ADDON, AddOnTypes, Configuration
from ..model.clusterprofile import CLUSTER_PROFILES
from ..model.manifestwork import MANIFEST_WORKS
from ..model.ocm import MANAGED_CLUSTERS
from ..model.resourcetype import SECRETS, ResourceType
from .discovery import Copies, Discovery
from .hub import OURS, Hub
from .prober import Prober
from .profiles import Publisher

PROBES = 32
"""At a time. One of a dead cluster takes as long as the gateway waits for it."""

Key = tuple[str, str]


class Clusters:
    """
    @ivar scope: what of the configuration cannot change without starting anew.
    """

    _log = Logger()

    def __init__(
        self,
        hub: Hub,
        types: AddOnTypes,
        accounts: ResourceType,
        configuration: Configuration,
        probe_interval: float,
    ) -> None:
        """
        @param probe_interval: seconds between two probes of a cluster.
        """
        self.scope = scope_of(configuration)
        self._configuration = configuration
        named = [("fieldSelector", f"metadata.name={configuration.account}")]
        self._copies = Copies(
            addons=hub.informer(types.managed_addons),
            clusters=hub.informer(MANAGED_CLUSTERS),
            accounts=hub.informer(accounts),
            works=hub.informer(MANIFEST_WORKS, "", OURS),
            tokens=hub.informer(SECRETS, "", named),
            secrets=hub.informer(SECRETS, configuration.secret_namespace, OURS),
        )
        self._profiles = hub.informer(CLUSTER_PROFILES)
        self._discovery = Discovery(hub, types, accounts, self._copies)
        self._prober = Prober(hub, types, self._copies.addons, probe_interval)
        self._publisher = Publisher(hub, self._profiles, self._copies.addons)
        self._discover: Workers[str] = Workers(self._discover_one, hub.clock, hub.chance)
        self._probe: Workers[str] = Workers(self._prober.reconcile, hub.clock, hub.chance, PROBES)
        self._publish: Workers[Key] = Workers(self._publish_one, hub.clock, hub.chance)
        self._waiting: Deferred[Any] | None = None

    def start(self) -> None:
        """Begin; nothing is decided before everything that there is has been seen."""
        informers = (*self._copies.all(), self._profiles)
        for informer in informers:
            informer.start()
        # Not those of APIs that a hub may lack.
        needed = (self._copies.addons, self._copies.clusters, self._copies.tokens, self._copies.secrets)
        self._waiting = gatherResults([each.when_synced() for each in needed], consumeErrors=True)
        self._waiting.addCallbacks(self._begin, lambda _: None)

    def stop(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        for workers in (self._discover, self._probe, self._publish):
            workers.stop()
        for informer in (*self._copies.all(), self._profiles):
            informer.stop()

    def use(self, configuration: Configuration) -> None:
        """@param configuration: of the same scope."""
        if configuration == self._configuration:
            return
        self._configuration = configuration
        for addon in self._copies.addons.all():
            self._changed(addon)
        for profile in self._profiles.all():
            self._profile(profile)

    def _begin(self, _: object) -> None:
        for informer in self._copies.all():
            _follow(informer, self._changed)
        _follow(self._copies.addons, self._probed)
        _follow(self._copies.secrets, self._probed)
        _follow(self._profiles, self._profile)
        _follow(self._copies.addons, self._profiles_of)

    def _changed(self, content: Mapping[str, Any]) -> None:
        self._discover.add(self._discovery.cluster_of(content))

    def _probed(self, content: Mapping[str, Any]) -> None:
        cluster = self._discovery.cluster_of(content)
        if self._copies.addons.get(ADDON, cluster) is not None:
            # A moment later: the gateway has to hear of a new Secret too.
            self._probe.add_after(cluster, 2.0)

    def _profile(self, content: Mapping[str, Any]) -> None:
        self._publish.add((content["metadata"].get("namespace", ""), content["metadata"]["name"]))

    def _profiles_of(self, addon: Mapping[str, Any]) -> None:
        for profile in self._profiles.all():
            if profile["metadata"]["name"] == addon["metadata"].get("namespace"):
                self._profile(profile)

    async def _discover_one(self, cluster: str) -> float | None:
        return await self._discovery.reconcile(cluster, self._configuration)

    async def _publish_one(self, key: Key) -> float | None:
        return await self._publisher.reconcile(*key, self._configuration.publication)


def scope_of(configuration: Configuration) -> tuple[str, str]:
    """What informers depend on."""
    return configuration.secret_namespace, configuration.account


def _follow(informer: Informer, changed: Any) -> None:
    informer.subscribe(Handlers(changed, lambda _, after: changed(after), changed))
