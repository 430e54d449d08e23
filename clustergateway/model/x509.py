"""
Certificates and keys as bytes: do they parse, do they belong together, until when; and making new ones.

Times are seconds since the epoch. Private keys made here are unencrypted PKCS#8 PEM.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ..errors import ConfigurationError

DAY = 86400.0
BACKDATED = 3600.0  # certificates begin in the past, for clocks that are a little slow
_LEAF = x509.BasicConstraints(ca=False, path_length=None)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A PEM certificate chain, leaf first, and the PEM private key of the leaf."""

    certificate: bytes
    key: bytes = field(repr=False)


def certificates(pem: bytes, what: str) -> tuple[x509.Certificate, ...]:
    """
    The certificates of a PEM bundle, in order. Text around them is allowed, as in most CA bundles.

    @param what: what to call the bundle in an error.
    @raise ConfigurationError: there is none, or one does not parse.
    """
    try:
        found = tuple(x509.load_pem_x509_certificates(pem))
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{what} is not a PEM certificate bundle") from None
    if not found:
        raise ConfigurationError(f"{what} holds no certificate")
    return found


def check_pair(certificate: bytes, key: bytes, certificate_name: str, key_name: str) -> None:
    """
    @param certificate_name: what to call the certificate in an error; likewise C{key_name}.
    @raise ConfigurationError: one of them does not parse, or the key is not the leaf certificate's.
    """
    leaf = certificates(certificate, certificate_name)[0]
    try:
        private = serialization.load_pem_private_key(key, password=None)
    except TypeError:
        raise ConfigurationError(
            f"{key_name} is encrypted with a passphrase; only a plain PEM key can be used"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{key_name} is not a PEM private key") from None
    try:
        belongs = _spki(leaf.public_key()) == _spki(private.public_key())
    except (ValueError, UnsupportedAlgorithm, AttributeError):
        raise ConfigurationError(f"{certificate_name} has a public key of a kind that cannot be used") from None
    if not belongs:
        raise ConfigurationError(f"{key_name} does not belong to the certificate in {certificate_name}")


def expiry(pem: bytes) -> float:
    """
    When the leaf, the first certificate of the chain, ends.

    @raise ConfigurationError: it does not parse.
    """
    return certificates(pem, "the certificate")[0].not_valid_after_utc.timestamp()


def expiry_warning(pem: bytes, what: str, now: float) -> str:
    """A sentence if the leaf is not valid at C{now}, else C{""}."""
    leaf = certificates(pem, what)[0]
    if now > leaf.not_valid_after_utc.timestamp():
        return f"{what} expired at {leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
    if now < leaf.not_valid_before_utc.timestamp():
        return f"{what} is not valid before {leaf.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}"
    return ""


def chain_warning(pem: bytes, what: str) -> str:
    """A sentence if a certificate of the chain did not issue the one before it (RFC 5246, 7.4.2), else C{""}."""
    for number, (certificate, issuer) in enumerate(pairwise(certificates(pem, what)), 2):
        if not _may_have_issued(issuer, certificate):
            if number == 2:
                return f"{what} is followed by one that did not issue it"
            return f"certificate {number} in the chain of {what} did not issue the one before it"
    return ""


def _may_have_issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, InvalidSignature):
        return False
    except (TypeError, UnsupportedAlgorithm):
        pass  # a kind of key that cannot be judged here may be known to the cluster
    return True


def new_authority(
    common_name: str, now: float, lifetime: float = 3650 * DAY, issuer: KeyPair | None = None, depth: int | None = 0
) -> KeyPair:
    """
    A certificate authority.

    @param issuer: who signs its certificate; C{None} for itself.
    @param depth: how many authorities may stand between it and a leaf, C{None} for any number.
    """
    return _issue(issuer, _name(common_name), now, lifetime, x509.BasicConstraints(ca=True, path_length=depth))


def issue_server(authority: KeyPair, names: tuple[str, ...], now: float, lifetime: float = 365 * DAY) -> KeyPair:
    """
    A serving certificate.

    @param names: host names and IP addresses it is for; the first is the common name too.
    """
    alternatives = x509.SubjectAlternativeName([_alternative(name) for name in names])
    subject = _name(names[0][:64])  # RFC 5280, ub-common-name
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
    return _issue(authority, subject, now, lifetime, _LEAF, purpose, alternatives)


def issue_client(
    authority: KeyPair, user: str, groups: tuple[str, ...], now: float, lifetime: float = 365 * DAY
) -> KeyPair:
    """A client certificate as Kubernetes reads one: the common name is the user, the organizations are the groups."""
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    return _issue(authority, _name(user, groups), now, lifetime, _LEAF, purpose)


def issued_by(certificate: bytes, authority: bytes) -> bool:
    """Did this CA certificate's key sign the leaf? False too when either does not parse."""
    try:
        leaf = certificates(certificate, "the certificate")[0]
        leaf.verify_directly_issued_by(certificates(authority, "the CA")[0])
    except Exception:  # whatever is wrong with it (many exception types), it is no proof
        return False
    return True


def server_names(pem: bytes) -> frozenset[str]:
    """The host names and IP addresses a serving certificate is for."""
    try:
        extension = certificates(pem, "the certificate")[0].extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
    except x509.ExtensionNotFound:
        return frozenset()
    names = extension.value
    addresses = (str(address) for address in names.get_values_for_type(x509.IPAddress))
    return frozenset((*names.get_values_for_type(x509.DNSName), *addresses))


def _issue(
    issuer: KeyPair | None,
    subject: x509.Name,
    now: float,
    lifetime: float,
    constraints: x509.BasicConstraints,
    *more: x509.ExtensionType,
) -> KeyPair:
    private = ec.generate_private_key(ec.SECP256R1())
    start = datetime.fromtimestamp(int(now), timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - timedelta(seconds=BACKDATED))
        .not_valid_after(start + timedelta(seconds=lifetime))
        .add_extension(constraints, critical=True)
        .add_extension(_usage(signs_certificates=constraints.ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(private.public_key()), critical=False)
    )
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    if issuer is None:
        signed = builder.issuer_name(subject).sign(private, hashes.SHA256())
    else:
        signed = _signed_by(issuer, builder)
    return KeyPair(_pem(signed), _key_pem(private))


def _signed_by(issuer: KeyPair, builder: x509.CertificateBuilder) -> x509.Certificate:
    authority = certificates(issuer.certificate, "the CA")[0]
    signer = serialization.load_pem_private_key(issuer.key, password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    # OpenSSL's strict mode (Python 3.13's default) refuses certificates without it.
    known = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    builder = builder.issuer_name(authority.subject).add_extension(known, critical=False)
    return builder.sign(signer, hashes.SHA256())


def _name(common_name: str, organizations: tuple[str, ...] = ()) -> x509.Name:
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization) for organization in organizations),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _key_pem(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.private_bytes(Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _spki(public: object) -> bytes:
    # Every public key type of cryptography has it; the union of those types does not say so.
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined, no-any-return]  # every kind has it
