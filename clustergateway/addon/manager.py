"""All controllers of the add-on, from the moment that this process is the leader until it is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import GatewayError, NotFound
from ..kube.cache import Handlers, Informer
from ..kube.workqueue import Workers
from ..model.addon import (
    ADDON,
    ADDON_GROUP,
    CONFIGURATIONS,
    AddOnTypes,
    Configuration,
    addon_types,
)
from ..model.addoncluster import ACCOUNT_GROUP, account_type
from ..model.addonobjects import API_SERVICE, API_SERVICES, DEPLOYMENT, DEPLOYMENTS
from ..model.resourcetype import SECRETS, ResourceType
from .clusters import Clusters, scope_of
from .hub import RESYNC, Hub
from .installer import Installer
from .leading import LeadingClient
from .removal import Removal

WAIT = 5.0
"""Seconds between two looks for APIs that the hub does not serve yet."""

Place = tuple[ResourceType, str, str]
"""Type, namespace and name of one object."""


@dataclass(frozen=True, slots=True)
class Served:
    """The versions in which a hub serves what we need."""

    addons: str
    accounts: str


class Manager:
    """
    @ivar problem: what it waits for, C{""} when it works.
    """

    _log = Logger()

    def __init__(self, hub: Hub, probe_interval: float = 60.0) -> None:
        """
        @param probe_interval: seconds between two probes of a cluster.
        """
        self.problem = "not started"
        self._client = LeadingClient(hub.client)
        self._hub = replace(hub, client=self._client)
        self._probe_interval = probe_interval
        self._under_way: Deferred[None] | None = None
        self._again: IDelayedCall | None = None
        self._work: Work | None = None
        self._served: Served | None = None

    def start(self) -> None:
        """Begin, once."""
        self._look()

    def stop(self) -> None:
        """End at once, wherever it is: whoever comes next finds its way from there."""
        self._client.stop()
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._under_way is not None:
            self._under_way.cancel()
        self._drop()
        self.problem = "stopped"

    def _look(self) -> None:
        """See what is served, now and every few minutes: the hub's Open Cluster Management may be upgraded."""
        self._again = None
        looking = Deferred.fromCoroutine(served(self._hub))
        self._under_way = looking.addCallback(self._use)
        looking.addErrback(self._failed)

    def _use(self, found: Served | None) -> None:
        self._under_way = None
        if found is None:
            problem = "the hub does not serve ClusterManagementAddOns and ClusterGatewayConfigurations yet"
            if problem != self.problem:
                self._log.info("waiting: {problem}", problem=problem)
            self.problem = problem
            self._drop()
            self._served = None
        else:
            self.problem = ""
            if found != self._served:
                self._drop()
                self._served = found
                self._work = Work(self._hub, found, self._probe_interval)
                self._work.start()
        self._again = self._hub.clock.callLater(WAIT if found is None else RESYNC, self._look)

    def _failed(self, failure: Failure) -> None:
        self._under_way = None
        if failure.check(CancelledError):
            return
        if isinstance(failure.value, GatewayError):
            self.problem = failure.value.message
        else:
            self._log.failure("looking for the hub's APIs failed", failure)
        self._again = self._hub.clock.callLater(WAIT, self._look)

    def _drop(self) -> None:
        work, self._work = self._work, None
        if work is not None:
            work.stop()


class Work:
    """The controllers, for one set of API versions."""

    def __init__(self, hub: Hub, found: Served, probe_interval: float) -> None:
        self._hub = hub
        self._types: AddOnTypes = addon_types(found.addons)
        self._accounts: ResourceType = account_type(found.accounts)
        self._probe_interval = probe_interval
        self._addons = hub.informer(self._types.cluster_addons)
        self._configurations = hub.informer(CONFIGURATIONS)
        self._placements = hub.informer(self._types.deployment_configs)
        self._services = hub.informer(API_SERVICES, "", [("fieldSelector", f"metadata.name={API_SERVICE}")])
        self._watched: dict[Place, Informer] = {}
        self._clusters: Clusters | None = None
        self._over = False
        removal = Removal(hub, self._accounts)
        self._installer = Installer(hub, self._types, removal, self._install_by, self._follow)
        self._install: Workers[str] = Workers(self._install_one, hub.clock, hub.chance, 1)

    def start(self) -> None:
        for informer in (self._addons, self._configurations, self._placements, self._services):
            informer.subscribe(Handlers(self._changed, lambda _, after: self._changed(after), self._changed))
            informer.start()
        self._install.add(ADDON)

    def stop(self) -> None:
        self._install.stop()
        for informer in (self._addons, self._configurations, self._placements, self._services):
            informer.stop()
        self._follow(None)
        self._watch(set())
        self._over = True

    def _changed(self, _: Mapping[str, Any]) -> None:
        self._install.add(ADDON)

    async def _install_one(self, _: str) -> float:
        return await self._installer.reconcile()

    def _install_by(self, configuration: Configuration | None) -> None:
        """Have what the installer acts upon watched."""
        if not self._over:
            self._watch(set() if configuration is None else places(configuration))

    def _follow(self, configuration: Configuration | None) -> None:
        """Have what looks at clusters run with this configuration, or not at all."""
        if self._over:
            return
        clusters = self._clusters
        if clusters is not None and (configuration is None or clusters.scope != scope_of(configuration)):
            clusters.stop()
            clusters = self._clusters = None
        if configuration is None:
            return
        if clusters is None:
            self._clusters = Clusters(self._hub, self._types, self._accounts, configuration, self._probe_interval)
            self._clusters.start()
        else:
            clusters.use(configuration)

    def _watch(self, wanted: set[Place]) -> None:
        """Have these objects watched, each by its name, and no others."""
        for gone in self._watched.keys() - wanted:
            self._watched.pop(gone).stop()
        for place in sorted(wanted - self._watched.keys(), key=str):
            kind, namespace, name = place
            informer = self._hub.informer(kind, namespace, [("fieldSelector", f"metadata.name={name}")])
            informer.subscribe(Handlers(self._changed, lambda _, after: self._changed(after), self._changed))
            self._watched[place] = informer
            informer.start()


def places(configuration: Configuration) -> set[Place]:
    """Of what others change and the installer acts upon: the state of the Deployment, and Secrets that are rotated."""
    found: set[Place] = {(DEPLOYMENTS, configuration.install_namespace, DEPLOYMENT)}
    egress = configuration.egress
    if egress is not None:
        found |= {(SECRETS, egress.namespace, name) for name in (egress.client_secret, egress.ca_secret)}
    return found


async def served(hub: Hub) -> Served | None:
    """
    @return: C{None} while something that cannot be done without is missing.
    """
    addons = await _versions(hub, ADDON_GROUP)
    try:
        await hub.client.call("GET", f"/apis/{CONFIGURATIONS.api_version}")
    except NotFound:
        return None
    version = next((each for each in ("v1beta1", "v1alpha1") if each in addons), None)
    if version is None:
        return None
    accounts = await _versions(hub, ACCOUNT_GROUP)
    return Served(version, "v1alpha1" if "v1beta1" not in accounts and "v1alpha1" in accounts else "v1beta1")


async def _versions(hub: Hub, group: str) -> list[str]:
    try:
        answer = await hub.client.call("GET", f"/apis/{group}")
    except NotFound:
        return []
    versions = answer.get("versions")
    found = versions if isinstance(versions, list) else []
    return [str(each.get("version")) for each in found if isinstance(each, Mapping)]
