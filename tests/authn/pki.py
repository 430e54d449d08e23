"""Certificates of every odd kind that real clusters have, made in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

NOW = 1_700_000_000.0
YEAR = 365 * 86400.0
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
SERVER = ExtendedKeyUsageOID.SERVER_AUTH


@dataclass(frozen=True)
class Issued:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


def issue(
    subject: Sequence[tuple[ObjectIdentifier, str]],
    issuer: Issued | None = None,
    *,
    ca: bool | None = None,
    path_length: int | None = None,
    usage: Sequence[ObjectIdentifier] | None = None,
    start: float = NOW - 3600,
    end: float = NOW + YEAR,
    names: Sequence[x509.GeneralName] = (),
    permitted: Sequence[x509.GeneralName] = (),
) -> Issued:
    """A certificate with exactly these extensions; no key identifiers, no key usage."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject_name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject_name)
        .issuer_name(issuer.certificate.subject if issuer else subject_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.fromtimestamp(start, timezone.utc))
        .not_valid_after(datetime.fromtimestamp(end, timezone.utc))
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(usage)), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
    if permitted:
        builder = builder.add_extension(x509.NameConstraints(list(permitted), None), critical=True)
    return Issued(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def authority(name: str, issuer: Issued | None = None, **options: object) -> Issued:
    """A certificate authority with basic constraints and nothing else."""
    return issue([(NameOID.COMMON_NAME, name)], issuer, ca=True, **options)  # type: ignore[arg-type]


def client(
    issuer: Issued, user: str = "jane", groups: Sequence[str] = (), usage: Sequence[ObjectIdentifier] | None = (CLIENT,)
) -> Issued:
    """A client certificate as kubeadm and the CSR signers make them: CN and O, no SAN."""
    subject = [(NameOID.ORGANIZATION_NAME, group) for group in groups] + [(NameOID.COMMON_NAME, user)]
    return issue(subject, issuer, usage=usage)
