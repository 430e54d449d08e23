"""What a managed cluster is told to grant the gateway, as a ManifestWork of Open Cluster Management. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .addon import ADDON, MANAGED_LABEL, MANAGER
from .impersonation import DEFAULT_POLICY
from .rbac import RBAC, Callers, manifests, needs
from .resourcetype import ResourceType

MANIFEST_WORKS = ResourceType("work.open-cluster-management.io", "v1", "manifestworks", "ManifestWork")
WORK = "cluster-gateway-permissions"
ROLE = "open-cluster-management:cluster-gateway"
AGENT = "managed-serviceaccount"
"""The add-on whose agent makes service accounts on managed clusters."""
AGENT_NAMESPACE = "open-cluster-management-agent-addon"
"""Where it makes them unless its ManagedClusterAddOn says otherwise."""

Object = dict[str, Any]


def permissions(cluster: str, namespace: str, account: str, full: bool) -> Object:
    """
    @param cluster: whose namespace on the hub the work is for.
    @param namespace: of the service account on the managed cluster.
    @param full: everything, rather than reading and impersonating.
    """
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    if full:
        granted = [_binding(f"{ROLE}:full", "cluster-admin", subject)]
    else:
        impersonating = manifests(needs((), cluster, Callers(), False), subject, ROLE, DEFAULT_POLICY)
        granted = [_binding(f"{ROLE}:view", "view", subject), *impersonating]
    return {
        "metadata": {"name": WORK, "namespace": cluster, "labels": {MANAGED_LABEL: MANAGER}},
        "spec": {"workload": {"manifests": granted}},
    }


def agent_namespace(agent: Mapping[str, Any] | None) -> str:
    """@param agent: the ManagedClusterAddOn L{AGENT} of a cluster, of either version; C{None} if there is none."""
    status, spec = (agent or {}).get("status"), (agent or {}).get("spec")
    placed = status.get("namespace") if isinstance(status, Mapping) else None
    wanted = spec.get("installNamespace") if isinstance(spec, Mapping) else None
    return str(placed or wanted or AGENT_NAMESPACE)


def _binding(name: str, role: str, subject: Object) -> Object:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": ADDON}},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }
