"""What the installer puts into the hosting cluster: every object as it should be. Pure."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from .addon import ADDON, MANAGED_LABEL, MANAGER, Configuration
from .addoncertificates import SERVING_SECRET
from .addonplacement import Placement
from .resourcetype import ResourceType
from .secrets import GROUP

Object = dict[str, Any]
Wanted = tuple[ResourceType, Object]

RBAC = "rbac.authorization.k8s.io"
NAMESPACES = ResourceType("", "v1", "namespaces", "Namespace", namespaced=False)
SERVICE_ACCOUNTS = ResourceType("", "v1", "serviceaccounts", "ServiceAccount")
SERVICES = ResourceType("", "v1", "services", "Service")
DEPLOYMENTS = ResourceType("apps", "v1", "deployments", "Deployment")
ROLES = ResourceType(RBAC, "v1", "roles", "Role")
ROLE_BINDINGS = ResourceType(RBAC, "v1", "rolebindings", "RoleBinding")
CLUSTER_ROLES = ResourceType(RBAC, "v1", "clusterroles", "ClusterRole", namespaced=False)
CLUSTER_ROLE_BINDINGS = ResourceType(RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", namespaced=False)
API_SERVICES = ResourceType("apiregistration.k8s.io", "v1", "apiservices", "APIService", namespaced=False)

DEPLOYMENT = "gateway-deployment"
CLUSTER_ROLE = "open-cluster-management:cluster-gateway"
API_SERVICE = f"v1alpha1.{GROUP}"
PORT = 9443
TRUST_NAMESPACE = "kube-system"
TRUST_ROLE = "extension-apiserver-authentication-reader"
GENERATION_LABEL = "proxy.open-cluster-management.io/configuration-generation"
LABELS = {MANAGED_LABEL: MANAGER, "app.kubernetes.io/name": ADDON}
SELECTOR = {"app": ADDON, "proxy.open-cluster-management.io/component-name": "deployment"}

PROXY_CLIENT_COPY = "cluster-gateway-proxy-client"
PROXY_CA_COPY = "cluster-gateway-proxy-ca"
_TLS = "/etc/cluster-gateway/tls"
_PROXY_CLIENT = "/etc/cluster-gateway/proxy-client"
_PROXY_CA = "/etc/cluster-gateway/proxy-ca"


def serving_names(namespace: str) -> tuple[str, ...]:
    """Names of the serving certificate; kube-aggregator asks for the second."""
    return (ADDON, f"{ADDON}.{namespace}.svc", f"{ADDON}.{namespace}")


def around(configuration: Configuration) -> Iterator[Wanted]:
    """What the gateway needs to be reached and to be allowed its work; without APIService and Deployment."""
    install, secrets = configuration.install_namespace, configuration.secret_namespace
    yield SERVICE_ACCOUNTS, {"metadata": _metadata(ADDON, install)}
    yield (
        SERVICES,
        {
            "metadata": _metadata(ADDON, install),
            "spec": {"selector": SELECTOR, "ports": [{"name": "https", "port": PORT, "targetPort": PORT}]},
        },
    )
    subject = {"kind": "ServiceAccount", "name": ADDON, "namespace": install}
    clusters = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch", "patch"]}
    yield ROLES, {"metadata": _metadata(ADDON, secrets), "rules": [clusters]}
    yield ROLE_BINDINGS, _binding(ADDON, secrets, "Role", ADDON, subject)
    yield ROLE_BINDINGS, _binding(f"{ADDON}:{TRUST_ROLE}", TRUST_NAMESPACE, "Role", TRUST_ROLE, subject)
    yield CLUSTER_ROLES, {"metadata": _metadata(CLUSTER_ROLE), "rules": GATEWAY_RULES}
    yield CLUSTER_ROLE_BINDINGS, _binding(CLUSTER_ROLE, "", "ClusterRole", CLUSTER_ROLE, subject)


GATEWAY_RULES = [
    {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]},
    {"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]},
    {
        "apiGroups": ["cluster.open-cluster-management.io"],
        "resources": ["managedclusters"],
        "verbs": ["get", "list", "watch"],
    },
]


def api_service(configuration: Configuration, bundle: bytes) -> Wanted:
    """@param bundle: PEM of the CAs of the serving certificate."""
    return API_SERVICES, {
        "metadata": _metadata(API_SERVICE),
        "spec": {
            "group": GROUP,
            "version": "v1alpha1",
            "groupPriorityMinimum": 2000,
            "versionPriority": 10,
            "service": {"name": ADDON, "namespace": configuration.install_namespace, "port": PORT},
            "caBundle": base64.b64encode(bundle).decode("ascii"),
        },
    }


def deployment(configuration: Configuration, placement: Placement) -> Wanted:
    """The gateway itself."""
    metadata = _metadata(DEPLOYMENT, configuration.install_namespace)
    metadata["labels"][GENERATION_LABEL] = str(configuration.generation)
    pod: Object = {
        "serviceAccountName": ADDON,
        "terminationGracePeriodSeconds": 45,
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(configuration, placement)],
        "volumes": [
            *({"name": name, "secret": {"secretName": secret}} for name, _, secret in _mounts(configuration)),
            {"name": "tmp", "emptyDir": {}},
            {"name": "work", "emptyDir": {}},
        ],
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": SELECTOR},
            }
        ],
    }
    if placement.node_selector:
        pod["nodeSelector"] = dict(placement.node_selector)
    if placement.tolerations:
        pod["tolerations"] = [dict(each) for each in placement.tolerations]
    return DEPLOYMENTS, {
        "metadata": metadata,
        "spec": {
            "replicas": placement.replicas,
            "selector": {"matchLabels": SELECTOR},
            "template": {"metadata": {"labels": SELECTOR}, "spec": pod},
        },
    }


def arguments(configuration: Configuration) -> list[str]:
    """Of the gateway's process."""
    given = [
        f"--secure-port={PORT}",
        f"--secret-namespace={configuration.secret_namespace}",
        "--ocm-integration=true",
        f"--tls-cert-file={_TLS}/tls.crt",
        f"--tls-private-key-file={_TLS}/tls.key",
        "--feature-gates=HealthinessCheck=true,SecretCache=true,OCMClusterCache=true",
    ]
    egress = configuration.egress
    if egress is not None:
        given += [
            f"--proxy-host={egress.host}",
            f"--proxy-port={egress.port}",
            f"--proxy-ca-cert={_PROXY_CA}/ca.crt",
            f"--proxy-cert={_PROXY_CLIENT}/tls.crt",
            f"--proxy-key={_PROXY_CLIENT}/tls.key",
        ]
    return given


