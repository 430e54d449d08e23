"""
TLS on both sides of the data path, either merged into the TCP transport (fast) or as Twisted ships it. Everything here
takes the choice as its C{mode}; what is above cannot tell the difference.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any, Literal, cast

from OpenSSL import SSL, crypto
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IHandshakeListener,
    IListeningPort,
    IProtocol,
    IProtocolFactory,
    IReactorTCP,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import Factory, Protocol, ServerFactory, connectionDone
from twisted.internet.tcp import Connection, Port
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from ..errors import ConfigurationError, UpstreamTlsFailed
from . import contexts, tlsstock
from .contexts import ClientTls, ServerTls
from .failures import alert_reason, certificate_reason, tls_reason
from .tlsfacts import TlsFacts
from .tlslayer import TlsLayer
from .tlstransport import TlsTransport

Mode = Literal["merged", "twisted"]

_BACKLOG = 1024
# Seconds of silence before the system asks whether the other side is still there, between questions, and how many.
_KEEPALIVE = (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))


def certificates(transport: object) -> tuple[bytes | None, tuple[bytes, ...]]:
    """
    @param transport: of a protocol behind either kind of TLS, or any other.
    @return: the client certificate that TLS verified, in DER, C{None} for none; and those sent behind it.
    """
    if isinstance(transport, TlsFacts):
        return transport.certificates()
    if not isinstance(transport, TLSMemoryBIOProtocol):
        return None, ()
    connection = cast("SSL.Connection", transport.getHandle())
    leaf = connection.get_peer_certificate()
    if leaf is None:
        return None, ()
    sent = [_der(link) for link in connection.get_peer_cert_chain() or ()]
    return _der(leaf), tuple(link for link in sent if link != _der(leaf))


def is_tls(transport: object) -> bool:
    """Whether this is a TLS transport, whose handshake may not be over yet."""
    return isinstance(transport, (TlsFacts, TLSMemoryBIOProtocol))


def can_half_close(transport: object) -> bool:
    """Whether a transport can say that no more comes, and still be read. Stock TLS cannot."""
    return not isinstance(transport, TLSMemoryBIOProtocol) and hasattr(transport, "loseWriteConnection")


def hang_up(transport: Any) -> None:
    """
    Close a connection of which nothing more is wanted. Twisted's TLS would wait for the other side's close_notify,
    which may never come.
    """
    if isinstance(transport, TLSMemoryBIOProtocol):
        transport.abortConnection()
    else:
        transport.loseConnection()


def is_broken(transport: Any) -> bool:
    """Whether the connection failed unnoticed: nobody is told of a reset on a socket that is not being read."""
    tcp = transport.transport if isinstance(transport, TLSMemoryBIOProtocol) else transport
    sock = getattr(tcp, "socket", None)
    return sock is not None and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


def _der(certificate: crypto.X509) -> bytes:
    return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)


# Serving.


class ServerContexts:
    """
    The context for the next connection. When the source gives something else than before, a new one is made; when that
    cannot be used, the old one stays and the log says why.

    @param source: asked for each connection, so it has to be quick.
    """

    _log = Logger()

    def __init__(self, source: Callable[[], ServerTls], mode: Mode) -> None:
        """
        @raise ConfigurationError: what the source gives now cannot be used.
        """
        self._source = source
        self._make: Callable[[ServerTls], Any] = (
            contexts.server_context if mode == "merged" else tlsstock.server_context
        )
        self._tls = source()
        self._context: Any = self._make(self._tls)

    def current(self) -> Any:
        """An L{ssl.SSLContext}, or an L{SSL.Context} in twisted mode."""
        try:
            tls = self._source()
            if tls is not self._tls and tls != self._tls:
                self._tls = tls
                self._context = self._make(tls)
        except ConfigurationError as error:
            self._log.error("serving with the old certificate: {error}", error=error.message)
        return self._context


def listen(
    reactor: IReactorTCP,
    port: int,
    interface: str,
    factory: IProtocolFactory,
    tls: Callable[[], ServerTls],
    mode: Mode = "merged",
    high_water: int = 65536,
) -> IListeningPort:
    """
    Accept TLS connections.

    @param factory: builds the protocol of each connection; may give C{None} to refuse it.
    @param tls: asked for each connection, see L{ServerContexts}; a constant is C{lambda: value}.
    @param high_water: bytes that may wait to be sent before a connection's producer is paused.
    @raise ConfigurationError: the certificate cannot be used.
    @raise CannotListenError: the address cannot be listened on.
    """
    current = ServerContexts(tls, mode).current
    wrapped: IProtocolFactory = (
        _MergedFactory(factory, current, high_water) if mode == "merged" else _StockFactory(factory, current)
    )
    listening = reactor.listenTCP(port, cast("Any", wrapped), _BACKLOG, interface)
    if isinstance(listening, Port):
        keep_alive(listening.socket)
    return listening


def keep_alive(sock: socket.socket) -> None:
    """
    No delay; and a dead peer is noticed after a minute of silence, so that no watch hangs on a connection whose other
    end is gone. Accepted sockets inherit both (Linux).
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, setting in _KEEPALIVE:
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), setting)


