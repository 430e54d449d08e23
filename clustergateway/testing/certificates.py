"""Certificate authorities and certificates for tests and sandboxes. Elliptic keys: made in a millisecond."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LONG_AGO = datetime(2020, 1, 1, tzinfo=timezone.utc)
FAR_AHEAD = datetime(2120, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Pair:
    """
    A certificate and its key.

    @ivar certificate: PEM, leaf first, any intermediates behind it.
    """

    certificate: bytes
    key: bytes = field(repr=False)

    @property
    def der(self) -> bytes:
        """The leaf in DER."""
        return x509.load_pem_x509_certificate(self.certificate).public_bytes(Encoding.DER)


class Authority:
    """
    A certificate authority.

    @ivar certificate: its own, in PEM; C{der} is the same in DER.
    @ivar intermediates: what a certificate from it has to be followed by, PEM.
    """

    def __init__(self, name: str, issuer: Authority | None = None) -> None:
        """
        @param issuer: who signs its certificate; C{None} for itself.
        """
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        signer = self if issuer is None else issuer
        certificate = (
            _builder(self._name, signer._name, self._key.public_key(), (LONG_AGO, FAR_AHEAD))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_usage(ca=True), critical=True)
            .sign(signer._key, SHA256())
        )
        self.certificate = certificate.public_bytes(Encoding.PEM)
        self.der = certificate.public_bytes(Encoding.DER)
        self.intermediates: bytes = b"" if issuer is None else self.certificate + issuer.intermediates

    def server(self, *names: str, valid: tuple[datetime, datetime] = (LONG_AGO, FAR_AHEAD)) -> Pair:
        """
        @param names: host names and IP addresses, the first of which is also its common name.
        """
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        return self._issue(_name(names[0]), ExtendedKeyUsageOID.SERVER_AUTH, valid, alternatives)

    def client(
        self, user: str, groups: Sequence[str] = (), valid: tuple[datetime, datetime] = (LONG_AGO, FAR_AHEAD)
    ) -> Pair:
        """A user as Kubernetes reads one: common name and organizations."""
        return self._issue(_name(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH, valid, None)

    def _issue(
        self,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        valid: tuple[datetime, datetime],
        alternatives: x509.SubjectAlternativeName | None,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(subject, self._name, key.public_key(), valid)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        certificate = builder.sign(self._key, SHA256())
        return Pair(
            certificate.public_bytes(Encoding.PEM) + self.intermediates,
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, valid: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=not ca,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common: str, organizations: Sequence[str] = ()) -> x509.Name:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in organizations]
    return x509.Name([*parts, x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
