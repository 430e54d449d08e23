"""The same TLS through pyOpenSSL: for Twisted's stock TLS, and for tunnels that are no sockets."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.pyopenssl import verify_hostname, verify_ip_address
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

from ..errors import ConfigurationError
from .contexts import ClientTls, ServerTls

# X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h.
HOSTNAME_MISMATCH = 62
IP_MISMATCH = 64

_ALPN = [b"http/1.1"]


@implementer(IOpenSSLServerConnectionCreator)
class ServerConnections:
    """
    @param current: gives the context for a new connection.
    """

    def __init__(self, current: Callable[[], SSL.Context]) -> None:
        self._current = current

    def serverConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = SSL.Connection(self._current(), None)
        connection.set_accept_state()
        return connection


@implementer(IOpenSSLClientConnectionCreator)
class ClientConnection:
    """
    Makes one connection.

    @ivar verify_code: OpenSSL's X509_V_ERR_* of the check that failed, 0 for none.
    """

    def __init__(self, context: SSL.Context, tls: ClientTls, host: str) -> None:
        self._context = context
        self._tls = tls
        self._name = (tls.server_name or host).rstrip(".")
        self.verify_code = 0

    def clientConnectionForTLS(self, protocol: TLSMemoryBIOProtocol) -> SSL.Connection:
        connection = SSL.Connection(self._context, None)
        connection.set_connect_state()
        if not _is_address(self._name):
            connection.set_tlsext_host_name(self._name.encode("idna"))
        if not self._tls.insecure:
            connection.set_verify(SSL.VERIFY_PEER, self._verified)
        return connection

    def check_name(self, connection: SSL.Connection) -> bool:
        """
        @param connection: that has verified the other side's certificate.
        @return: whether it is for the server that was asked for; C{verify_code} says what is wrong.
        """
        if self._tls.insecure:
            return True
        try:
            if _is_address(self._name):
                verify_ip_address(connection, self._name)
            else:
                verify_hostname(connection, self._name)
        except (VerificationError, CertificateError):
            self.verify_code = IP_MISMATCH if _is_address(self._name) else HOSTNAME_MISMATCH
            return False
        return True

    def _verified(self, _: SSL.Connection, __: crypto.X509, code: int, depth: int, ok: int) -> bool:
        if not ok:
            self.verify_code = code
        return bool(ok)


def server_context(tls: ServerTls) -> SSL.Context:
    """
    @raise ConfigurationError: certificate, key and CAs cannot be used together.
    """
    context = _context()
    context.set_options(SSL.OP_NO_TICKET)
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    _use_pair(context, tls.certificate, tls.key, "the serving certificate")
    if tls.client_ca:
        context.set_verify(SSL.VERIFY_PEER, lambda *answer: bool(answer[4]))
        _trust(context, tls.client_ca, "the client CA bundle")

    def choose(_: SSL.Connection, offered: list[bytes]) -> Any:
        return _ALPN[0] if _ALPN[0] in offered else SSL.NO_OVERLAPPING_PROTOCOLS

    context.set_alpn_select_callback(choose)
    return context


def client_context(tls: ClientTls) -> SSL.Context:
    """
    @raise ConfigurationError: certificate, key and CAs cannot be used together.
    """
    context = _context()
    if not tls.insecure:
        if tls.ca is None:
            context.set_default_verify_paths()
        else:
            _trust(context, tls.ca, "the CA bundle")
    if tls.certificate:
        _use_pair(context, tls.certificate, tls.key, "the client certificate")
    context.set_alpn_protos([tls.alpn.encode()])
    return context


def _context() -> SSL.Context:
    context = SSL.Context(SSL.TLS_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    store = context.get_cert_store()
    assert store is not None
    # The same choice as contexts.py makes, for the same reasons.
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    return context


def _trust(context: SSL.Context, pem: bytes, what: str) -> None:
    store = context.get_cert_store()
    assert store is not None
    try:
        for certificate in x509.load_pem_x509_certificates(pem):
            store.add_cert(crypto.X509.from_cryptography(certificate))
            context.add_client_ca(crypto.X509.from_cryptography(certificate))
    except (ValueError, crypto.Error):
        raise ConfigurationError(f"{what} cannot be used: not PEM") from None


def _use_pair(context: SSL.Context, certificate: bytes, key: bytes, what: str) -> None:
    try:
        leaf, *chain = x509.load_pem_x509_certificates(certificate)
        context.use_certificate(crypto.X509.from_cryptography(leaf))
        for link in chain:
            context.add_extra_chain_cert(crypto.X509.from_cryptography(link))
        context.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_PEM, key, passphrase=b""))
        context.check_privatekey()
    except (ValueError, TypeError, SSL.Error, crypto.Error):
        raise ConfigurationError(f"{what} and its key cannot be used") from None


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
