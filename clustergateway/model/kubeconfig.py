"""
A kubeconfig as a list of clusters: each context is one. And the kubeconfig that the gateway writes for its admin.

Pure: files that the kubeconfig names are read through a function that is given. See
C{docs/decisions/kubeconfig-reading} for why this does not use the C{kubernetes} package's loader.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..errors import ConfigurationError
from .endpoint import check_ca, check_proxy_url, check_server_name, parse_endpoint
from .execplugin import parse_exec_config
from .gateway import (
    CertificateCredential,
    ClusterGateway,
    Credential,
    Endpoint,
    NoCredential,
    TokenCredential,
    TokenFileCredential,
)
from .generation import with_generation
from .secrets import ALIAS_ANNOTATION, is_cluster_name, is_token
from .x509 import check_pair

# What a user entry may hold that the gateway cannot use, and why.
_REFUSED = {
    "username": "username and password are no longer accepted by any apiserver",
    "password": "username and password are no longer accepted by any apiserver",
    "auth-provider": "auth-provider was removed from Kubernetes; use exec",
    "as": "as: the gateway decides itself whom to impersonate",
    "as-uid": "as-uid: the gateway decides itself whom to impersonate",
    "as-groups": "as-groups: the gateway decides itself whom to impersonate",
    "as-user-extra": "as-user-extra: the gateway decides itself whom to impersonate",
}


@dataclass(frozen=True, slots=True)
class Contexts:
    """
    What a kubeconfig amounts to.

    @ivar gateways: one for each usable context, in order.
    @ivar problems: context -> why it is not usable.
    @ivar renamed: context -> the cluster name it got, for those whose own name is not a DNS-1123 name.
    """

    gateways: tuple[ClusterGateway, ...]
    problems: Mapping[str, str]
    renamed: Mapping[str, str]


def parse_kubeconfig(document: object, directory: str, read: Callable[[str], bytes]) -> Contexts:
    """
    @param document: as parsed from YAML.
    @param directory: of the kubeconfig file; relative paths in it count from there.
    @param read: gives the content of a file; its C{OSError} becomes a problem of the context.
    @raise ConfigurationError: it is not a kubeconfig at all. Anything smaller is a problem of one context.
    """
    if not isinstance(document, Mapping) or document.get("kind", "Config") != "Config":
        raise ConfigurationError("it is not a kubeconfig")
    contexts = _entries(document, "contexts", "context")
    source = _Source(_entries(document, "clusters", "cluster"), _entries(document, "users", "user"), directory, read)
    gateways: dict[str, ClusterGateway] = {}
    problems: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for context, fields in contexts.items():
        name = cluster_name(context, taken=frozenset((*gateways, *(other for other in contexts if other != context))))
        try:
            gateways[name] = source.gateway(context, name, fields)
        except ConfigurationError as error:
            problems[context] = error.message
        else:
            if name != context:
                renamed[context] = name
    return Contexts(tuple(gateways.values()), MappingProxyType(problems), MappingProxyType(renamed))


def cluster_name(context: str, taken: frozenset[str] = frozenset()) -> str:
    """
    The context's own name if it can be a cluster's, else the nearest one that can, made longer by a digest of the
    context's name if that one is taken. The same for the same arguments, always.
    """
    if is_cluster_name(context):
        return context
    slug = re.sub(r"[^a-z0-9.]+", "-", context.lower())
    slug = re.sub(r"[.-]*\.[.-]*", ".", slug)[:200].strip(".-")
    if slug and slug not in taken:
        return slug
    digest = hashlib.sha256(context.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{slug}-{digest}" if slug else f"context-{digest}"


def admin_kubeconfig(
    server: str, ca: bytes, certificate: bytes, key: bytes, clusters: Iterable[str], current: str = ""
) -> dict[str, Any]:
    """
    A kubeconfig with one context for the gateway itself (L{GATEWAY_CONTEXT}) and one for each cluster through it.

    @param server: C{https://HOST:PORT} of the gateway.
    @param current: context to be the current one, if there is such a one.
    """
    trust = base64.b64encode(ca).decode()
    servers = {GATEWAY_CONTEXT: server}
    for name in clusters:
        context = name if name != GATEWAY_CONTEXT else f"{name}-cluster"
        servers[context] = f"{server}/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{name}/proxy"
    user = {
        "client-certificate-data": base64.b64encode(certificate).decode(),
        "client-key-data": base64.b64encode(key).decode(),
    }
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": name, "cluster": {"server": url, "certificate-authority-data": trust}}
            for name, url in servers.items()
        ],
        "users": [{"name": ADMIN_USER, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": ADMIN_USER}} for name in servers],
        "current-context": current if current in servers else GATEWAY_CONTEXT,
    }


GATEWAY_CONTEXT = "cluster-gateway"
ADMIN_USER = "cluster-gateway-admin"


@dataclass(frozen=True, slots=True)
class _Source:
    clusters: Mapping[str, Mapping[str, Any]]
    users: Mapping[str, Mapping[str, Any]]
    directory: str
    read: Callable[[str], bytes]

    def gateway(self, context: str, name: str, fields: Mapping[str, Any]) -> ClusterGateway:
        cluster, user = _text(fields, "cluster"), _text(fields, "user")
        if cluster not in self.clusters:
            raise ConfigurationError(f"there is no cluster {cluster!r}" if cluster else "it names no cluster")
        if user and user not in self.users:
            raise ConfigurationError(f"there is no user {user!r}")
        endpoint = self._endpoint(self.clusters[cluster])
        credential = self._credential(self.users[user]) if user else NoCredential()
        gateway = ClusterGateway(
            name,
            (endpoint,),
            credential,
            annotations=MappingProxyType({ALIAS_ANNOTATION: context} if name != context else {}),
            alias=context if name != context else "",
        )
        return with_generation(gateway)

    def _endpoint(self, cluster: Mapping[str, Any]) -> Endpoint:
        insecure = cluster.get("insecure-skip-tls-verify") or False
        if not isinstance(insecure, bool):
            raise ConfigurationError("insecure-skip-tls-verify is neither true nor false")
        ca = self._content(cluster, "certificate-authority")
        if ca is not None and insecure:
            raise ConfigurationError("it has both certificate-authority and insecure-skip-tls-verify; keep one")
        if ca is not None:
            check_ca(ca, "certificate-authority")
        server_name = _text(cluster, "tls-server-name")
        if server_name:
            check_server_name(server_name, "tls-server-name")
        proxy_url = _text(cluster, "proxy-url")
        if proxy_url:
            proxy_url = check_proxy_url(proxy_url, "proxy-url")
        server = _text(cluster, "server")
        if not server:
            raise ConfigurationError("its cluster has no server")
        return parse_endpoint(server, "server", ca=ca, insecure=insecure, server_name=server_name, proxy_url=proxy_url)

    def _credential(self, user: Mapping[str, Any]) -> Credential:
        for key, why in _REFUSED.items():
            if user.get(key):
                raise ConfigurationError(f"its user cannot be used: {why}")
        certificate = self._content(user, "client-certificate")
        key_pem = self._content(user, "client-key")
        token, token_file = _text(user, "token"), _text(user, "tokenFile")
        exec_config = user.get("exec")
        kinds = (certificate or key_pem, token or token_file, exec_config)
        if sum(kind is not None and bool(kind) for kind in kinds) > 1:
            raise ConfigurationError("its user has more than one of client certificate, token and exec; keep one")
        if certificate or key_pem:
            if certificate is None or key_pem is None:
                raise ConfigurationError("its user has only one of client-certificate and client-key")
            check_pair(certificate, key_pem, "client-certificate", "client-key")
            return CertificateCredential(certificate, key_pem)
        if token_file:  # as client-go, which prefers the file
            return TokenFileCredential(posixpath.join(self.directory, token_file))
        if token:
            if not is_token(token):
                raise ConfigurationError("token holds characters that a header cannot")
            return TokenCredential(token)
        if exec_config:
            return self._exec(exec_config)
        return NoCredential()

    def _exec(self, config: object) -> Credential:
        credential = parse_exec_config(config, "exec")
        if posixpath.sep in credential.command:  # as client-go: only a bare name is looked up in PATH
            path = posixpath.join(self.directory, credential.command)
            assert isinstance(config, Mapping)
            return parse_exec_config({**config, "command": path}, "exec")
        return credential

    def _content(self, fields: Mapping[str, Any], key: str) -> bytes | None:
        """What C{KEY-data} holds, or else the file that C{KEY} names; C{None} for neither."""
        encoded, path = _text(fields, f"{key}-data"), _text(fields, key)
        if encoded:
            try:
                return base64.b64decode("".join(encoded.split()), validate=True)
            except (binascii.Error, ValueError):
                raise ConfigurationError(f"{key}-data is not base64") from None
        if not path:
            return None
        try:
            return self.read(posixpath.join(self.directory, path))
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            cause = error.strerror if isinstance(error, OSError) and error.strerror else "not a usable path"
            raise ConfigurationError(f"the file that {key} names cannot be read: {cause}") from None


def _entries(document: Mapping[Any, Any], key: str, inner: str) -> dict[str, Mapping[str, Any]]:
    """A kubeconfig's list of named things as a mapping; the first of a name wins, as in kubectl."""
    entries = document.get(key) or []
    if not isinstance(entries, list):
        raise ConfigurationError(f"its {key} is not a list")
    found: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        name = entry.get("name") if isinstance(entry, Mapping) else None
        fields = entry.get(inner) if isinstance(entry, Mapping) else None
        if not isinstance(name, str) or (fields is not None and not isinstance(fields, Mapping)):
            raise ConfigurationError(f"its {key} has an entry that is no {inner} with a name")
        found.setdefault(name, fields or {})
    return found


def _text(fields: Mapping[str, Any], key: str) -> str:
    value = fields.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigurationError(f"{key} is not a string")
    return value