class _MergedFactory(ServerFactory):
    noisy = False

    def __init__(self, inner: IProtocolFactory, current: Callable[[], ssl.SSLContext], high_water: int) -> None:
        self._inner = inner
        self._current = current
        self._high_water = high_water

    def doStart(self) -> None:
        self._inner.doStart()

    def doStop(self) -> None:
        self._inner.doStop()

    def buildProtocol(self, addr: IAddress | None) -> Protocol | None:
        protocol = self._inner.buildProtocol(cast("IAddress", addr))
        return None if protocol is None else _Accepted(protocol, self._current(), self._high_water)


class _Accepted(Protocol):
    """Replaced by the real protocol as soon as there is a connection to take over."""

    def __init__(self, protocol: IProtocol, context: ssl.SSLContext, high_water: int) -> None:
        self._protocol = protocol
        self._context = context
        self._high_water = high_water

    def makeConnection(self, transport: ITransport) -> None:
        assert isinstance(transport, Connection)
        bios = (ssl.MemoryBIO(), ssl.MemoryBIO())
        tls = self._context.wrap_bio(*bios, server_side=True)
        merged = TlsTransport(transport, tls, bios, self._protocol, high_water=self._high_water)
        self._protocol.makeConnection(merged)
        merged.begin()


class _StockFactory(TLSMemoryBIOFactory):
    noisy = False

    def __init__(self, inner: IProtocolFactory, current: Callable[[], SSL.Context]) -> None:
        super().__init__(tlsstock.ServerConnections(current), False, inner)

    def buildProtocol(self, addr: IAddress | None) -> TLSMemoryBIOProtocol | None:  # type: ignore[override]
        inner = self.wrappedFactory.buildProtocol(addr)
        return None if inner is None else self.protocol(self, inner)


# Connecting.


def wrap_tls(
    plain: IStreamClientEndpoint, host: str, tls: ClientTls, mode: Mode = "merged", high_water: int = 65536
) -> IStreamClientEndpoint:
    """
    @param plain: connects to the other side; its transports are taken over if they are plain TCP, else TLS is a layer
        on them.
    @param host: whose certificate is expected unless C{tls} names another.
    @return: an endpoint whose protocols are connected when the handshake is over. Its Deferred fails with
        L{UpstreamTlsFailed} when the handshake does.
    """
    return TlsEndpoint(plain, host, tls, mode, high_water)


@implementer(IStreamClientEndpoint)
class TlsEndpoint:
    """See L{wrap_tls}. Its contexts are made once, when they are first needed; its TLS sessions are resumed."""

    def __init__(self, plain: IStreamClientEndpoint, host: str, tls: ClientTls, mode: Mode, high_water: int) -> None:
        self._plain = plain
        self._host = host
        self._tls = tls
        self._mode = mode
        self._high_water = high_water
        self._merged: ssl.SSLContext | None = None
        self._stock: SSL.Context | None = None
        self._latest: ssl.SSLObject | None = None

    def __repr__(self) -> str:
        return f"{self._plain!r} with TLS"

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        factory = Factory.forProtocol(lambda: _Starting(self, protocolFactory))
        factory.noisy = False
        started = cast("Deferred[_Starting]", self._plain.connect(factory))
        return started.addCallback(_ready)

    @property
    def stock(self) -> bool:
        """Whether it is Twisted's."""
        return self._mode == "twisted"

    def secure(
        self, transport: ITransport, protocol: IProtocol, on_ready: Callable[[ssl.SSLError | None], None]
    ) -> TlsTransport | TlsLayer:
        """Take over a connected transport, or put TLS on it, and get ready for the handshake."""
        if self._merged is None:
            self._merged = contexts.client_context(self._tls)
        bios = (ssl.MemoryBIO(), ssl.MemoryBIO())
        name = (self._tls.server_name or self._host).rstrip(".")
        session = None if self._latest is None else self._latest.session
        tls = self._merged.wrap_bio(*bios, server_hostname=name, session=session)
        if isinstance(transport, Connection) and not transport.TLS:
            return TlsTransport(transport, tls, bios, protocol, high_water=self._high_water, on_ready=on_ready)
        return TlsLayer(transport, tls, bios, protocol, on_ready)

    def established(self, transport: TlsFacts) -> None:
        """A handshake succeeded: the next can resume its session."""
        self._latest = transport.tls

    def connection(self) -> tlsstock.ClientConnection:
        """One connection of stock TLS."""
        if self._stock is None:
            self._stock = tlsstock.client_context(self._tls)
        return tlsstock.ClientConnection(self._stock, self._tls, self._host)


