"""Whether clusters can be reached through the gateway, asked of the gateway itself and written down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import Forbidden, GatewayError, HubUnavailable, NotFound
from ..kube.cache import Informer
from ..kube.client import KubeClient
from ..model.addon import ADDON, AddOnTypes, deleting
from ..model.addonconditions import Condition, Status
from ..model.objects import API_VERSION
from ..model.resourcetype import ResourceType
from ..model.secrets import GROUP
from .hub import Hub, Object

GATEWAYS = ResourceType(GROUP, "v1alpha1", "clustergateways", "ClusterGateway", namespaced=False)
AVAILABLE = "Available"
NOT_REGISTERED = "ClusterGatewayNotRegistered"
HEALTH_CHECK = {"mode": "Customized"}
"""Told to OCM's registration, which would otherwise expect a Lease that an agent on the cluster renews."""


class Prober:
    """Asks each cluster for C{/healthz} as users would: hub, gateway, cluster."""

    def __init__(self, hub: Hub, types: AddOnTypes, addons: Informer, interval: float) -> None:
        """
        @param interval: seconds between two probes of a cluster.
        """
        self._hub = hub
        self._types = types
        self._addons = addons
        self._interval = interval

    async def reconcile(self, cluster: str) -> float | None:
        """
        @return: seconds until the next probe; C{None} if the cluster does not have the add-on any more.
        """
        addon = self._addons.get(ADDON, cluster)
        if addon is None or deleting(addon):
            return None
        condition = await self.probe(cluster)
        fresh = await self._hub.find(self._types.managed_addons, ADDON, cluster)
        if fresh is not None:
            await self._hub.say(self._types.managed_addons, fresh, [condition], healthCheck=HEALTH_CHECK)
        # Not all at the same time.
        return self._interval * (0.9 + 0.2 * self._hub.chance())

    async def probe(self, cluster: str) -> Condition:
        """Probe one cluster and write the health of its ClusterGateway."""
        try:
            gateway = await self._hub.client.get(GATEWAYS, cluster)
        except NotFound:
            return _available("False", NOT_REGISTERED, "there is no ClusterGateway of this name")
        except GatewayError as error:
            # It is not known of the cluster that it is unhealthy when it is the gateway that does not answer.
            return _available("Unknown", "GatewayUnreachable", error.message)
        problem = await healthz(self._hub.client, cluster)
        await self._write(gateway, problem)
        if problem is None:
            return _available("True", "SuccessfullyProbedHealthz", "the cluster answers through the gateway")
        return _available("False", "FailedProbingHealthz", problem.message)

    async def _write(self, gateway: Mapping[str, Any], problem: GatewayError | None) -> None:
        wanted = {"healthy": problem is None, "healthyReason": "" if problem is None else reason(problem)}
        status = gateway.get("status")
        known = status if isinstance(status, Mapping) else {}
        if known.get("healthy") == wanted["healthy"] and (known.get("healthyReason") or "") == wanted["healthyReason"]:
            return
        name = gateway["metadata"]["name"]
        body: Object = {"apiVersion": API_VERSION, "kind": "ClusterGateway", "metadata": {"name": name}}
        body["status"] = wanted
        try:
            await self._hub.client.update(GATEWAYS, body, "health")
        except NotFound:
            pass  # it went away meanwhile


async def healthz(client: KubeClient, cluster: str) -> GatewayError | None:
    """C{None} if the cluster says that it is well."""
    try:
        answer = await client.raw("GET", GATEWAYS.path(cluster, subresource="proxy") + "/healthz")
    except GatewayError as error:
        return error
    if answer.strip() == b"ok":
        return None
    return HubUnavailable("the cluster's /healthz does not say ok")


def reason(problem: GatewayError) -> str:
    """As C{status.healthyReason} is documented."""
    text = problem.message
    if "certificate" in text.lower() or "tls" in text.lower():
        return "CertificateMismatch"
    if "timed out" in text or "within" in text or "in time" in text:
        return "ConnectionTimeout"
    if isinstance(problem, Forbidden):
        return f"Unknown: the gateway may not read /healthz: {text}"
    return f"Unknown: {text}"


def _available(status: Status, cause: str, message: str) -> Condition:
    return Condition(AVAILABLE, status, cause, message)
