"""What a managed cluster is told to grant the gateway, as a ManifestWork of Open Cluster Management. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from .addon import ADDON, MANAGED_LABEL, MANAGER
from .exchange import Configuration, External, Privileged, Rule, Static
from .exchangeconfig import parse_annotation
from .identity import PRIVILEGED_GROUP
from .impersonation import DEFAULT_POLICY
from .ocm import kubernetes_version
from .rbac import RBAC, Callers, manifests, needs
from .resourcetype import ResourceType
from .secrets import PROXY_CONFIGURATION_ANNOTATION

MANIFEST_WORKS = ResourceType("work.open-cluster-management.io", "v1", "manifestworks", "ManifestWork")
WORK = "cluster-gateway-permissions"
ROLE = "open-cluster-management:cluster-gateway"
AGENT = "managed-serviceaccount"
"""The add-on whose agent makes service accounts on managed clusters."""
AGENT_NAMESPACE = "open-cluster-management-agent-addon"
"""Where it makes them unless its ManagedClusterAddOn says otherwise."""
INSTALL_NAMESPACE_ANNOTATION = "addon.open-cluster-management.io/v1alpha1-install-namespace"
"""Where v1beta1 has what was C{spec.installNamespace} in v1alpha1."""

CONSTRAINED_SINCE = (1, 36)
"""The Kubernetes that has constrained impersonation (KEP-5284) without being asked for it."""

Object = dict[str, Any]


def permissions(
    managed: Mapping[str, Any], namespace: str, account: str, full: bool, secret: Mapping[str, Any] | None = None
) -> Object:
    """
    @param managed: the ManagedCluster.
    @param namespace: of the service account on the managed cluster.
    @param full: everything, rather than reading and impersonating whom the cluster's rules name.
    @param secret: the cluster's Secret, whose annotation has the rules; C{None} while there is none.
    """
    cluster = str(managed["metadata"]["name"])
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    if full:
        granted = [_binding(f"{ROLE}:full", "cluster-admin", subject)]
    else:
        rules = _named(_rules(secret))
        constrained = kubernetes_version(managed) >= CONSTRAINED_SINCE
        needed = needs((rules,), cluster, Callers(anyone=False), constrained)
        impersonating = manifests(needed, subject, ROLE, rules.policy or DEFAULT_POLICY)
        granted = [_binding(f"{ROLE}:view", "view", subject), *impersonating]
    return {
        "metadata": {"name": WORK, "namespace": cluster, "labels": {MANAGED_LABEL: MANAGER}},
        "spec": {"workload": {"manifests": granted}},
    }


def agent_namespace(agent: Mapping[str, Any] | None) -> str:
    """@param agent: the ManagedClusterAddOn L{AGENT} of a cluster, of either version; C{None} if there is none."""
    status, spec = (agent or {}).get("status"), (agent or {}).get("spec")
    placed = status.get("namespace") if isinstance(status, Mapping) else None
    metadata = (agent or {}).get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    wanted = spec.get("installNamespace") if isinstance(spec, Mapping) else None
    moved = annotations.get(INSTALL_NAMESPACE_ANNOTATION) if isinstance(annotations, Mapping) else None
    return str(placed or wanted or moved or AGENT_NAMESPACE)


def _rules(secret: Mapping[str, Any] | None) -> Configuration:
    annotations = ((secret or {}).get("metadata") or {}).get("annotations") or {}
    return parse_annotation(str(annotations.get(PROXY_CONFIGURATION_ANNOTATION) or ""))


def _named(rules: Configuration) -> Configuration:
    """
    Without the targets that need everything: a webhook may name anybody, and whoever may be L{PRIVILEGED_GROUP} may
    do all. Who only has the Secret's annotation to write has not been given the cluster.
    """
    return replace(rules, rules=tuple(map(_without_everything, rules.rules)))


def _without_everything(rule: Rule) -> Rule:
    target = rule.target
    everything = isinstance(target, Static) and PRIVILEGED_GROUP in target.identity.groups
    # It keeps its place: those behind one that is for everybody never count.
    return replace(rule, target=Privileged()) if everything or isinstance(target, External) else rule


def _binding(name: str, role: str, subject: Object) -> Object:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": ADDON}},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }
