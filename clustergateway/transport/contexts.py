"""TLS contexts of the stdlib, from frozen values. Private keys are given as bytes and never touch a disk."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..errors import ConfigurationError

ALPN = "http/1.1"


@dataclass(frozen=True, slots=True)
class ServerTls:
    """
    How clients are met.

    @ivar certificate: PEM chain, leaf first.
    @ivar client_ca: PEM bundle of every CA whose client certificates mean something; C{b""}: none are asked for.
    """

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes = b""


@dataclass(frozen=True, slots=True)
class ClientTls:
    """
    How an endpoint is met.

    @ivar ca: PEM bundle that its certificate must lead to; C{None}: the system's.
    @ivar insecure: its certificate is not checked at all.
    @ivar server_name: sent as SNI and looked for in its certificate; C{""}: the host that is connected to.
    @ivar certificate: PEM chain to show, C{b""} for none.
    @ivar alpn: the one application protocol that is offered.
    """

    ca: bytes | None = None
    insecure: bool = False
    server_name: str = ""
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    alpn: str = ALPN


def server_context(tls: ServerTls) -> ssl.SSLContext:
    """
    @raise ConfigurationError: certificate, key and CAs cannot be used together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _common(context)
    # A resumed session would not carry the chain that the client sent, nor see that a CA was taken away.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    _load_pair(context, tls.certificate, tls.key, "the serving certificate")
    if tls.client_ca:
        # OPTIONAL: who shows no certificate may still hold a token. Which CA it was is decided above TLS.
        context.verify_mode = ssl.CERT_OPTIONAL
        _load_ca(context, tls.client_ca, "the client CA bundle")
    return context


def client_context(tls: ClientTls) -> ssl.SSLContext:
    """
    @raise ConfigurationError: certificate, key and CAs cannot be used together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _common(context)
    context.set_alpn_protocols([tls.alpn])
    if tls.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _load_ca(context, tls.ca, "the CA bundle")
    if tls.certificate:
        _load_pair(context, tls.certificate, tls.key, "the client certificate")
    return context


def _common(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols([ALPN])
    # On purpose, whatever a Python version's default is: an intermediate may be the anchor, as in Go, and CAs without
    # an Authority Key Identifier (many clusters' own) are accepted, which VERIFY_X509_STRICT would refuse.
    context.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN


def _load_ca(context: ssl.SSLContext, pem: bytes, what: str) -> None:
    try:
        context.load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(f"{what} cannot be used: {_reason(error)}") from None


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes, what: str) -> None:
    with _path(certificate + b"\n" + key) as path:
        try:
            # An empty password: an encrypted key must not stop the process to ask for one.
            context.load_cert_chain(path, password="")
        except (ssl.SSLError, ValueError) as error:
            raise ConfigurationError(f"{what} and its key cannot be used: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return reason.replace("_", " ").lower() if isinstance(reason, str) else "not PEM"


@contextmanager
def _path(data: bytes) -> Iterator[str]:
    """A path from which C{data} can be read for a moment: memory where the system has it, else a private file."""
    if hasattr(os, "memfd_create"):
        fd = os.memfd_create("pem", os.MFD_CLOEXEC)
        try:
            os.write(fd, data)
            yield f"/proc/self/fd/{fd}"
        finally:
            os.close(fd)
        return
    fd, path = tempfile.mkstemp()  # mode 0600
    try:
        os.write(fd, data)
        os.close(fd)
        yield path
    finally:
        os.unlink(path)
