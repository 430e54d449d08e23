"""An endpoint that is dialled directly."""

from __future__ import annotations

from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import IReactorTCP, IStreamClientEndpoint

from ..contexts import ClientTls
from ..tls import Mode, wrap_tls


def tcp_endpoint(reactor: IReactorTCP, host: str, port: int, timeout: float = 30.0) -> IStreamClientEndpoint:
    """
    @param host: a name, asked from DNS for each connection and tried over IPv6 and IPv4 (RFC 8305), or an address.
    @param timeout: seconds.
    """
    if isIPAddress(host):
        return TCP4ClientEndpoint(reactor, host, port, timeout)
    if isIPv6Address(host):
        return TCP6ClientEndpoint(reactor, host, port, timeout)
    return HostnameEndpoint(reactor, host, port, timeout)


def client_endpoint(
    reactor: IReactorTCP,
    host: str,
    port: int,
    tls: ClientTls,
    mode: Mode = "merged",
    timeout: float = 30.0,
    high_water: int = 65536,
) -> IStreamClientEndpoint:
    """TLS to a host that is dialled directly, see L{tcp_endpoint} and L{wrap_tls}."""
    return wrap_tls(tcp_endpoint(reactor, host, port, timeout), host, tls, mode, high_water)