class _Starting(Protocol):
    """
    On the plain connection until TLS is up; for good when TLS is a layer of its own.

    @ivar ready: fires with the real protocol, connected.
    """

    def __init__(self, endpoint: TlsEndpoint, factory: IProtocolFactory) -> None:
        self._endpoint = endpoint
        self._factory = factory
        self._layer: TLSMemoryBIOProtocol | TlsLayer | None = None
        self.ready: Deferred[IProtocol] = Deferred(self._cancel)

    def makeConnection(self, transport: ITransport) -> None:
        self.transport = transport
        if isinstance(transport, Connection):
            keep_alive(transport.socket)
        protocol = self._factory.buildProtocol(transport.getPeer())
        assert protocol is not None
        try:
            if self._endpoint.stock:
                self._put_on(transport, protocol)
            else:
                self._secure(transport, protocol)
        except ConfigurationError as error:
            self.ready.errback(Failure(UpstreamTlsFailed(error.message, hop="tls")))
            cast("Any", transport).abortConnection()

    def _secure(self, transport: ITransport, protocol: IProtocol) -> None:
        def over(error: ssl.SSLError | None) -> None:
            if error is None:
                self._endpoint.established(secured)
                protocol.makeConnection(secured)
                self.succeed(protocol)
            else:
                self.fail(tls_reason(error))

        secured = self._endpoint.secure(transport, protocol, over)
        self.transport = secured
        if isinstance(secured, TlsLayer):
            self._layer = secured
        secured.begin()

    def _put_on(self, transport: ITransport, protocol: IProtocol) -> None:
        connection = self._endpoint.connection()
        waiting = Factory.forProtocol(lambda: _Handshake(connection, protocol, self))
        layer: TLSMemoryBIOProtocol = TLSMemoryBIOFactory(connection, True, waiting).buildProtocol(None)
        self.transport = self._layer = layer
        layer.makeConnection(transport)

    def dataReceived(self, data: bytes) -> None:
        if self._layer is not None:
            self._layer.dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._layer is not None:
            self._layer.connectionLost(reason)

    def succeed(self, protocol: IProtocol) -> None:
        if not self.ready.called:
            self.ready.callback(protocol)

    def fail(self, why: str) -> None:
        """The handshake did not succeed."""
        if not self.ready.called:
            self.ready.errback(Failure(UpstreamTlsFailed(why, hop="tls")))

    def _cancel(self, _: Deferred[IProtocol]) -> None:
        cast("Any", self.transport).abortConnection()


def _ready(starting: _Starting) -> Deferred[IProtocol]:
    return starting.ready


@implementer(IHandshakeListener)
class _Handshake(Protocol):
    """Inside stock TLS until its handshake is over."""

    def __init__(self, connection: tlsstock.ClientConnection, protocol: IProtocol, starting: _Starting) -> None:
        self._connection = connection
        self._protocol = protocol
        self._starting = starting

    def handshakeCompleted(self) -> None:
        layer = cast("TLSMemoryBIOProtocol", self.transport)
        if not self._connection.check_name(layer.getHandle()):
            self._starting.fail(certificate_reason(self._connection.verify_code))
            layer.abortConnection()
            return
        layer.wrappedProtocol = self._protocol
        self._protocol.makeConnection(layer)
        self._starting.succeed(self._protocol)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._connection.verify_code:
            self._starting.fail(certificate_reason(self._connection.verify_code))
        elif isinstance(reason.value, SSL.Error):
            errors = reason.value.args[0] if reason.value.args else ()
            self._starting.fail(alert_reason(errors[-1][2] if errors else ""))
        else:
            self._starting.fail("the endpoint closed the connection during the handshake")
