"""What is known of a cluster's health: what probers wrote down, and what the traffic shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ..errors import ConfigurationError, GatewayError, UpstreamTimeout, UpstreamTlsFailed
from ..model.gateway import ClusterGateway, Health
from ..model.secrets import HEALTHY_ANNOTATION, HEALTHY_REASON_ANNOTATION, broken_gateway, gateway_from_secret
from .breaker import Breakers
from .secrets import unknown

FRESH = 60.0
"""Seconds for which what the traffic showed counts more than what was written down."""


class TrafficHealth:
    """
    A cluster's health with the traffic's word in it: a connection made within the last minute proves it healthy, and a
    breaker that is not closed proves it is not; otherwise what was written down stands.
    """

    def __init__(self, breakers: Breakers, clock: IReactorTime) -> None:
        self._breakers = breakers
        self._clock = clock

    def of(self, cluster: ClusterGateway) -> Health:
        known = self._breakers.experience(cluster)
        if known is None:
            return cluster.health
        if known.breaker.state != "closed" and known.error is not None:
            return Health(False, reason(known.error))
        connected = known.connected
        if connected is None or self._clock.seconds() - connected > FRESH or (known.failed or 0.0) > connected:
            return cluster.health
        return Health(True)


def reason(error: GatewayError) -> str:
    """The error as one of the reasons that C{status.healthyReason} is documented to have."""
    if isinstance(error, UpstreamTlsFailed):
        return "CertificateMismatch"
    if isinstance(error, UpstreamTimeout):
        return "ConnectionTimeout"
    return f"Unknown: {error.message}"


class SecretHealth:
    """A L{HealthWriter<clustergateway.interfaces.HealthWriter>} into the two annotations of the cluster's Secret."""

    def __init__(self, patch: Callable[[str, Mapping[str, Any]], Deferred[Mapping[str, Any]]]) -> None:
        """
        @param patch: sends a JSON merge patch (RFC 7386) for the Secret of a name to the hub and gives the Secret it
            became; its Deferred fails with L{Conflict<clustergateway.errors.Conflict>} on a 409, and so on.
        """
        self._patch = patch

    def write(self, name: str, health: Health, resource_version: str) -> Deferred[ClusterGateway]:
        healthy = None if health.healthy is None else str(health.healthy).lower()
        annotations = {HEALTHY_ANNOTATION: healthy, HEALTHY_REASON_ANNOTATION: health.reason or None}  # None removes it
        metadata: dict[str, Any] = {"annotations": annotations}
        if resource_version:
            metadata["resourceVersion"] = resource_version  # then the hub refuses to patch any other version
        return self._patch(name, {"metadata": metadata}).addCallback(_gateway, name)


def _gateway(secret: Mapping[str, Any], name: str) -> ClusterGateway:
    try:
        gateway = gateway_from_secret(secret, endpoint_required=False)
    except ConfigurationError as error:
        gateway = broken_gateway(secret, error.message)
    if gateway is None:
        raise unknown(name)
    return gateway
