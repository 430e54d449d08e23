"""The APIs that the add-on manager uses, as CustomResourceDefinitions that know just enough of them for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clustergateway.model.manifest import documents

Object = dict[str, Any]
ROOT = Path(__file__).parents[2]
_ANY: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_TEXT: Object = {"type": "string"}
_EXTENSION: Object = {
    "type": "object",
    "required": ["name", "extension"],
    "properties": {"name": _TEXT, "extension": _ANY},
}
_CLUSTER: Object = {
    "type": "object",
    "required": ["server"],
    "properties": {
        "server": _TEXT,
        "tls-server-name": _TEXT,
        "proxy-url": _TEXT,
        "certificate-authority": _TEXT,
        "certificate-authority-data": _TEXT,
        "insecure-skip-tls-verify": {"type": "boolean"},
        "disable-compression": {"type": "boolean"},
        "extensions": {"type": "array", "items": _EXTENSION},
    },
}


def _by(key: str, **properties: Object) -> Object:
    """A list of objects, each known by one of its fields."""
    item = {"type": "object", "required": sorted(properties), "properties": properties}
    return {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key], "items": item}


def profile_crd() -> Object:
    """
    Of ClusterProfiles, as strict as the Cluster Inventory API's: what it does not know is not kept.
    """
    manager: Object = {"type": "object", "required": ["name"], "properties": {"name": _TEXT}}
    manager["x-kubernetes-validations"] = [{"rule": "self == oldSelf", "message": "the manager stays"}]
    time = {"type": "string", "format": "date-time"}
    conditions = _by("type", type=_TEXT, status=_TEXT, reason=_TEXT, message=_TEXT, lastTransitionTime=time)
    providers = _by("name", name=_TEXT, cluster=_CLUSTER)
    providers["items"]["required"] = ["name"]
    members = {"conditions": conditions, "accessProviders": providers, "credentialProviders": providers}
    definition = crd(
        "multicluster.x-k8s.io",
        "clusterprofiles",
        "ClusterProfile",
        True,
        "v1alpha1",
        status={"type": "object", "properties": members},
    )
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["required"] = ["spec"]
    schema["properties"]["spec"] = {
        "type": "object",
        "required": ["clusterManager"],
        "properties": {"displayName": _TEXT, "clusterManager": manager},
    }
    return definition


def configuration_crd() -> Object:
    """The one that we ship."""
    found: Object = documents((ROOT / "k8s/crds/clustergatewayconfigurations.yaml").read_bytes())[0]
    return found


def crd(group: str, plural: str, kind: str, namespaced: bool, *versions: str, status: Object | None = None) -> Object:
    """One whose objects may hold anything."""
    schema = {"type": "object", "properties": {"spec": _ANY, "status": status or _ANY}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            # What apiextensions asks of groups below k8s.io; these are not approved there.
            "annotations": {"api-approved.kubernetes.io": "unapproved, for tests"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced" if namespaced else "Cluster",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": index == 0,
                    "subresources": {"status": {}},
                    "schema": {"openAPIV3Schema": schema},
                }
                for index, version in enumerate(versions)
            ],
        },
    }


def hub_definitions(*addon_versions: str) -> list[Object]:
    """@param addon_versions: of the add-on API, the stored one first; by default what OCM has long had."""
    versions = addon_versions or ("v1alpha1",)
    addon = "addon.open-cluster-management.io"
    return [
        configuration_crd(),
        crd("cluster.open-cluster-management.io", "managedclusters", "ManagedCluster", False, "v1"),
        crd(addon, "clustermanagementaddons", "ClusterManagementAddOn", False, *versions),
        crd(addon, "managedclusteraddons", "ManagedClusterAddOn", True, *versions),
        crd(addon, "addondeploymentconfigs", "AddOnDeploymentConfig", True, *versions),
        crd("work.open-cluster-management.io", "manifestworks", "ManifestWork", True, "v1"),
        crd(
            "authentication.open-cluster-management.io",
            "managedserviceaccounts",
            "ManagedServiceAccount",
            True,
            "v1beta1",
        ),
        profile_crd(),
    ]
