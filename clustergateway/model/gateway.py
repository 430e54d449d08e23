"""A cluster as the gateway knows it: where it is, how its certificate is checked, with what it is entered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

NO_LABELS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class TokenCredential:
    """A bearer token."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenFileCredential:
    """A bearer token in a file that somebody rotates; re-read when it changes."""

    path: str


@dataclass(frozen=True, slots=True)
class CertificateCredential:
    """A client certificate: PEM chain (leaf first) and PEM private key, which belong together."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ExecCredential:
    """
    A client-go exec plugin (client.authentication.k8s.io ExecConfig).

    @ivar cluster_config: the C{config} of the kubeconfig's exec extension, as parsed from JSON, or C{None}.
    """

    command: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    api_version: str = "client.authentication.k8s.io/v1"
    provide_cluster_info: bool = False
    install_hint: str = ""
    cluster_config: Any = None


@dataclass(frozen=True, slots=True)
class NoCredential:
    """The cluster is entered without a credential (an anonymous endpoint, or one that a proxy authenticates)."""


@dataclass(frozen=True, slots=True)
class UnknownCredential(NoCredential):
    """Nobody has said yet with what the cluster is entered: it is registered (Open Cluster Management), and no more."""


Credential = TokenCredential | TokenFileCredential | CertificateCredential | ExecCredential | NoCredential


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    One way to an apiserver.

    @ivar host: name or address without brackets. For a cluster-proxy endpoint the name that konnectivity dials.
    @ivar base_path: path of the endpoint's URL without trailing slash, C{""} for none; put before every request's path.
    @ivar ca: PEM bundle that the server's certificate must lead to; C{None} with C{insecure} false means the system's.
    @ivar insecure: the server's certificate is not verified at all.
    @ivar server_name: verified and sent as SNI instead of C{host}; C{""} means C{host}.
    @ivar proxy_url: http, https or socks5 URL to go through, C{""} for none. May hold a password: never shown.
    @ivar via_cluster_proxy: reached through konnectivity rather than dialled.
    """

    host: str
    port: int
    base_path: str = ""
    ca: bytes | None = None
    insecure: bool = False
    server_name: str = ""
    proxy_url: str = field(default="", repr=False)
    via_cluster_proxy: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """What is known of a cluster's health. C{healthy} is C{None} while nothing is."""

    healthy: bool | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ClusterGateway:
    """
    One cluster: what the API shows (minus credentials) and what the data path needs.

    @ivar endpoints: in order of preference; at least one unless C{unroutable} says why not.
    @ivar unroutable: why requests are refused (not accepted, being deleted, broken credential); C{""}: they are not.
    @ivar generation: digest of everything a connection depends on (endpoints, credential); a changed one means new
        connections for new requests while running streams go on.
    @ivar resource_version: of the object this was read from (hub) or given by the local store.
    @ivar creation_timestamp: RFC 3339, seconds, UTC.
    @ivar deletion_timestamp: likewise, C{""} when not being deleted.
    @ivar proxy_configuration: the YAML of the annotation, C{""} for none.
    @ivar accepted: the hub has accepted it, where somebody has to (Open Cluster Management).
    @ivar warnings: sentences about what of its description was left out because it cannot be used.
    """

    name: str
    endpoints: tuple[Endpoint, ...]
    credential: Credential
    provider: str = ""
    generation: str = ""
    unroutable: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: NO_LABELS)
    annotations: Mapping[str, str] = field(default_factory=lambda: NO_LABELS)
    health: Health = Health()
    uid: str = ""
    resource_version: str = ""
    creation_timestamp: str = ""
    deletion_timestamp: str = ""
    alias: str = ""
    proxy_configuration: str = ""
    accepted: bool = True
    warnings: tuple[str, ...] = ()
