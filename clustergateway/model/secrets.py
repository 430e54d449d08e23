"""
The Secret behind a cluster, as C{docs/reference/secret} specifies it, turned into a L{ClusterGateway}.

Pure; the errors name the key that is wrong and never repeat its value.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, TypeGuard

from ..errors import ConfigurationError
from .endpoint import check_ca, check_proxy_url, cluster_proxy_endpoint, parse_endpoint
from .endpointlist import parse_endpoint_list
from .execplugin import parse_exec_config
from .gateway import (
    CertificateCredential,
    ClusterGateway,
    Credential,
    Endpoint,
    ExecCredential,
    Health,
    NoCredential,
    TokenCredential,
)
from .generation import with_generation
from .x509 import check_pair

GROUP = "cluster.core.oam.dev"
CREDENTIAL_TYPE_LABEL = f"{GROUP}/cluster-credential-type"
ENDPOINT_TYPE_LABEL = f"{GROUP}/cluster-endpoint-type"
ALIAS_ANNOTATION = f"{GROUP}/cluster-alias"
PROXY_CONFIGURATION_ANNOTATION = f"{GROUP}/cluster-gateway-proxy-configuration"
HEALTHY_ANNOTATION = f"status.{GROUP}/healthy"
HEALTHY_REASON_ANNOTATION = f"status.{GROUP}/healthy-reason"
# kubectl apply keeps the whole object in it, credential included.
LAST_APPLIED_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
ENDPOINTS_KEY = "endpoints"

_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")


def gateway_from_secret(secret: Mapping[str, Any], endpoint_required: bool = True) -> ClusterGateway | None:
    """
    @param secret: a core/v1 Secret as parsed from JSON or YAML; C{stringData} is honoured.
    @param endpoint_required: false when the endpoints come from elsewhere (Open Cluster Management); then C{endpoints}
        may be empty.
    @return: C{None} if the Secret has no credential type label and so is no cluster.
    @raise ConfigurationError: it means to be a cluster, and cannot be.
    """
    labels = _strings(_metadata(secret).get("labels"), "labels")
    kind = labels.get(CREDENTIAL_TYPE_LABEL)
    if kind is None:
        return None
    named = _named(secret, labels)
    data = _data(secret)
    gateway = replace(
        named,
        credential=_credential(kind, data),
        endpoints=_endpoints(named.name, labels.get(ENDPOINT_TYPE_LABEL), data, endpoint_required),
        unroutable="the cluster is being deleted" if named.deletion_timestamp else "",
    )
    return with_generation(gateway)


def broken_gateway(secret: Mapping[str, Any], reason: str) -> ClusterGateway | None:
    """
    A Secret that L{gateway_from_secret} refused, as a cluster that is listed but not routed.

    @param reason: the sentence that says why.
    @return: C{None} if not even a name can be read from it.
    """
    try:
        gateway = _named(secret, _strings(_metadata(secret).get("labels"), "labels"))
    except ConfigurationError:
        return None
    return with_generation(replace(gateway, unroutable=reason))


def secret_trust(secret: Mapping[str, Any]) -> tuple[bytes | None, str]:
    """
    How a Secret wants endpoints to be reached that it does not name itself: its CA bundle and its proxy URL.

    @raise ConfigurationError: one of them cannot be used.
    """
    data = _data(secret)
    return _ca(data), _proxy_url(data)


def lists_endpoints(secret: Mapping[str, Any]) -> bool:
    """
    Does it say all there is to say of the endpoints, so that those known from elsewhere are not added?

    @raise ConfigurationError: its data cannot be read.
    """
    return ENDPOINTS_KEY in _data(secret)


def is_cluster_name(name: object) -> TypeGuard[str]:
    """Is it a DNS-1123 subdomain, as the names of Secrets are?"""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def health_from_annotations(annotations: Mapping[str, str]) -> Health:
    """
    What was last written to C{clustergateways/health}. Booleans are read as Go's C{strconv.ParseBool} reads them; other
    texts tell nothing.
    """
    text = annotations.get(HEALTHY_ANNOTATION, "")
    healthy = True if text in _TRUE else False if text in _FALSE else None
    return Health(healthy, annotations.get(HEALTHY_REASON_ANNOTATION, ""))


_TRUE = frozenset(("1", "t", "T", "true", "TRUE", "True"))
_FALSE = frozenset(("0", "f", "F", "false", "FALSE", "False"))


def _named(secret: Mapping[str, Any], labels: Mapping[str, str]) -> ClusterGateway:
    """Everything but endpoints and credential."""
    metadata = _metadata(secret)
    name = metadata.get("name")
    if not is_cluster_name(name):
        raise ConfigurationError("metadata.name is not a DNS-1123 name")
    annotations = dict(_strings(metadata.get("annotations"), "annotations"))
    annotations.pop(LAST_APPLIED_ANNOTATION, None)
    return ClusterGateway(
        name=name,
        endpoints=(),
        credential=NoCredential(),
        labels=MappingProxyType(dict(labels)),
        annotations=MappingProxyType(annotations),
        health=health_from_annotations(annotations),
        uid=_string(metadata, "uid"),
        resource_version=_string(metadata, "resourceVersion"),
        creation_timestamp=_string(metadata, "creationTimestamp"),
        deletion_timestamp=_string(metadata, "deletionTimestamp"),
        alias=annotations.get(ALIAS_ANNOTATION, ""),
        proxy_configuration=annotations.get(PROXY_CONFIGURATION_ANNOTATION, ""),
    )


def _endpoints(name: str, kind: str | None, data: Mapping[str, bytes], required: bool) -> tuple[Endpoint, ...]:
    ca = _ca(data)
    proxy_url = _proxy_url(data)
    urls = _text(data, "endpoint").split()
    if ENDPOINTS_KEY in data:
        if urls or proxy_url:
            raise ConfigurationError("data key endpoints says all of it; leave endpoint and proxy-url out")
        return _listed(name, kind, _text(data, ENDPOINTS_KEY), ca)
    if kind == "ClusterProxy":
        if not urls:
            return (cluster_proxy_endpoint(name, ca),)
        dialled = (parse_endpoint(url, "data key endpoint", ca=ca, insecure=ca is None) for url in urls)
        return tuple(replace(endpoint, via_cluster_proxy=True) for endpoint in dialled)
    if kind not in (None, "Const"):
        raise ConfigurationError(f"label {ENDPOINT_TYPE_LABEL} must be Const or ClusterProxy")
    if not urls and required:
        raise ConfigurationError("data key endpoint is missing")
    return tuple(
        parse_endpoint(url, "data key endpoint", ca=ca, insecure=ca is None, proxy_url=proxy_url) for url in urls
    )


def _listed(name: str, kind: str | None, text: str, ca: bytes | None) -> tuple[Endpoint, ...]:
    endpoints = parse_endpoint_list(text, f"data key {ENDPOINTS_KEY}", name, ca)
    first = "ClusterProxy" if endpoints[0].via_cluster_proxy else "Const"
    if kind not in (None, first):
        # People select clusters by it, and the API shows the first endpoint's.
        raise ConfigurationError(f"label {ENDPOINT_TYPE_LABEL} is not the first endpoint's type, {first}")
    return endpoints


def _proxy_url(data: Mapping[str, bytes]) -> str:
    url = _text(data, "proxy-url").strip()
    return check_proxy_url(url, "data key proxy-url") if url else ""


def _ca(data: Mapping[str, bytes]) -> bytes | None:
    for key in ("ca.crt", "ca"):
        if key in data:
            if not data[key].strip():
                raise ConfigurationError(
                    f"data key {key} is empty; leave it out to enter the cluster without verifying its certificate"
                )
            return check_ca(data[key], f"data key {key}")
    return None


def _credential(kind: str, data: Mapping[str, bytes]) -> Credential:
    if kind == "ServiceAccountToken":
        return TokenCredential(_token(data))
    if kind in ("X509Certificate", "X509"):
        for key in ("tls.crt", "tls.key"):
            if not data.get(key):
                raise ConfigurationError(f"data key {key} is missing")
        check_pair(data["tls.crt"], data["tls.key"], "data key tls.crt", "data key tls.key")
        return CertificateCredential(data["tls.crt"], data["tls.key"])
    if kind == "Dynamic":
        return _exec(data)
    raise ConfigurationError(f"label {CREDENTIAL_TYPE_LABEL} must be ServiceAccountToken, X509Certificate or Dynamic")


def _token(data: Mapping[str, bytes]) -> str:
    token = _text(data, "token").strip()
    if not token:
        raise ConfigurationError("data key token is missing")
    if not is_token(token):
        raise ConfigurationError("data key token holds characters that a header cannot")
    return token


def is_token(token: str) -> bool:
    """Can it stand behind C{Authorization: Bearer}?"""
    return token.isascii() and token.isprintable() and bool(token) and " " not in token


def _exec(data: Mapping[str, bytes]) -> ExecCredential:
    text = _text(data, "exec")
    if not text.strip():
        raise ConfigurationError("data key exec is missing")
    try:
        config = json.loads(text)
    except (ValueError, RecursionError):
        raise ConfigurationError("data key exec is not JSON") from None
    return parse_exec_config(config, "data key exec")


def _data(secret: Mapping[str, Any]) -> dict[str, bytes]:
    data = {key: _decoded(key, value) for key, value in _strings(secret.get("data"), "data").items()}
    plain = _strings(secret.get("stringData"), "stringData")
    return data | {key: _encoded(key, value) for key, value in plain.items()}


def _decoded(key: str, value: str) -> bytes:
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"data key {key[:60]!r} is not base64") from None


def _encoded(key: str, value: str) -> bytes:
    try:
        return value.encode()
    except UnicodeEncodeError:
        raise ConfigurationError(f"stringData key {key[:60]!r} is not text") from None


def _text(data: Mapping[str, bytes], key: str) -> str:
    try:
        return data.get(key, b"").decode()
    except UnicodeDecodeError:
        raise ConfigurationError(f"data key {key!r} is not text") from None


def _metadata(secret: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = secret.get("metadata")
    if not isinstance(metadata, Mapping):
        raise ConfigurationError("metadata is missing")
    return metadata


def _string(metadata: Mapping[str, Any], key: str) -> str:
    value = metadata.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigurationError(f"metadata.{key} is not a string")
    return value


def _strings(value: object, what: str) -> Mapping[str, str]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{what} is not an object")
    for key, text in value.items():
        if not isinstance(key, str) or not isinstance(text, str):
            raise ConfigurationError(f"{what} has a key or value that is not a string")
    return value
