"""How an aggregated API server is reached and told who asks, as kube-aggregator does it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode

from OpenSSL import SSL
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IStreamClientEndpoint
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    KeyPair,
    PrivateCertificate,
    optionsForClientTLS,
    trustRootFromCertificates,
)
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent, IAgentEndpointFactory
from zope.interface import implementer

from ..model import x509
from .call import User

CONNECT_SECONDS = 5
_PATH_SAFE = "/:@!$&'()*+,;=~"
_CONSUMED = ("authorization", "impersonate-", "x-remote-", "x-forwarded-")
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)


@dataclass(frozen=True, slots=True)
class Backend:
    """
    Where an aggregated server is.

    @ivar server_name: that its certificate must carry.
    @ivar ca: PEM bundle, C{b""} for no verification.
    """

    host: str
    port: int
    server_name: str
    ca: bytes

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}"


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """TLS to a server whose certificate is not looked at, but which is told whom it is asked for."""

    def __init__(self, server_name: str, identity: PrivateCertificate) -> None:
        self._name = server_name.encode("ascii")
        assert isinstance(identity.privateKey, KeyPair)
        options = CertificateOptions(privateKey=identity.privateKey.original, certificate=identity.original)
        self._context = options.getContext()

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        connection.set_tlsext_host_name(self._name)
        return connection


@implementer(IAgentEndpointFactory)
class _Always:
    """An Agent's endpoints, all of them one."""

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def endpointForURI(self, uri: object) -> IStreamClientEndpoint:
        return self._endpoint


class FrontProxy:
    """
    Connections to aggregated servers, with the front proxy's client certificate.
    """

    def __init__(self, reactor: Any, identity: x509.KeyPair) -> None:
        """
        @param reactor: provides C{IReactorTCP} and C{IReactorTime}.
        """
        self._reactor = reactor
        self._identity = PrivateCertificate.loadPEM(identity.certificate + identity.key)
        self._agents: dict[Backend, tuple[IAgent, HTTPConnectionPool]] = {}

    def endpoint(self, backend: Backend) -> IStreamClientEndpoint:
        """For a connection of one's own."""
        plain = HostnameEndpoint(self._reactor, backend.host, backend.port, timeout=CONNECT_SECONDS)
        return wrapClientTLS(self._options(backend), plain)

    def _options(self, backend: Backend) -> IOpenSSLClientConnectionCreator:
        if backend.ca:
            roots = trustRootFromCertificates([Certificate.loadPEM(part) for part in _certificates(backend.ca)])
            return optionsForClientTLS(backend.server_name, roots, self._identity)
        return _Unverified(backend.server_name, self._identity)

    def agent(self, backend: Backend) -> IAgent:
        """For requests, on connections that are kept."""
        if backend not in self._agents:
            pool = HTTPConnectionPool(self._reactor)
            agent = Agent.usingEndpointFactory(self._reactor, _Always(self.endpoint(backend)), pool)
            self._agents[backend] = (agent, pool)
        return self._agents[backend][0]

    async def close(self) -> None:
        """Close the connections that are kept."""
        for _, pool in list(self._agents.values()):
            await pool.closeCachedConnections()


def _certificates(bundle: bytes) -> list[bytes]:
    end = b"-----END CERTIFICATE-----"
    return [part + end for part in bundle.split(end) if b"BEGIN CERTIFICATE" in part]


def target(uri: str) -> str:
    """
    A request target as kube-aggregator passes it on: the path decoded and encoded again (so that C{%2F} becomes a
    slash), the query parsed, sorted by name and encoded again.
    """
    path, _, query = uri.partition("?")
    pairs = sorted(parse_qsl(query, keep_blank_values=True), key=lambda pair: pair[0])
    encoded = quote(unquote(path), safe=_PATH_SAFE)
    return f"{encoded}?{urlencode(pairs)}" if pairs else encoded


def identity(user: User) -> list[tuple[str, str]]:
    """The headers that say who asks."""
    found = [("X-Remote-User", user.name)]
    if user.uid:
        found.append(("X-Remote-Uid", user.uid))
    found += [("X-Remote-Group", group) for group in user.groups]
    for key, values in user.extra.items():
        found += [(f"X-Remote-Extra-{quote(key, safe='')}", value) for value in values]
    return found


def passed_on(
    headers: list[tuple[str, str]], user: User, about: Mapping[str, str], upgrade: bool
) -> list[tuple[str, str]]:
    """
    The headers of a request to an aggregated server.

    @param headers: the client's, names in lower case.
    @param about: such as X-Forwarded-For and Audit-Id.
    @param upgrade: keep what asks for an upgrade.
    """
    kept = [
        (name, value)
        for name, value in headers
        if not name.startswith(_CONSUMED) and name not in ("host", "content-length") and name not in _HOP_BY_HOP
    ]
    asked = [(name, value) for name, value in headers if name == "upgrade"] if upgrade else []
    return [*kept, *([("Connection", "Upgrade"), *asked] if upgrade else []), *identity(user), *about.items()]
