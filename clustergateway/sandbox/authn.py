"""Who calls: by client certificate, static token or service account token."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.x509.oid import NameOID

from .call import ANONYMOUS, User
from .registry import Registry
from .status import unauthorized
from .store import Key
from .tokens import ServiceAccountTokens

AUTHENTICATED = "system:authenticated"
_WEBSOCKET_TOKEN = "base64url.bearer.authorization.k8s.io."


@dataclass(frozen=True, slots=True)
class Trust:
    """
    What is believed.

    @ivar client_ca: PEM bundle that client certificates lead to.
    @ivar tokens: static tokens.
    @ivar anonymous: callers without credentials are C{system:anonymous}, rather than refused.
    """

    client_ca: bytes = b""
    tokens: Mapping[str, User] = field(default_factory=dict, repr=False)
    anonymous: bool = True


def certificate_user(certificate: bytes, client_ca: bytes, now: float) -> User | None:
    """
    The user that a client certificate names (CN, and O as groups).

    @param certificate: DER.
    @return: C{None} if it is not signed by one of the CAs or not valid now.
    """
    found = x509.load_der_x509_certificate(certificate)
    if not found.not_valid_before_utc.timestamp() <= now <= found.not_valid_after_utc.timestamp():
        return None
    if not any(_signed_by(found, issuer) for issuer in x509.load_pem_x509_certificates(client_ca)):
        return None
    names = [str(one.value) for one in found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    groups = [str(one.value) for one in found.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
    return User(names[0], (*groups, AUTHENTICATED)) if names else None


def _signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


class Authenticator:
    """Finds out who calls."""

    def __init__(
        self, trust: Trust, issued: ServiceAccountTokens, registry: Registry, now: Callable[[], float]
    ) -> None:
        self._trust = trust
        self._issued = issued
        self._registry = registry
        self._now = now

    def authenticate(self, certificate: bytes | None, headers: Mapping[str, str]) -> User:
        """
        @param certificate: of the client, DER, not verified yet.
        @raise ApiError: 401.
        """
        if certificate is not None and self._trust.client_ca:
            user = certificate_user(certificate, self._trust.client_ca, self._now())
            if user is not None:
                return user
        token = bearer_token(headers)
        if token:
            user = self.token_user(token)
            if user is not None:
                return user
            raise unauthorized()
        if self._trust.anonymous and certificate is None:
            return ANONYMOUS
        raise unauthorized()

    def token_user(self, token: str) -> User | None:
        """Whose token this is."""
        static = self._trust.tokens.get(token)
        if static is not None:
            groups = dict.fromkeys([*static.groups, AUTHENTICATED])
            return User(static.name, tuple(groups), static.uid, static.extra)
        read = self._issued.read(token)
        if read is None:
            return None
        namespace, _, name = read[2].partition("/")
        account = self._registry.store.get(Key("", "serviceaccounts", namespace, name))
        return read[0] if account is not None and account["metadata"]["uid"] == read[0].uid else None


def bearer_token(headers: Mapping[str, str]) -> str:
    """From the Authorization header, or from a WebSocket's subprotocols; C{""} for none."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    for protocol in headers.get("sec-websocket-protocol", "").split(","):
        if protocol.strip().startswith(_WEBSOCKET_TOKEN):
            return _unpadded(protocol.strip()[len(_WEBSOCKET_TOKEN) :])
    return ""


def _unpadded(text: str) -> str:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except ValueError:
        return ""
