"""
The signer's CA and the gateway's serving certificate, as their Secrets hold them. Pure; times are seconds since the
epoch.

A new CA is made well before the old one ends, and both are trusted until then: whoever trusts the bundle verifies a
serving certificate of either.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..errors import ConfigurationError
from .x509 import (
    DAY,
    KeyPair,
    certificates,
    check_pair,
    expiry,
    issue_server,
    issued_by,
    new_authority,
    server_names,
)

SIGNER_SECRET = "cluster-gateway-signer"
SERVING_SECRET = "cluster-gateway-tls-cert"
AUTHORITY_LIFETIME = 1825 * DAY
SERVING_LIFETIME = 180 * DAY
ROTATED_AFTER = 0.8
"""Of a certificate's life."""


@dataclass(frozen=True, slots=True)
class Signer:
    """
    @ivar pair: the CA that signs; one certificate.
    @ivar bundle: PEM of every CA that is to be trusted, the signing one first.
    """

    pair: KeyPair
    bundle: bytes


def signer(secret: Mapping[str, Any] | None, now: float) -> tuple[Signer, bool]:
    """
    @param secret: C{ca.crt}, the bundle, and C{ca.key}, the key of its first certificate; C{None} for none yet.
    @return: the signer to use, and whether the Secret has to be written: it was missing, unusable, or is due.
    """
    data = secret_data(secret)
    try:
        bundle = certificates(data.get("ca.crt", b""), "ca.crt")
    except ConfigurationError:
        bundle = ()
    alive = [each for each in bundle if each.not_valid_after_utc.timestamp() > now]
    pems = [_pem(each) for each in alive]
    first, key = (_pem(bundle[0]) if bundle else b""), data.get("ca.key", b"")
    if first in pems and _usable(first, key) and now < rotation_due(first):
        return Signer(KeyPair(first, key), b"".join(pems)), len(alive) != len(bundle)
    pair = new_authority(SIGNER_SECRET, now, AUTHORITY_LIFETIME)
    return Signer(pair, b"".join([pair.certificate, *pems])), True


def serving(
    secret: Mapping[str, Any] | None, authority: Signer, names: tuple[str, ...], now: float
) -> tuple[KeyPair, bool]:
    """
    @param secret: a C{kubernetes.io/tls} Secret, C{None} for none yet.
    @return: the pair to use, and whether the Secret has to be written.
    """
    data = secret_data(secret)
    pair = KeyPair(data.get("tls.crt", b""), data.get("tls.key", b""))
    good = (
        _usable(pair.certificate, pair.key)
        and issued_by(pair.certificate, authority.pair.certificate)
        and server_names(pair.certificate) == frozenset(names)
        and now < rotation_due(pair.certificate)
    )
    if good:
        return pair, data.get("ca.crt") != authority.bundle
    return issue_server(authority.pair, names, now, SERVING_LIFETIME), True


def signer_data(authority: Signer) -> dict[str, str]:
    """C{data} of the signer's Secret."""
    return _encoded({"ca.crt": authority.bundle, "ca.key": authority.pair.key})


def serving_data(pair: KeyPair, authority: Signer) -> dict[str, str]:
    """C{data} of the serving certificate's Secret."""
    return _encoded({"ca.crt": authority.bundle, "tls.crt": pair.certificate, "tls.key": pair.key})


def rotation_due(certificate: bytes) -> float:
    """
    When a certificate is to be replaced.

    @raise ConfigurationError: it does not parse.
    """
    begins = certificates(certificate, "the certificate")[0].not_valid_before_utc.timestamp()
    return begins + ROTATED_AFTER * (expiry(certificate) - begins)


def next_look(authority: Signer, pair: KeyPair, now: float) -> float:
    """Seconds until one of them is due, or a CA of the bundle ends; at least 1."""
    ends = [each.not_valid_after_utc.timestamp() for each in certificates(authority.bundle, "the bundle")]
    return max(1.0, min(rotation_due(authority.pair.certificate), rotation_due(pair.certificate), *ends) - now)


def secret_data(secret: Mapping[str, Any] | None) -> dict[str, bytes]:
    """What a Secret holds, decoded; what cannot be decoded is left out."""
    data = (secret or {}).get("data")
    decoded = {key: _decoded(value) for key, value in data.items()} if isinstance(data, Mapping) else {}
    return {key: value for key, value in decoded.items() if value is not None}


def _decoded(value: object) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else None
    except (binascii.Error, ValueError):
        return None


def _encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode("ascii") for key, value in data.items()}


def _usable(certificate: bytes, key: bytes) -> bool:
    try:
        check_pair(certificate, key, "the certificate", "the key")
    except ConfigurationError:
        return False
    return True


def _pem(certificate: x509.Certificate) -> bytes:

    return certificate.public_bytes(Encoding.PEM)
