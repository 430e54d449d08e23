"""What can be told about a TLS connection of the C{ssl} module."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from OpenSSL.crypto import X509
    from twisted.internet.address import IPv4Address, IPv6Address
    from twisted.internet.tcp import Connection


class TlsFacts:
    """
    Asks the TLS object, and the transport below that knows the addresses.

    @ivar tls: the TLS object.
    """

    __slots__ = ("_base", "tls")

    def __init__(self, base: Any, tls: ssl.SSLObject) -> None:
        self._base = base
        self.tls = tls

    def certificates(self) -> tuple[bytes | None, tuple[bytes, ...]]:
        """
        @return: the verified certificate of the other side in DER, C{None} if it showed none, and those it sent behind.
        """
        leaf = self.tls.getpeercert(True)
        if leaf is None:
            return None, ()
        # Public from Python 3.13 on; before that the object underneath has it, and gives certificate objects.
        raw: Any = self.tls if hasattr(self.tls, "get_unverified_chain") else cast("Any", self.tls)._sslobj
        chain = raw.get_unverified_chain() or ()
        sent = [link if isinstance(link, bytes) else ssl.PEM_cert_to_DER_cert(link.public_bytes()) for link in chain]
        return leaf, tuple(link for link in sent if link != leaf)

    @property
    def negotiated(self) -> str | None:
        return self.tls.selected_alpn_protocol()

    def getPeerCertificate(self) -> X509 | None:
        from OpenSSL.crypto import FILETYPE_ASN1, load_certificate

        leaf, _ = self.certificates()
        return None if leaf is None else load_certificate(FILETYPE_ASN1, leaf)

    def getPeer(self) -> Any:
        return self._base.getPeer()

    def getHost(self) -> Any:
        return self._base.getHost()


class TcpFacts(TlsFacts):
    """Of a TLS connection that was taken over from a TCP transport."""

    __slots__ = ()

    _base: Connection

    @property
    def socket(self) -> socket.socket:
        """As TCP transports have it."""
        return self._base.socket

    def getPeer(self) -> IPv4Address | IPv6Address:
        return cast("IPv4Address | IPv6Address", self._base.getPeer())

    def getHost(self) -> IPv4Address | IPv6Address:
        return cast("IPv4Address | IPv6Address", self._base.getHost())

    def getTcpNoDelay(self) -> bool:
        return self._base.getTcpNoDelay()

    def setTcpNoDelay(self, enabled: bool) -> None:
        self._base.setTcpNoDelay(enabled)

    def getTcpKeepAlive(self) -> bool:
        return self._base.getTcpKeepAlive()

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self._base.setTcpKeepAlive(enabled)