def copy_of_secret(name: str, namespace: str, kind: str, data: Mapping[str, str]) -> Object:
    """
    A Secret of ours.

    @param data: base64 texts.
    """
    return {"metadata": _metadata(name, namespace), "type": kind, "data": dict(data)}


def _container(configuration: Configuration, placement: Placement) -> Object:
    def probe(path: str, period: int, failures: int) -> Object:
        get = {"path": path, "port": PORT, "scheme": "HTTPS"}
        return {"httpGet": get, "periodSeconds": period, "failureThreshold": failures}

    resources = placement.resources_for("deployments", DEPLOYMENT, "gateway")
    return {
        "name": "gateway",
        "image": placement.image_for(configuration.image),
        "args": arguments(configuration),
        "ports": [{"name": "https", "containerPort": PORT}],
        "readinessProbe": probe("/readyz", 5, 3),
        "livenessProbe": probe("/livez", 10, 6),
        "startupProbe": probe("/livez", 2, 30),
        "resources": dict(resources) if resources is not None else {"requests": {"cpu": "100m", "memory": "128Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            *({"name": name, "mountPath": path, "readOnly": True} for name, path, _ in _mounts(configuration)),
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - of the pod
            {"name": "work", "mountPath": "/var/lib/cluster-gateway"},
        ],
    }


def _mounts(configuration: Configuration) -> list[tuple[str, str, str]]:
    """Name, path and Secret."""
    mounts = [("tls", _TLS, SERVING_SECRET)]
    if configuration.egress is not None:
        mounts += [("proxy-client", _PROXY_CLIENT, PROXY_CLIENT_COPY), ("proxy-ca", _PROXY_CA, PROXY_CA_COPY)]
    return mounts


def _metadata(name: str, namespace: str = "") -> Object:
    metadata: Object = {"name": name, "labels": dict(LABELS)}
    if namespace:
        metadata["namespace"] = namespace
    return metadata


def _binding(name: str, namespace: str, kind: str, role: str, subject: Object) -> Object:
    return {
        "metadata": _metadata(name, namespace),
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": [subject],
    }
