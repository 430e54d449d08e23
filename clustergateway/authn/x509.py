"""Who a client certificate is: common name = user, organizations = groups."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier
from twisted.internet.interfaces import IReactorTime

from ..errors import Unauthenticated
from ..model.expiring import ExpiringCache
from ..model.identity import Claims, Identity
from .chain import ClientCA
from .groups import authenticated

# Kubernetes' own subject attribute for the uid (KEP-4828, AllowParsingUserUIDFromCertAuth).
UID = ObjectIdentifier("1.3.6.1.4.1.57683.2")

REFUSAL_LIFE = 10.0


class X509Authenticator:
    """
    Knows clients by the certificate of their TLS connection.

    A certificate is verified once and remembered until the first of its chain expires; a refused one for
    L{REFUSAL_LIFE} seconds.
    """

    def __init__(self, clock: IReactorTime, bundle: bytes | None = None, cache_size: int = 10_000) -> None:
        """
        @param clock: its seconds are those since the epoch, as a reactor's are.
        @param bundle: PEM authorities of client certificates; C{None}: none are, and all certificates are ignored.
        @raise ConfigurationError: the bundle cannot be read.
        """
        self._clock = clock
        self._cache: ExpiringCache[bytes, Identity | Unauthenticated] = ExpiringCache(cache_size)
        self._ca = None if bundle is None else ClientCA(bundle)

    def replace(self, bundle: bytes | None) -> None:
        """
        Trust these authorities from now on, and nobody because of earlier ones.

        @raise ConfigurationError: the bundle cannot be read; the former one stays.
        """
        self._ca = None if bundle is None else ClientCA(bundle)
        self._cache.clear()

    def authenticate(self, claims: Claims) -> Identity | None:
        """
        @raise Unauthenticated: there is a certificate, and it proves nothing here.
        """
        certificate = claims.certificate
        if certificate is None or self._ca is None:
            return None
        found = self._cache.get(certificate, self._clock.seconds())
        if found is None:
            found = self._judge(self._ca, certificate, claims.chain)
        if isinstance(found, Unauthenticated):
            raise Unauthenticated(found.message)
        return found

    def _judge(self, ca: ClientCA, certificate: bytes, chain: tuple[bytes, ...]) -> Identity | Unauthenticated:
        now = self._clock.seconds()
        try:
            verified = ca.verify(certificate, chain, now)
            who = authenticated(_identity(verified.subject))
        except Unauthenticated as refusal:
            self._cache.put(certificate, refusal, now + REFUSAL_LIFE)
            return refusal
        self._cache.put(certificate, who, verified.until)
        return who


def _identity(subject: x509.Name) -> Identity:
    """
    @raise Unauthenticated: the subject names no user, or its uid is not a single, non-empty one.
    """
    name = common_name(subject)
    if not name:
        raise Unauthenticated("The client certificate has no common name, so it names no user.")
    groups = tuple(dict.fromkeys(str(each.value) for each in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)))
    uids = [str(each.value) for each in subject.get_attributes_for_oid(UID)]
    if len(uids) > 1 or uids == [""]:
        raise Unauthenticated("The client certificate must name one uid, or none.")
    return Identity(name, groups, uids[0] if uids else "", source="x509")


def common_name(subject: x509.Name) -> str:
    """The common name; the last one if there are several, as Go reads them. C{""} for none."""
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[-1].value) if names else ""
