"""Discovery and health of all managed clusters, for as long as the configuration names the same places."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.logger import Logger

from ..errors import Conflict, GatewayError
from ..kube.cache import Handlers, Informer
from ..kube.workqueue import Workers
from ..model.addon import ADDON, CONFIGURATIONS, AddOnTypes, Configuration, deleting
from ..model.addonconditions import Condition, condition_of
from ..model.clusterprofile import CLUSTER_PROFILES
from ..model.manifestwork import MANIFEST_WORKS
from ..model.ocm import AVAILABLE_CONDITION, MANAGED_CLUSTERS, refusal
from ..model.resourcetype import SECRETS, ResourceType
from .discovery import REGISTERED, Copies, Discovery
from .hub import OURS, Hub
from .prober import AVAILABLE, Prober
from .profiles import Publisher

PROBES = 32
"""At a time. One of a dead cluster takes as long as the gateway waits for it."""

PARTINGS = 3
"""Attempts to write a cluster's last conditions, of which somebody else may be writing others."""

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
        self._hub = hub
        self._types = types
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
        self._prober = Prober(hub, types, self._copies.addons, self._copies.clusters, probe_interval)
        self._publisher = Publisher(hub, self._profiles, self._copies.addons)
        self._discover: Workers[str] = Workers(self._discover_one, hub.clock, hub.chance)
        self._probe: Workers[str] = Workers(self._prober.reconcile, hub.clock, hub.chance, PROBES)
        self._publish: Workers[Key] = Workers(self._publish_one, hub.clock, hub.chance)
        self._waiting: Deferred[Any] | None = None
        self._publishes = False

    def start(self) -> None:
        """Begin; nothing is decided before everything that there is has been seen."""
        for informer in self._copies.all():
            informer.start()
        self._see_profiles()
        # Not those of APIs that a hub may lack.
        needed = (self._copies.addons, self._copies.clusters, self._copies.tokens, self._copies.secrets)
        self._waiting = gatherResults([each.when_synced() for each in needed], consumeErrors=True)
        self._waiting.addCallbacks(self._begin, lambda _: None)

    def stop(self) -> None:
        """End. If the configuration goes, the clusters' conditions say so."""
        if self._waiting is not None:
            self._waiting.cancel()
        for workers in (self._discover, self._probe, self._publish):
            workers.stop()
        for informer in self._copies.all():
            informer.stop()
        if self._publishes:
            self._profiles.stop()
        leaving = Deferred.fromCoroutine(self._farewell([*self._copies.addons.all()]))
        leaving.addErrback(lambda failure: failure.trap(CancelledError, GatewayError) and None)

    def use(self, configuration: Configuration) -> None:
        """@param configuration: of the same scope."""
        if configuration == self._configuration:
            return
        self._configuration = configuration
        self._see_profiles()
        for addon in self._copies.addons.all():
            self._changed(addon)
        for profile in self._profiles.all():
            self._profile(profile)

    def _see_profiles(self) -> None:
        """From when they are first published: without that nobody has to serve them, or to let us see them."""
        if self._configuration.publication is not None and not self._publishes:
            self._publishes = True
            self._profiles.start()

    def _begin(self, _: object) -> None:
        for informer in self._copies.all():
            _follow(informer, self._changed)
        _follow(self._copies.addons, self._probed)
        _follow(self._copies.secrets, self._probed)
        self._copies.clusters.subscribe(Handlers(self._probed, self._rerouted))
        _follow(self._profiles, self._profile)
        _follow(self._copies.addons, self._profiles_of)

    def _changed(self, content: Mapping[str, Any]) -> None:
        self._discover.add(self._discovery.cluster_of(content))

    def _probed(self, content: Mapping[str, Any]) -> None:
        cluster = self._discovery.cluster_of(content)
        if self._copies.addons.get(ADDON, cluster) is not None:
            # A moment later: the gateway has to hear of a new Secret too.
            self._probe.add_after(cluster, 2.0)

    def _rerouted(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        if _routing(before) != _routing(after):
            self._probed(after)

    async def _farewell(self, addons: list[Mapping[str, Any]]) -> None:
        if not await self._uninstalled():
            return
        message = "the gateway is not installed any more"
        conditions = [
            Condition(REGISTERED, "False", "Uninstalled", message),
            Condition(AVAILABLE, "Unknown", "Uninstalled", message),
        ]
        for each in addons:
            await self._part(each["metadata"]["namespace"], conditions)

    async def _part(self, cluster: str, conditions: list[Condition]) -> None:
        for _ in range(PARTINGS):
            fresh = await self._hub.find(self._types.managed_addons, ADDON, cluster)
            if fresh is None:
                return
            try:
                await self._hub.say(self._types.managed_addons, fresh, conditions)
            except Conflict:
                continue
            except GatewayError as error:
                self._log.warn("{cluster}: {message}", cluster=cluster, message=error.message)
            return

    async def _uninstalled(self) -> bool:
        for kind, name in ((self._types.cluster_addons, ADDON), (CONFIGURATIONS, self._configuration.name)):
            content = await self._hub.find(kind, name)
            if content is None or deleting(content):
                return True
        return False

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


def _routing(managed: Mapping[str, Any]) -> tuple[object, ...]:
    """What of a ManagedCluster may change whether it can be reached."""
    spec = managed.get("spec")
    configs = spec.get("managedClusterClientConfigs") if isinstance(spec, Mapping) else None
    return refusal(managed), configs, condition_of(managed, AVAILABLE_CONDITION).get("status")


def _follow(informer: Informer, changed: Any) -> None:
    informer.subscribe(Handlers(changed, lambda _, after: changed(after), changed))
