"""From the URL of an apiserver, as Secrets and kubeconfigs write it, to an L{Endpoint}."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from ..errors import ConfigurationError
from .gateway import Endpoint
from .proxyurl import parse_proxy_url
from .x509 import certificates

CLUSTER_PROXY_PORT = 443
CLUSTER_PROXY_SERVER_NAME = "kubernetes.default.svc"

_HOST = re.compile(
    r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?"
)
# RFC 3986 pchar and "/"; the path is put before others unchanged, so nothing else may be in it.
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|%[0-9A-Fa-f]{2})*)*")


def parse_endpoint(
    url: str, what: str, *, ca: bytes | None = None, insecure: bool = False, server_name: str = "", proxy_url: str = ""
) -> Endpoint:
    """
    @param url: C{https://HOST[:PORT][/PATH]}; white space around it is ignored.
    @param what: what to call it in an error.
    @raise ConfigurationError: it is no such URL.
    """
    parts = _split(url.strip(), what)
    if parts.scheme != "https":
        raise ConfigurationError(f"{what} must be an https URL")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{what} must not hold a user or password")
    if parts.query or parts.fragment or url.strip().endswith(("?", "#")):
        raise ConfigurationError(f"{what} must not have a query or fragment")
    if not _PATH.fullmatch(parts.path) or any(segment in (".", "..") for segment in parts.path.split("/")):
        raise ConfigurationError(f"{what} has a path that cannot be used")
    host, port = _host_port(parts, what)
    base_path = parts.path.rstrip("/")
    return Endpoint(host, port or 443, base_path, ca, insecure, server_name, proxy_url)


def cluster_proxy_endpoint(name: str, ca: bytes | None) -> Endpoint:
    """
    The endpoint that konnectivity reaches under the cluster's own name, as Open Cluster Management's cluster-proxy
    does; the certificate behind it carries the in-cluster name of the apiserver.
    """
    server_name = "" if ca is None else CLUSTER_PROXY_SERVER_NAME
    return Endpoint(name, CLUSTER_PROXY_PORT, "", ca, ca is None, server_name, via_cluster_proxy=True)


def check_proxy_url(url: str, what: str) -> str:
    """
    @param url: C{http}, C{https} or C{socks5} URL, perhaps with user and password.
    @return: the same without white space around it.
    @raise ConfigurationError: it is no such URL. The message does not repeat it.
    """
    stripped = url.strip()
    _check_characters(stripped, what)
    parse_proxy_url(stripped)
    return stripped


def check_ca(pem: bytes, what: str) -> bytes:
    """
    @return: the bundle itself.
    @raise ConfigurationError: it is not a PEM bundle of at least one certificate.
    """
    certificates(pem, what)
    return pem


def check_server_name(name: str, what: str) -> str:
    """
    @raise ConfigurationError: it is neither a host name nor an IP address.
    """
    if not _is_host(name):
        raise ConfigurationError(f"{what} is not a host name")
    return name


def endpoint_url(endpoint: Endpoint) -> str:
    """The URL an endpoint was made from, in its shortest writing: for showing, and for exec plugins."""
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    port = "" if endpoint.port == 443 else f":{endpoint.port}"
    return f"https://{host}{port}{endpoint.base_path}"


def _check_characters(url: str, what: str) -> None:
    if not url.isascii() or not url.isprintable() or " " in url:
        # urlsplit would silently drop tabs and newlines
        raise ConfigurationError(f"{what} holds characters that a URL cannot")


def _split(url: str, what: str) -> SplitResult:
    _check_characters(url, what)
    try:
        return urlsplit(url)
    except ValueError:
        raise ConfigurationError(f"{what} is not a URL") from None


def _host_port(parts: SplitResult, what: str) -> tuple[str, int | None]:
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ConfigurationError(f"{what} has a port that is no number from 1 to 65535") from None
    if port == 0:
        raise ConfigurationError(f"{what} has a port that is no number from 1 to 65535")
    if (":" in host) != ("[" in parts.netloc):
        # Before Python 3.11 urlsplit lets brackets around a name pass.
        raise ConfigurationError(f"{what} is not a URL")
    if not _is_host(host):
        raise ConfigurationError(f"{what} has no host name or address that can be used")
    return host, port


def _is_host(host: str) -> bool:
    if ":" in host:
        try:
            return ip_address(host).version == 6
        except ValueError:
            return False
    return _HOST.fullmatch(host) is not None
