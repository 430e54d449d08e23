"""Open Cluster Management's ManagedCluster: what it adds to a gateway of the same name."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ..errors import ConfigurationError
from .endpoint import check_ca, parse_endpoint
from .gateway import ClusterGateway, Endpoint, Health, UnknownCredential
from .generation import with_generation
from .resourcetype import ResourceType
from .secrets import gateway_from_secret, is_cluster_name, lists_endpoints, secret_trust

MANAGED_CLUSTERS = ResourceType(
    "cluster.open-cluster-management.io", "v1", "managedclusters", "ManagedCluster", namespaced=False
)
AVAILABLE_CONDITION = "ManagedClusterConditionAvailable"
SHOWN_CLAIMS = (
    "kubeversion.open-cluster-management.io",
    "region.open-cluster-management.io",
    "product.open-cluster-management.io",
)
_NOT_IN_LABELS = re.compile(r"[^A-Za-z0-9._-]")


def merge(secret: Mapping[str, Any], cluster: Mapping[str, Any]) -> ClusterGateway | None:
    """
    The gateway of a Secret with the ManagedCluster's endpoints before its own, its acceptance, and its health.

    Endpoints of the ManagedCluster are reached through the Secret's proxy-url, and verified by the Secret's CA bundle
    where they have none of their own. A gateway reached through konnectivity keeps that endpoint alone, and one whose
    Secret has a list of endpoints keeps that.

    @param secret: as for L{gateway_from_secret}; it needs no endpoint.
    @param cluster: a C{cluster.open-cluster-management.io/v1} ManagedCluster as parsed from JSON.
    @return: C{None} if the Secret is no gateway.
    @raise ConfigurationError: the Secret cannot be used.
    """
    gateway = gateway_from_secret(secret, endpoint_required=False)
    if gateway is None:
        return None
    unroutable = gateway.unroutable or refusal(cluster)
    endpoints = gateway.endpoints
    if not lists_endpoints(secret) and not any(endpoint.via_cluster_proxy for endpoint in endpoints):
        known = managed_endpoints(cluster, *secret_trust(secret))
        addresses = {(endpoint.host, endpoint.port, endpoint.base_path) for endpoint in known}
        own = (e for e in endpoints if (e.host, e.port, e.base_path) not in addresses)
        endpoints = (*known, *own)
    if not endpoints:
        unroutable = unroutable or "neither the ManagedCluster nor the Secret has an endpoint"
    merged = replace(
        gateway,
        endpoints=endpoints,
        unroutable=unroutable,
        health=health(gateway.health, cluster),
        labels=MappingProxyType({**labels(cluster), **gateway.labels}),
        accepted=is_accepted(cluster),
    )
    return with_generation(merged)


def managed_only(cluster: Mapping[str, Any]) -> ClusterGateway | None:
    """
    A ManagedCluster without a Secret: shown, and entered by nobody.

    @return: C{None} if it has no name that a cluster can have.
    """
    metadata = _object(cluster.get("metadata"))
    name = metadata.get("name")
    if not is_cluster_name(name):
        return None
    try:
        endpoints = managed_endpoints(cluster)
    except ConfigurationError:
        endpoints = ()
    return with_generation(
        ClusterGateway(
            name=name,
            endpoints=endpoints,
            credential=UnknownCredential(),
            unroutable=refusal(cluster) or "no Secret says with what the ManagedCluster is entered",
            labels=MappingProxyType(labels(cluster)),
            health=health(Health(), cluster),
            uid=str(metadata.get("uid") or ""),
            resource_version=str(metadata.get("resourceVersion") or ""),
            creation_timestamp=str(metadata.get("creationTimestamp") or ""),
            deletion_timestamp=str(metadata.get("deletionTimestamp") or ""),
            accepted=is_accepted(cluster),
        )
    )


def labels(cluster: Mapping[str, Any]) -> dict[str, str]:
    """Its labels, and of its ClusterClaims those that people choose clusters by, as labels too."""
    own = _object(_object(cluster.get("metadata")).get("labels"))
    found = {key: value for key, value in own.items() if isinstance(key, str) and isinstance(value, str)}
    claims = _object(cluster.get("status")).get("clusterClaims")
    for each in claims if isinstance(claims, list) else ():
        name, value = _object(each).get("name"), _object(each).get("value")
        if name in SHOWN_CLAIMS and isinstance(value, str):
            # What a label cannot hold, as the + of v1.30.1+k3s1, becomes an underscore.
            found.setdefault(name, _NOT_IN_LABELS.sub("_", value)[:63].strip("._-"))
    return found


def is_accepted(cluster: Mapping[str, Any]) -> bool:
    """Has the hub accepted it?"""
    return _object(cluster.get("spec")).get("hubAcceptsClient") is True


def managed_endpoints(cluster: Mapping[str, Any], ca: bytes | None = None, proxy_url: str = "") -> tuple[Endpoint, ...]:
    """
    C{spec.managedClusterClientConfigs}, in order.

    @param ca: PEM bundle for those without one; C{None}: the system's CAs.
    @raise ConfigurationError: one of them cannot be used.
    """
    configs = _object(cluster.get("spec")).get("managedClusterClientConfigs")
    return tuple(_endpoint(config, ca, proxy_url) for config in configs) if isinstance(configs, list) else ()


def refusal(cluster: Mapping[str, Any]) -> str:
    """Why requests to this cluster are not routed, C{""} if they are."""
    if _object(cluster.get("metadata")).get("deletionTimestamp"):
        return "the ManagedCluster is being deleted"
    if not is_accepted(cluster):
        return "the hub has not accepted the ManagedCluster"
    return ""


def health(own: Health, cluster: Mapping[str, Any]) -> Health:
    """
    What is worse of the gateway's own health and the condition ManagedClusterConditionAvailable; whichever is known if
    only one is.
    """
    status = _condition(cluster, AVAILABLE_CONDITION)
    if status == "True":
        return Health(True) if own.healthy is None else own
    if status in ("False", "Unknown") and own.healthy is not False:
        return Health(False, f"Unknown: {AVAILABLE_CONDITION} is {status}")
    return own


def _condition(cluster: Mapping[str, Any], kind: str) -> str:
    conditions = _object(cluster.get("status")).get("conditions")
    for condition in conditions if isinstance(conditions, list) else ():
        if _object(condition).get("type") == kind:
            return str(condition.get("status", ""))
    return ""


def _endpoint(config: object, default_ca: bytes | None, proxy_url: str) -> Endpoint:
    fields = _object(config)
    url, encoded = fields.get("url"), fields.get("caBundle") or ""
    if not isinstance(url, str) or not isinstance(encoded, str):
        raise ConfigurationError("an entry of managedClusterClientConfigs has no url")
    what = "managedClusterClientConfigs[].caBundle"
    try:
        own_ca = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"{what} is not base64") from None
    ca = check_ca(own_ca, what) if own_ca else default_ca
    return parse_endpoint(url, "managedClusterClientConfigs[].url", ca=ca, proxy_url=proxy_url)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
