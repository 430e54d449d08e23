"""What a hosting cluster has besides: the roles that components are bound to, and the front proxy's trust data."""

from __future__ import annotations

from .objects import Object, dumps

_RBAC = "rbac.authorization.k8s.io"
FRONT_PROXY_NAME = "front-proxy-client"
_TRUST_MAP = "extension-apiserver-authentication"


def _cluster_role(name: str, *rules: Object) -> Object:
    return {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": list(rules)}


def roles() -> tuple[Object, ...]:
    """The bootstrap policy, as far as components of a hosting cluster use it."""
    everything: Object = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    reviews: Object = {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}
    access: Object = {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]}
    reading: Object = {"verbs": ["get", "list", "watch"], "apiGroups": [""]}
    reading["resources"] = ["configmaps", "endpoints", "pods", "pods/log", "pods/status", "services", "serviceaccounts"]
    trust: Object = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [_TRUST_MAP]}
    role: Object = {"apiVersion": f"{_RBAC}/v1", "kind": "Role", "rules": [trust | {"verbs": ["get", "list", "watch"]}]}
    role["metadata"] = {"name": f"{_TRUST_MAP}-reader", "namespace": "kube-system"}
    return (
        _cluster_role("cluster-admin", everything, {"nonResourceURLs": ["*"], "verbs": ["*"]}),
        _cluster_role("system:auth-delegator", reviews, access),
        _cluster_role("view", reading),
        role,
    )


def trust_data(client_ca: bytes, front_proxy_ca: bytes) -> Object:
    """
    The ConfigMap from which aggregated servers learn whom to believe.

    @param client_ca: PEM, signs the certificates of users.
    @param front_proxy_ca: PEM, signs the certificate that this server shows to them.
    """
    data = {
        "requestheader-client-ca-file": front_proxy_ca.decode("ascii"),
        "requestheader-allowed-names": _list(FRONT_PROXY_NAME),
        "requestheader-extra-headers-prefix": _list("X-Remote-Extra-"),
        "requestheader-group-headers": _list("X-Remote-Group"),
        "requestheader-uid-headers": _list("X-Remote-Uid"),
        "requestheader-username-headers": _list("X-Remote-User"),
    }
    if client_ca:
        data["client-ca-file"] = client_ca.decode("ascii")
    meta = {"name": _TRUST_MAP, "namespace": "kube-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def _list(value: str) -> str:
    return dumps([value]).decode("ascii")
