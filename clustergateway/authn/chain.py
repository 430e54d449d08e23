"""Which certificate authority a client certificate leads to: decided here, above TLS, one bundle at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.hashes import MD5, SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import crypto

from ..errors import ConfigurationError, Unauthenticated

_DER = Encoding.DER
E = TypeVar("E", bound=x509.ExtensionType)

_USABLE = {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}

_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    crypto.Error,
)


@dataclass(frozen=True, slots=True)
class Chain:
    """
    What is left of a client certificate whose chain holds.

    @ivar until: seconds since the epoch; when the first certificate of the chain expires.
    """

    subject: x509.Name
    until: float


class ClientCA:
    """
    A bundle of certificate authorities that client certificates are checked against.

    What is accepted is what Go's C{Certificate.Verify} accepts with C{KeyUsages: ClientAuth}, as kube-apiserver calls
    it: no subjectAltName, subjectKeyIdentifier or authorityKeyIdentifier needed (RFC 5280 wants them, many clusters'
    CAs lack them), every certificate of the bundle is an anchor by itself, SHA-1 and MD5 signatures are not.
    """

    def __init__(self, bundle: bytes) -> None:
        """
        @param bundle: PEM.
        @raise ConfigurationError: it holds no certificate, or one that cannot be read.
        """
        try:
            anchors = x509.load_pem_x509_certificates(bundle)
        except ValueError as error:
            raise ConfigurationError(f"The CA bundle cannot be read: {error}.") from None
        self._anchors = {anchor.public_bytes(_DER) for anchor in anchors}
        self._openssl = [crypto.X509.from_cryptography(anchor) for anchor in anchors]

    def verify(self, leaf: bytes, chain: Sequence[bytes], now: float) -> Chain:
        """
        @param leaf: the client's certificate, DER.
        @param chain: what the client sent behind it, DER, in any order.
        @param now: seconds since the epoch.
        @raise Unauthenticated: it does not lead to this bundle, or may not be used this way; the message says why.
        """
        try:
            certificate = x509.load_der_x509_certificate(leaf)
            between = [x509.load_der_x509_certificate(each) for each in chain]
            path = self._path(certificate, between, now)
            self._check_usage(path)
            return Chain(certificate.subject, min(each.not_valid_after_utc.timestamp() for each in path))
        except _UNREADABLE:
            raise Unauthenticated("The client certificate cannot be read.") from None

    def _path(self, leaf: x509.Certificate, between: list[x509.Certificate], now: float) -> list[x509.Certificate]:
        """OpenSSL's part: names, signatures, times, basic constraints, path length, name constraints."""
        store = crypto.X509Store()
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        store.set_time(datetime.fromtimestamp(now, timezone.utc))
        for anchor in self._openssl:
            store.add_cert(anchor)
        context = crypto.X509StoreContext(
            store,
            crypto.X509.from_cryptography(leaf),
            [crypto.X509.from_cryptography(each) for each in between],
        )
        try:
            return [each.to_cryptography() for each in context.get_verified_chain()]
        except crypto.X509StoreContextError as error:
            raise Unauthenticated(f"The client certificate is not accepted: {error}.") from None

    def _check_usage(self, path: list[x509.Certificate]) -> None:
        """Our part: what OpenSSL asks only for a purpose, or only in its strict mode, and Go always."""
        for depth, each in enumerate(path):
            usages = _extension(each, x509.ExtendedKeyUsage)
            if usages is not None and _USABLE.isdisjoint(usages):
                raise Unauthenticated("The client certificate is not meant for client authentication.")
            # An anchor's own signature proves nothing, and nobody checks it.
            signed = each.public_bytes(_DER) not in self._anchors
            if signed and isinstance(each.signature_hash_algorithm, (MD5, SHA1)):
                raise Unauthenticated("The client certificate's chain is signed with SHA-1 or MD5.")
            if depth and each.version is x509.Version.v3:
                basic = _extension(each, x509.BasicConstraints)
                if basic is None or not basic.ca:
                    raise Unauthenticated("The client certificate is signed by one that is no authority.")


def _extension(certificate: x509.Certificate, kind: type[E]) -> E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
