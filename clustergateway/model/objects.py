"""
A cluster as the API shows it: once as ClusterGateway, once as VirtualCluster. Nothing in here can be used to enter it.

Of the credential its kind is shown, and a fingerprint by which to see that it was rotated. Labels are shown as they
are; of the annotations only the API group's own: tools keep whole copies of a Secret in theirs.
"""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.hashes import SHA256

from ..errors import ConfigurationError
from .gateway import (
    CertificateCredential,
    ClusterGateway,
    Credential,
    Endpoint,
    ExecCredential,
    NoCredential,
    TokenCredential,
    UnknownCredential,
)
from .secrets import GROUP, PROXY_CONFIGURATION_ANNOTATION
from .x509 import certificates

VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
LOCAL = "local"
CONTROL_PLANE_LABEL = f"{GROUP}/control-plane"
NO_ENDPOINT = "-"

Object = dict[str, Any]


def cluster_gateway(gateway: ClusterGateway, version: int) -> Object:
    """The ClusterGateway of a cluster, at this resource version."""
    status: Object = {}
    if gateway.health.healthy is not None:
        status["healthy"] = gateway.health.healthy
    if gateway.health.reason:
        status["healthyReason"] = gateway.health.reason
    if gateway.unroutable:
        status["unroutable"] = gateway.unroutable
    access: Object = {"endpoint": _endpoint(gateway.endpoints[0] if gateway.endpoints else None)}
    kind = credential_type(gateway.credential)
    if kind:
        access["credential"] = {"type": kind, **_fingerprint(gateway.credential)}
    return {
        "kind": "ClusterGateway",
        "apiVersion": API_VERSION,
        "metadata": _metadata(gateway, version, dict(gateway.labels), _shown_annotations(gateway.annotations)),
        "spec": {"provider": gateway.provider, "access": access},
        "status": status,
    }


def virtual_cluster(gateway: ClusterGateway, version: int) -> Object:
    """The VirtualCluster of a cluster, at this resource version."""
    labels = {key: value for key, value in gateway.labels.items() if not key.startswith(GROUP)}
    labels[CONTROL_PLANE_LABEL] = "false"
    spec: Object = {"alias": gateway.alias} if gateway.alias else {}
    spec |= {"accepted": gateway.accepted, "endpoint": _where(gateway)}
    kind = credential_type(gateway.credential)
    if kind:
        spec["credential-type"] = kind
    return {
        "kind": "VirtualCluster",
        "apiVersion": API_VERSION,
        "metadata": _metadata(gateway, version, labels, {}),
        "spec": spec,
    }


def local_cluster(version: int) -> Object:
    """The VirtualCluster that stands for where the gateway itself runs."""
    return {
        "kind": "VirtualCluster",
        "apiVersion": API_VERSION,
        "metadata": {
            "name": LOCAL,
            "resourceVersion": str(version),
            "creationTimestamp": None,
            "labels": {CONTROL_PLANE_LABEL: "true"},
        },
        "spec": {"accepted": True, "endpoint": NO_ENDPOINT, "credential-type": "Internal"},
    }


def cluster_gateway_cells(shown: Object) -> list[Any]:
    """What its row in a table holds, in the order of the columns."""
    access = shown["spec"]["access"]
    healthy = shown["status"].get("healthy")
    return [
        shown["metadata"]["name"],
        shown["spec"]["provider"],
        access.get("credential", {}).get("type", "<none>"),
        access["endpoint"]["type"],
        "unknown" if healthy is None else str(healthy).lower(),
    ]


def virtual_cluster_cells(shown: Object) -> list[Any]:
    """Likewise for a VirtualCluster."""
    metadata, spec = shown["metadata"], shown["spec"]
    return [
        metadata["name"],
        spec.get("alias", ""),
        spec.get("credential-type", ""),
        spec["endpoint"],
        spec["accepted"],
        ",".join(f"{key}={value}" for key, value in sorted(metadata["labels"].items())),
        metadata["creationTimestamp"],
    ]


def credential_type(credential: Credential) -> str:
    """What the Secret's label calls this kind of credential, C{""} for none."""
    if isinstance(credential, UnknownCredential):
        return "ManagedCluster"
    if isinstance(credential, NoCredential):
        return ""
    if isinstance(credential, CertificateCredential):
        return "X509Certificate"
    return "Dynamic" if isinstance(credential, ExecCredential) else "ServiceAccountToken"


def address(endpoint: Endpoint) -> str:
    """The endpoint as a URL."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    port = "" if endpoint.port == 443 else f":{endpoint.port}"
    return f"https://{host}{port}{endpoint.base_path}"


def _metadata(
    gateway: ClusterGateway, version: int, labels: Mapping[str, str], annotations: Mapping[str, str]
) -> Object:
    metadata: Object = {
        "name": gateway.name,
        "resourceVersion": str(version),
        "creationTimestamp": gateway.creation_timestamp or None,
    }
    if gateway.uid:
        metadata["uid"] = gateway.uid
    if gateway.deletion_timestamp:
        metadata["deletionTimestamp"] = gateway.deletion_timestamp
    if labels:
        metadata["labels"] = labels
    if annotations:
        metadata["annotations"] = annotations
    return metadata


def _shown_annotations(annotations: Mapping[str, str]) -> dict[str, str]:
    """Without the proxy configuration too: its webhook URLs may hold a password."""
    return {
        key: value
        for key, value in annotations.items()
        if key.partition("/")[0] in (GROUP, f"status.{GROUP}") and key != PROXY_CONFIGURATION_ANNOTATION
    }


def _endpoint(endpoint: Endpoint | None) -> Object:
    if endpoint is None:
        return {"type": "Const"}
    if endpoint.via_cluster_proxy:
        return {"type": "ClusterProxy"}
    const: Object = {"address": address(endpoint)}
    if endpoint.ca is not None:
        const["caBundle"] = b64encode(endpoint.ca).decode("ascii")
    if endpoint.insecure:
        const["insecure"] = True
    if endpoint.proxy_url:
        const["proxy-url"] = _without_userinfo(endpoint.proxy_url)
    return {"type": "Const", "const": const}


def _where(gateway: ClusterGateway) -> str:
    if not gateway.endpoints:
        return NO_ENDPOINT
    endpoint = gateway.endpoints[0]
    return "ClusterProxy" if endpoint.via_cluster_proxy else address(endpoint)


def _without_userinfo(url: str) -> str:
    """Nothing of a URL but scheme, host and port; C{""} if that cannot be told apart."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  # raises ValueError where the host is not separable
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _fingerprint(credential: Credential) -> dict[str, str]:
    """
    A digest of the credential itself. An exec plugin's configuration has none: what is in it may be short enough to be
    found by trying.
    """
    if isinstance(credential, TokenCredential):
        return {"fingerprint": f"SHA256:{hashlib.sha256(credential.token.encode()).hexdigest()[:32]}"}
    if isinstance(credential, CertificateCredential):
        try:
            leaf = certificates(credential.certificate, "the certificate")[0]
        except ConfigurationError:
            return {}
        return {"fingerprint": f"SHA256:{leaf.fingerprint(SHA256()).hex()}"}
    return {}
