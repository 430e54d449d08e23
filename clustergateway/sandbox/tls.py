"""The serving side of TLS, as kube-apiserver does it."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet.ssl import CertificateOptions, KeyPair, PrivateCertificate

from ..model import x509


def server_options(pair: x509.KeyPair) -> CertificateOptions:
    """
    Ask for a client certificate but complete the handshake whatever comes: who it names, and whether it is good, is
    decided for each request, so that a bad one is answered with 401 rather than with a closed connection.

    @param pair: the serving certificate.
    """
    certificate = PrivateCertificate.loadPEM(pair.certificate + pair.key)
    assert isinstance(certificate.privateKey, KeyPair)
    options = CertificateOptions(privateKey=certificate.privateKey.original, certificate=certificate.original)
    context = options.getContext()
    context.set_verify(SSL.VERIFY_PEER, lambda *_: True)
    # Without an id of its own a context refuses to resume the session of a client that has a certificate.
    context.set_session_id(b"sandbox")
    return options
