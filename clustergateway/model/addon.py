"""The add-on's own names and types, and its ClusterGatewayConfiguration read once into a frozen value."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError
from .resourcetype import ResourceType

ADDON = "cluster-gateway"
"""Of the ClusterManagementAddOn, and of each ManagedClusterAddOn."""
MANAGER = "cluster-gateway-addon-manager"
"""Our field manager, and the value of the label that every object we make carries."""
ADDON_GROUP = "addon.open-cluster-management.io"
CONFIGURATION_GROUP = "proxy.open-cluster-management.io"
MANAGED_LABEL = "app.kubernetes.io/managed-by"
FINALIZER = f"{CONFIGURATION_GROUP}/{ADDON}"
NO_DEFAULT = "__reserved_no_default__"
"""The name that v1beta1 shows of a C{supportedConfigs} entry of v1alpha1 that names none."""

CONFIGURATIONS = ResourceType(
    CONFIGURATION_GROUP, "v1alpha1", "clustergatewayconfigurations", "ClusterGatewayConfiguration", namespaced=False
)

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class AddOnTypes:
    """The add-on API of Open Cluster Management, in the version that a hub serves."""

    cluster_addons: ResourceType
    managed_addons: ResourceType
    deployment_configs: ResourceType


def addon_types(version: str) -> AddOnTypes:
    """@param version: C{v1alpha1} or C{v1beta1}."""
    return AddOnTypes(
        ResourceType(ADDON_GROUP, version, "clustermanagementaddons", "ClusterManagementAddOn", namespaced=False),
        ResourceType(ADDON_GROUP, version, "managedclusteraddons", "ManagedClusterAddOn"),
        ResourceType(ADDON_GROUP, version, "addondeploymentconfigs", "AddOnDeploymentConfig"),
    )


@dataclass(frozen=True, slots=True)
class Egress:
    """
    How clusters are reached through konnectivity.

    @ivar namespace: of the two Secrets.
    @ivar client_secret: has C{tls.crt} and C{tls.key}.
    @ivar ca_secret: has C{ca.crt}.
    """

    host: str
    port: int = 8090
    namespace: str = "open-cluster-management-addon"
    client_secret: str = "proxy-client"
    ca_secret: str = "proxy-server-ca"


@dataclass(frozen=True, slots=True)
class Publication:
    """
    Where ClusterProfiles say that clusters are reached.

    @ivar server: URL of the hub's apiserver as clients of the inventory reach it, without a slash at its end.
    @ivar ca: PEM bundle, C{b""} for the system's.
    """

    server: str
    ca: bytes = b""


@dataclass(frozen=True, slots=True)
class Configuration:
    """
    A ClusterGatewayConfiguration.

    @ivar manual: people make the clusters' Secrets; we touch none.
    @ivar account: name of the ManagedServiceAccount in each cluster's namespace.
    @ivar egress: C{None} when clusters are dialled directly.
    @ivar full_rights: the gateway becomes administrator of each managed cluster.
    @ivar publication: C{None} when ClusterProfiles are left alone.
    """

    name: str
    generation: int
    image: str
    install_namespace: str
    secret_namespace: str
    manual: bool = False
    account: str = ADDON
    egress: Egress | None = None
    full_rights: bool = False
    publication: Publication | None = None


def parse_configuration(content: Object) -> Configuration:
    """
    @raise ConfigurationError: it cannot be used; the message names the field.
    """
    metadata, spec = _object(content.get("metadata"), "metadata"), _object(content.get("spec"), "spec")
    management = _object(spec.get("secretManagement"), "spec.secretManagement")
    account = _object(management.get("managedServiceAccount"), "spec.secretManagement.managedServiceAccount")
    manual = _choice(management, "type", "spec.secretManagement", ("ManagedServiceAccount", "Manual")) == "Manual"
    rights = _choice(spec, "managedClusterPermissions", "spec", ("LeastPrivilege", "Full"))
    generation = metadata.get("generation")
    return Configuration(
        name=_text(metadata, "name", "metadata"),
        generation=generation if isinstance(generation, int) else 0,
        image=_text(spec, "image", "spec"),
        install_namespace=_text(spec, "installNamespace", "spec", "vela-system"),
        secret_namespace=_text(spec, "secretNamespace", "spec", "vela-system"),
        manual=manual,
        account=_text(account, "name", "spec.secretManagement.managedServiceAccount", ADDON),
        egress=_egress(_object(spec.get("egress"), "spec.egress")),
        full_rights=rights == "Full",
        publication=_publication(spec.get("clusterProfiles")),
    )


def configuration_names(addon: Object) -> tuple[str, ...]:
    """
    The ClusterGatewayConfiguration that a ClusterManagementAddOn names, whichever version it is of.

    @return: more than one if its members contradict each other, none if it names none: v1beta1 has no
        C{addOnConfiguration}.
    """
    spec = _mapping(addon.get("spec"))
    found = _default_config(spec, CONFIGURATION_GROUP, "clustergatewayconfigurations").get("name")
    named = _mapping(spec.get("addOnConfiguration")).get("crName")
    return tuple(dict.fromkeys(str(name) for name in (found, named) if name))


def in_force(content: Object) -> Configuration | None:
    """What a ClusterGatewayConfiguration's status says that the gateway runs with, C{None} if it does not."""
    status = _mapping(content.get("status"))
    found, metadata = _mapping(status.get("inForce")), _mapping(content.get("metadata"))
    if not found:
        return None
    try:
        return parse_configuration({**found, "metadata": {**metadata, "generation": found.get("generation")}})
    except ConfigurationError:
        return None


