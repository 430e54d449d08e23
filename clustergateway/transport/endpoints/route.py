"""From an endpoint's configuration to the route that leads there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from secrets import randbits
from typing import Any, Literal

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import (
    IProtocol,
    IProtocolFactory,
    IReactorPluggableNameResolver,
    IStreamClientEndpoint,
)
from zope.interface import implementer

from ...errors import ConfigurationError, CredentialUnavailable, GatewayError
from ...model.connectproxy import Connect, KonnectivityConnect
from ...model.gateway import Endpoint
from ...model.preamble import authority
from ...model.proxyurl import ProxyAddress, parse_proxy_url
from ...model.socks5 import Socks5
from ..contexts import ClientTls
from ..files import Signature, cause, read_file, signature
from ..tls import Mode, wrap_tls
from .addresses import Addresses
from .connecttunnels import ConnectTunnels
from .direct import tcp_endpoint
from .failover import FailoverEndpoint
from .konnectivity import Konnectivity, KonnectivityLimits, Server
from .preamble import PreambleEndpoint

ProxyMode = Literal["grpc", "http-connect"]


@dataclass(frozen=True, slots=True)
class RouteConfig:
    """
    @ivar proxy_servers: konnectivity proxy-servers, names and ports, in order of preference.
    @ivar proxy_ca: paths of PEM files: whose certificates the proxy-servers have, and what is shown to them. Read again
        whenever they change.
    @ivar connect_timeout: until the far end is connected, TLS to it not included, seconds.
    @ivar tunnels: most konnectivity tunnels at a time.
    """

    proxy_servers: tuple[tuple[str, int], ...] = ()
    proxy_mode: ProxyMode = "grpc"
    proxy_ca: str = ""
    proxy_cert: str = ""
    proxy_key: str = ""
    connect_timeout: float = 10.0
    tunnels: int = 10000
    tls_mode: Mode = "merged"


def label(endpoint: Endpoint) -> str:
    """What to call an endpoint in records and logs: where it is and how it is reached, without any credential."""
    target = authority(endpoint.host, endpoint.port)
    if endpoint.via_cluster_proxy:
        return f"{target} via konnectivity"
    if endpoint.proxy_url:
        try:
            proxy = parse_proxy_url(endpoint.proxy_url)
        except ConfigurationError:
            return f"{target} via an unusable proxy-url"
        return f"{target} via {proxy.scheme} proxy {authority(proxy.host, proxy.port)}"
    return target


class Routes:
    """
    Makes routes; those through konnectivity share its connections.

    @ivar konnectivity: those in gRPC mode, C{None} when there are no proxy-servers or they are in the other mode.
    @ivar tunnels: counts the tunnels in either mode, C{None} when there are no proxy-servers.
    """

    def __init__(self, reactor: Any, config: RouteConfig) -> None:
        """
        @param reactor: L{IReactorTCP}, L{IReactorTime} and L{IReactorPluggableNameResolver}.
        """
        self._reactor = reactor
        self._config = config
        self._files = ClientFiles(config.proxy_ca, config.proxy_cert, config.proxy_key)
        self.konnectivity: Konnectivity | None = None
        if config.proxy_servers and config.proxy_mode == "grpc":
            resolver = IReactorPluggableNameResolver(reactor).nameResolver
            self.konnectivity = Konnectivity(
                reactor,
                config.proxy_servers,
                Addresses(reactor, resolver),
                self._proxy_server,
                partial(randbits, 63),
                KonnectivityLimits(config.tunnels, config.connect_timeout),
            )
        self._by_connect = ConnectTunnels(config.tunnels)
        self.tunnels: Konnectivity | ConnectTunnels | None = None
        if config.proxy_servers:
            self.tunnels = self.konnectivity or self._by_connect

    def route(self, endpoint: Endpoint) -> IStreamClientEndpoint:
        """
        @return: connects to the endpoint's host and port; plain bytes, TLS goes on top.
        @raise ConfigurationError: its proxy-url is not one, or there is no konnectivity here.
        """
        if endpoint.via_cluster_proxy:
            return self._through_konnectivity(endpoint.host, endpoint.port)
        if endpoint.proxy_url:
            return self._through_proxy(endpoint, parse_proxy_url(endpoint.proxy_url))
        return tcp_endpoint(self._reactor, endpoint.host, endpoint.port, self._config.connect_timeout)

    def close(self) -> None:
        """No new tunnels; those that are open go on until they end."""
        if self.konnectivity is not None:
            self.konnectivity.close()

    def _through_proxy(self, endpoint: Endpoint, proxy: ProxyAddress) -> IStreamClientEndpoint:
        timeout = self._config.connect_timeout
        way = tcp_endpoint(self._reactor, proxy.host, proxy.port, timeout)
        host, port = endpoint.host, endpoint.port
        name = f"{proxy.scheme} proxy {authority(proxy.host, proxy.port)}"
        if proxy.scheme == "socks5":
            negotiate = partial(Socks5, host, port, proxy.user, proxy.password)
            return PreambleEndpoint(self._reactor, way, name, negotiate, timeout)
        if proxy.scheme == "https":
            # The endpoint's CA is the proxy's too, as in client-go. The proxy sees a password, so "insecure" is not.
            way = wrap_tls(way, proxy.host, ClientTls(ca=endpoint.ca), self._config.tls_mode)
        return PreambleEndpoint(self._reactor, way, name, partial(Connect, host, port, proxy.basic), timeout)

    def _through_konnectivity(self, host: str, port: int) -> IStreamClientEndpoint:
        if self.konnectivity is not None:
            return self.konnectivity.endpoint(host, port)
        if not self._config.proxy_servers:
            raise ConfigurationError("the endpoint is behind a cluster proxy, but no --proxy-host is set", hop="tunnel")
        ways = []
        for name, server_port in self._config.proxy_servers:
            server = authority(name, server_port)
            way = self._mutual_tls(name, tcp_endpoint(self._reactor, name, server_port, self._config.connect_timeout))
            tunnel = PreambleEndpoint(
                self._reactor,
                way,
                f"konnectivity proxy-server {server}",
                partial(KonnectivityConnect, host, port),
                self._config.connect_timeout,
                self._by_connect,
            )
            ways.append((server, tunnel))
        return self._by_connect.limited(ways[0][1] if len(ways) == 1 else FailoverEndpoint(self._reactor, ways))

    def _proxy_server(self, server: Server) -> IStreamClientEndpoint:
        plain = tcp_endpoint(self._reactor, server.address, server.port, self._config.connect_timeout)
        return self._mutual_tls(server.name, plain, "h2")

    def _mutual_tls(self, name: str, plain: IStreamClientEndpoint, alpn: str = "http/1.1") -> IStreamClientEndpoint:
        return RotatedTls(plain, name, self._files, self._config.tls_mode, alpn)


class ClientFiles:
    """A CA bundle and a client certificate in files that somebody rotates."""

    def __init__(self, ca: str, certificate: str, key: str) -> None:
        self._paths = (ca, certificate, key)
        self._seen: tuple[Signature | None, ...] = ()
        self._tls = ClientTls()

    def tls(self) -> ClientTls:
        """
        What the files hold now.

        @raise CredentialUnavailable: one of them cannot be read.
        """
        seen = tuple(signature(path) for path in self._paths)
        if seen != self._seen:
            ca, certificate, key = (self._read(path) for path in self._paths)
            self._tls = ClientTls(ca=ca or None, certificate=certificate, key=key)
            self._seen = seen
        return self._tls

    @staticmethod
    def _read(path: str) -> bytes:
        if not path:
            return b""
        try:
            return read_file(path)
        except (OSError, ConfigurationError) as error:
            raise CredentialUnavailable(f"{path} cannot be used: {cause(error)}", hop="proxy") from None


@implementer(IStreamClientEndpoint)
class RotatedTls:
    """TLS with what the files hold at the time of each connection."""

    def __init__(self, plain: IStreamClientEndpoint, host: str, files: ClientFiles, mode: Mode, alpn: str) -> None:
        self._plain = plain
        self._host = host
        self._files = files
        self._mode = mode
        self._alpn = alpn
        self._tls: ClientTls | None = None
        self._wrapped = plain

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        @return: fires with the factory's protocol when the handshake is over.
        """
        try:
            tls = self._files.tls()
        except GatewayError as error:
            return fail(error)
        if tls is not self._tls:
            self._tls = tls
            named = ClientTls(tls.ca, tls.insecure, tls.server_name, tls.certificate, tls.key, self._alpn)
            self._wrapped = wrap_tls(self._plain, self._host, named, self._mode)
        connecting: Deferred[IProtocol] = self._wrapped.connect(factory)
        return connecting
