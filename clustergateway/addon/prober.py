"""Whether clusters can be reached through the gateway, asked of the gateway itself and written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import GatewayError, NotFound
from ..kube.cache import Informer
from ..kube.client import KubeClient
from ..model.addon import ADDON, AddOnTypes, deleting
from ..model.addonconditions import Condition, Status
from ..model.gateway import Health
from ..model.objects import API_VERSION
from ..model.ocm import refusal
from ..model.probeanswer import Verdict, judge
from ..model.resourcetype import ResourceType
from ..model.secrets import GROUP, health_from_annotations
from .hub import Hub, Object

GATEWAYS = ResourceType(GROUP, "v1alpha1", "clustergateways", "ClusterGateway", namespaced=False)
AVAILABLE = "Available"
NOT_REGISTERED = "ClusterGatewayNotRegistered"
NOT_ROUTED = "NotRouted"
UNREACHABLE = "GatewayUnreachable"
HEALTH_CHECK = {"mode": "Customized"}
"""Told to OCM's registration, which would otherwise expect a Lease that an agent on the cluster renews."""
PATIENCE = 15.0
"""Seconds for an answer to a probe: more than the gateway has for a connection, so that it can say what went wrong."""
FAILURES = 2
"""In a row make a cluster unhealthy: one may be a packet lost, or an apiserver that restarts."""
SOON = 5.0
"""Seconds from the first of them to the next probe, at most."""


class Prober:
    """Asks each cluster for C{/healthz} as users would: hub, gateway, cluster."""

    def __init__(self, hub: Hub, types: AddOnTypes, addons: Informer, clusters: Informer, interval: float) -> None:
        """
        @param clusters: ManagedClusters.
        @param interval: seconds between two probes of a cluster.
        """
        self._hub = hub
        self._types = types
        self._addons = addons
        self._clusters = clusters
        self._interval = interval
        self._failures: dict[str, int] = {}

    async def reconcile(self, cluster: str) -> float | None:
        """
        @return: seconds until the next probe; C{None} if the cluster does not have the add-on any more.
        """
        addon = self._addons.get(ADDON, cluster)
        if addon is None or deleting(addon):
            self._failures.pop(cluster, None)
            return None
        condition = await self.probe(cluster)
        if condition is None:
            return min(SOON, self._interval)
        fresh = await self._hub.find(self._types.managed_addons, ADDON, cluster)
        if fresh is not None:
            await self._hub.say(self._types.managed_addons, fresh, [condition], healthCheck=HEALTH_CHECK)
        # Not all at the same time.
        return self._interval * (0.9 + 0.2 * self._hub.chance())

    async def probe(self, cluster: str) -> Condition | None:
        """
        Probe one cluster and write the health of its ClusterGateway. Of one that the gateway does not route to nothing
        is written: that is no word about the cluster.

        @return: C{None} if another probe is needed to tell.
        """
        why = refusal(self._clusters.get(cluster) or {"spec": {"hubAcceptsClient": True}})
        if why:
            return _available("False", NOT_ROUTED, why)
        try:
            gateway = await self._hub.client.get(GATEWAYS, cluster)
        except NotFound:
            return _available("False", NOT_REGISTERED, "there is no ClusterGateway of this name")
        except GatewayError as error:
            # It is not known of the cluster that it is unhealthy when it is the gateway that does not answer.
            return _available("Unknown", UNREACHABLE, error.message)
        why = _text(gateway, "unroutable")
        if why:
            return _available("False", NOT_ROUTED, why)
        verdict = await self._verdict(cluster)
        if verdict.kind == "elsewhere":
            return _available("Unknown", UNREACHABLE, verdict.message)
        return await self._judged(cluster, gateway, verdict)

    async def _verdict(self, cluster: str) -> Verdict:
        verdict = judge(await healthz(self._hub.client, cluster))
        if verdict.kind == "unclear":
            # If the gateway answers still, it was the cluster that did not, or was unwell.
            try:
                await self._hub.client.get(GATEWAYS, cluster)
            except GatewayError as error:
                return Verdict("elsewhere", error.message)
        return verdict

    async def _judged(self, cluster: str, gateway: Mapping[str, Any], verdict: Verdict) -> Condition | None:
        # The Secret's own; the status has the ManagedCluster's word in it, and that of the traffic.
        known = health_from_annotations(gateway["metadata"].get("annotations") or {})
        if verdict.kind == "reached":
            self._failures.pop(cluster, None)
            await self._write(cluster, known, Health(True))
            return _available("True", "SuccessfullyProbedHealthz", verdict.message)
        self._failures[cluster] = self._failures.get(cluster, 0) + 1
        if self._failures[cluster] < FAILURES and known.healthy is not False:
            return None
        await self._write(cluster, known, Health(False, verdict.reason))
        return _available("False", "FailedProbingHealthz", verdict.message)

    async def _write(self, cluster: str, known: Health, wanted: Health) -> None:
        if known == wanted:
            return
        body: Object = {"apiVersion": API_VERSION, "kind": "ClusterGateway", "metadata": {"name": cluster}}
        body["status"] = {"healthy": wanted.healthy, "healthyReason": wanted.reason}
        try:
            await self._hub.client.update(GATEWAYS, body, "health")
        except NotFound:
            pass  # it went away meanwhile


async def healthz(client: KubeClient, cluster: str) -> GatewayError | None:
    """C{None} if the cluster says that it is well."""
    try:
        await client.raw("GET", GATEWAYS.path(cluster, subresource="proxy") + "/healthz", timeout=PATIENCE)
    except GatewayError as error:
        return error
    return None


def _text(gateway: Mapping[str, Any], key: str) -> str:
    status = gateway.get("status")
    return str(status.get(key) or "") if isinstance(status, Mapping) else ""


def _available(status: Status, cause: str, message: str) -> Condition:
    return Condition(AVAILABLE, status, cause, message)