def deployment_config_name(addon: Object) -> tuple[str, str] | None:
    """Namespace and name of the AddOnDeploymentConfig that it means, C{None} for none."""
    found = _default_config(_mapping(addon.get("spec")), ADDON_GROUP, "addondeploymentconfigs")
    namespace, name = found.get("namespace"), found.get("name")
    return (str(namespace), str(name)) if namespace and name else None


def deleting(content: Object) -> bool:
    """Has its deletion begun?"""
    return bool(_mapping(content.get("metadata")).get("deletionTimestamp"))


def _default_config(spec: Object, group: str, resource: str) -> Object:
    """v1alpha1 has it in supportedConfigs[].defaultConfig, v1beta1 in defaultConfigs[]."""
    for member in ("defaultConfigs", "supportedConfigs"):
        configs = spec.get(member)
        for each in configs if isinstance(configs, list) else ():
            config = _mapping(each)
            if (config.get("group"), config.get("resource")) == (group, resource):
                found = config if member == "defaultConfigs" else _mapping(config.get("defaultConfig"))
                return {} if found.get("name") == NO_DEFAULT else found
    return {}


def _egress(spec: Object) -> Egress | None:
    if _choice(spec, "type", "spec.egress", ("Direct", "ClusterProxy")) == "Direct":
        return None
    place = "spec.egress.clusterProxy"
    proxy = _object(spec.get("clusterProxy"), place)
    credentials = _object(proxy.get("credentials"), f"{place}.credentials")
    port = proxy.get("proxyServerPort", 8090)
    if not isinstance(port, int) or not 0 < port < 65536:
        raise ConfigurationError(f"{place}.proxyServerPort must be a port number")
    standard = Egress("")
    return Egress(
        _text(proxy, "proxyServerHost", place),
        port,
        _text(credentials, "namespace", f"{place}.credentials", standard.namespace),
        _text(credentials, "proxyClientSecretName", f"{place}.credentials", standard.client_secret),
        _text(credentials, "proxyClientCASecretName", f"{place}.credentials", standard.ca_secret),
    )


def _publication(spec: object) -> Publication | None:
    if spec is None:
        return None
    place = "spec.clusterProfiles"
    fields = _object(spec, place)
    server = _text(fields, "server", place).rstrip("/")
    if not server.startswith("https://"):
        raise ConfigurationError(f"{place}.server must be an https URL")
    try:
        ca = base64.b64decode(_text(fields, "caBundle", place, "-").replace("-", ""), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"{place}.caBundle is not base64") from None
    return Publication(server, ca)


def _choice(fields: Object, key: str, place: str, choices: tuple[str, ...]) -> str:
    """One of them, by default the first."""
    value = fields.get(key, choices[0])
    if value not in choices:
        raise ConfigurationError(f"{place}.{key} must be one of {', '.join(choices)}")
    return str(value)


def _text(fields: Object, key: str, place: str, default: str = "") -> str:
    value = fields.get(key)
    if value is None or value == "":
        value = default
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{place}.{key} is missing" if not value else f"{place}.{key} must be a text")
    return value


def _object(value: object, place: str) -> Object:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{place} must be an object")
    return value


def _mapping(value: object) -> Object:
    return value if isinstance(value, Mapping) else {}
