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
_KUBERNETES_VERSION = re.compile(r"v?(\d{1,3})\.(\d{1,3})")
_NOT_IN_LABELS = re.compile(r"[^A-Za-z0-9._-]")


def merge(secret: Mapping[str, Any], cluster: Mapping[str, Any]) -> ClusterGateway | None:
    """
    The gateway of a Secret with the ManagedCluster's endpoints before its own, its acceptance, and its health.

    Endpoints of the ManagedCluster are reached through the Secret's proxy-url, and verified by the Secret's CA bundle
    where they have none of their own. Those that cannot be used are left out with a warning, and so are endpoints of
    the Secret that nothing verifies beside those that something does: the credential would go to whoever answers there
    when the others do not. A gateway reached through konnectivity keeps that endpoint alone, and one whose Secret has a
    list of endpoints keeps that.

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
    problems: list[str] = []
    if not lists_endpoints(secret) and not any(endpoint.via_cluster_proxy for endpoint in endpoints):
        known, problems = managed_endpoints(cluster, *secret_trust(secret))
        addresses = {(endpoint.host, endpoint.port, endpoint.base_path) for endpoint in known}
        own = [e for e in endpoints if (e.host, e.port, e.base_path) not in addresses]
        if (known or problems) and any(endpoint.insecure for endpoint in own):
            problems.append("the Secret's endpoint is left out: it has no CA, and the ManagedCluster's are verified")
            own = [endpoint for endpoint in own if not endpoint.insecure]
        endpoints = (*known, *own)
    if not endpoints:
        none = "neither the ManagedCluster nor the Secret has an endpoint"
        unroutable = unroutable or (f"{none} that can be used: {'; '.join(problems)}" if problems else none)
    merged = replace(
        gateway,
        endpoints=endpoints,
        unroutable=unroutable,
        health=health(gateway.health, cluster),
        labels=MappingProxyType({**labels(cluster), **gateway.labels}),
        accepted=is_accepted(cluster),
        warnings=tuple(problems),
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
    endpoints, problems = managed_endpoints(cluster)
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
            warnings=tuple(problems),
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


def managed_endpoints(
    cluster: Mapping[str, Any], ca: bytes | None = None, proxy_url: str = ""
) -> tuple[tuple[Endpoint, ...], list[str]]:
    """
    C{spec.managedClusterClientConfigs}, in order.

    @param ca: PEM bundle for those without one; C{None}: the system's CAs.
    @return: those that can be used, and a sentence for each of the others.
    """
    configs = _object(cluster.get("spec")).get("managedClusterClientConfigs")
    read = [
        _endpoint_or_problem(config, f"managedClusterClientConfigs[{number}]", ca, proxy_url)
        for number, config in enumerate(configs if isinstance(configs, list) else ())
    ]
    found = tuple(each for each in read if isinstance(each, Endpoint))
    return found, [each for each in read if isinstance(each, str)]


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

    The condition is Unknown when the agent on the cluster does not renew its lease any more. That says nothing of the
    apiserver, so the health is not known then, which is no reason to refuse a request.
    """
    status = _condition(cluster, AVAILABLE_CONDITION)
    if status == "True":
        return Health(True) if own.healthy is None else own
    if status in ("False", "Unknown") and own.healthy is not False:
        return Health(False if status == "False" else None, f"Unknown: {AVAILABLE_CONDITION} is {status}")
    return own


def kubernetes_version(cluster: Mapping[str, Any]) -> tuple[int, int]:
    """Major and minor version of the cluster's Kubernetes by its agent's word, (0, 0) without one."""
    said = _object(_object(cluster.get("status")).get("version")).get("kubernetes")
    found = _KUBERNETES_VERSION.match(said) if isinstance(said, str) else None
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _condition(cluster: Mapping[str, Any], kind: str) -> str:
    conditions = _object(cluster.get("status")).get("conditions")
    for condition in conditions if isinstance(conditions, list) else ():
        if _object(condition).get("type") == kind:
            return str(condition.get("status", ""))
    return ""


def _endpoint_or_problem(config: object, place: str, default_ca: bytes | None, proxy_url: str) -> Endpoint | str:
    try:
        return _endpoint(config, place, default_ca, proxy_url)
    except ConfigurationError as error:
        return error.message


def _endpoint(config: object, place: str, default_ca: bytes | None, proxy_url: str) -> Endpoint:
    fields = _object(config)
    url, encoded = fields.get("url"), fields.get("caBundle") or ""
    if not isinstance(url, str) or not isinstance(encoded, str):
        raise ConfigurationError(f"{place} has no url")
    what = f"{place}.caBundle"
    try:
        own_ca = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"{what} is not base64") from None
    ca = check_ca(own_ca, what) if own_ca else default_ca
    return parse_endpoint(url, f"{place}.url", ca=ca, proxy_url=proxy_url)


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
