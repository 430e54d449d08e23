"""
ClusterProfile of the Cluster Inventory API (SIG Multicluster, KEP-4322), and its access providers (KEP-5339). Pure.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from ..errors import ConfigurationError
from .addon import ADDON, Publication
from .endpoint import check_ca, parse_endpoint
from .execplugin import parse_exec_config
from .gateway import ClusterGateway, ExecCredential, Health, NoCredential
from .generation import with_generation
from .manifest import documents
from .resourcetype import ResourceType
from .secrets import GROUP, is_cluster_name

CLUSTER_PROFILES = ResourceType("multicluster.x-k8s.io", "v1alpha1", "clusterprofiles", "ClusterProfile")
HEALTHY_CONDITION = "ControlPlaneHealthy"
EXEC_EXTENSION = "client.authentication.k8s.io/exec"
"""Of a kubeconfig's cluster: what an exec plugin is given as its configuration."""

Object = dict[str, Any]


def published(name: str, publication: Publication) -> Object:
    """
    The access provider that leads through the gateway.

    @param name: of the profile, and of the ClusterGateway.
    """
    path = f"/apis/{GROUP}/v1alpha1/clustergateways/{name}/proxy"
    cluster: Object = {"server": publication.server + path}
    if publication.ca:
        cluster["certificate-authority-data"] = base64.b64encode(publication.ca).decode("ascii")
    return {"name": ADDON, "cluster": cluster}


def withdrawn(profile: Mapping[str, Any]) -> Object:
    """The status of a profile without our provider."""
    status = dict(_object(profile.get("status")))
    status["accessProviders"] = [each for each in status.get("accessProviders") or () if each.get("name") != ADDON]
    return status


def provider_of(profile: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """The access provider of this name; where it is in both lists, C{accessProviders} counts."""
    status = _object(profile.get("status"))
    for member in ("accessProviders", "credentialProviders"):
        providers = status.get(member)
        for each in providers if isinstance(providers, list) else ():
            if _object(each).get("name") == name:
                return _object(each)
    return None


def gateway_from_profile(profile: Mapping[str, Any], plugins: Mapping[str, ExecCredential]) -> ClusterGateway | None:
    """
    A cluster of the inventory, by the first of its access providers that there is a plugin for.

    @param plugins: name of an access provider -> how to get its credential.
    @return: C{None} if there is no plugin for any of them.
    @raise ConfigurationError: the profile cannot be used.
    """
    metadata = _object(profile.get("metadata"))
    name = metadata.get("name")
    if not is_cluster_name(name):
        raise ConfigurationError("metadata.name is not a DNS-1123 name")
    provider, plugin = next(
        ((found, plugin) for key, plugin in plugins.items() if (found := provider_of(profile, key))), (None, None)
    )
    if provider is None or plugin is None:
        return None
    cluster = _object(provider.get("cluster"))
    insecure = cluster.get("insecure-skip-tls-verify") is True
    endpoint = parse_endpoint(
        str(cluster.get("server") or ""), "accessProviders[].cluster.server", ca=_ca(cluster), insecure=insecure
    )
    server_name = cluster.get("tls-server-name")
    if isinstance(server_name, str) and server_name:
        endpoint = replace(endpoint, server_name=server_name)
    proxy = cluster.get("proxy-url")
    if isinstance(proxy, str) and proxy:
        endpoint = replace(endpoint, proxy_url=proxy)
    return with_generation(
        ClusterGateway(
            name=name,
            endpoints=(endpoint,),
            credential=replace(plugin, cluster_config=_extension(cluster)),
            labels=MappingProxyType(_texts(metadata.get("labels"))),
            health=_health(profile),
            uid=str(metadata.get("uid") or ""),
            resource_version=str(metadata.get("resourceVersion") or ""),
            creation_timestamp=str(metadata.get("creationTimestamp") or ""),
            alias=str(_object(profile.get("spec")).get("displayName") or ""),
            unroutable="the ClusterProfile is being deleted" if metadata.get("deletionTimestamp") else "",
        )
    )


def parse_providers(text: bytes) -> dict[str, ExecCredential]:
    """
    The file of C{--cluster-profile-providers}: C{providers[]} of C{name} and C{execConfig}, as the Cluster Inventory
    API's library has it.

    @return: name of an access provider -> how to get its credential; those that come first are preferred.
    @raise ConfigurationError: it cannot be used.
    """
    found = documents(text)
    providers = _object(found[0]).get("providers") if len(found) == 1 else None
    if not isinstance(providers, list):
        raise ConfigurationError("it must have one field, providers, with a list")
    plugins: dict[str, ExecCredential] = {}
    for index, each in enumerate(providers):
        name = _object(each).get("name")
        if not isinstance(name, str) or not name or name in plugins:
            raise ConfigurationError(f"providers[{index}].name must be a text that no other has")
        plugins[name] = parse_exec_config(_object(each).get("execConfig"), f"providers[{index}].execConfig")
    return plugins


def cluster_of_profile(profile: Mapping[str, Any], plugins: Mapping[str, ExecCredential]) -> ClusterGateway | None:
    """As L{gateway_from_profile}, but what cannot be used is listed with the reason, and not routed to."""
    try:
        return gateway_from_profile(profile, plugins)
    except ConfigurationError as error:
        return broken_profile(profile, error.message)


def broken_profile(profile: Mapping[str, Any], reason: str) -> ClusterGateway | None:
    """One that L{gateway_from_profile} refused, as a cluster that is listed but not routed."""
    name = _object(profile.get("metadata")).get("name")
    if not is_cluster_name(name):
        return None
    return with_generation(ClusterGateway(name=name, endpoints=(), credential=NoCredential(), unroutable=reason))


def _ca(cluster: Mapping[str, Any]) -> bytes | None:
    encoded = cluster.get("certificate-authority-data")
    if not encoded:
        return None
    what = "accessProviders[].cluster.certificate-authority-data"
    try:
        return check_ca(base64.b64decode(encoded, validate=True), what)
    except (binascii.Error, ValueError, TypeError):
        raise ConfigurationError(f"{what} is not base64") from None


def _extension(cluster: Mapping[str, Any]) -> Any:
    extensions = cluster.get("extensions")
    for each in extensions if isinstance(extensions, list) else ():
        if _object(each).get("name") == EXEC_EXTENSION:
            return _object(each).get("extension")
    return None


def _health(profile: Mapping[str, Any]) -> Health:
    conditions = _object(profile.get("status")).get("conditions")
    for each in conditions if isinstance(conditions, list) else ():
        if _object(each).get("type") == HEALTHY_CONDITION:
            status = each.get("status")
            if status == "True":
                return Health(True)
            if status == "False":
                return Health(False, f"Unknown: {HEALTHY_CONDITION} is False")
    return Health()


def _texts(value: object) -> dict[str, str]:
    return {str(key): each for key, each in _object(value).items() if isinstance(each, str)}


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
