"""Tokens that the server issues to service accounts, and reads back: JWTs under a key that only it has."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Sequence

from .call import User
from .objects import Object, dumps, timestamp

ISSUER = "https://kubernetes.default.svc"
DEFAULT_SECONDS = 3600


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class ServiceAccountTokens:
    """Issues and reads tokens."""

    def __init__(self, key: bytes, now: Callable[[], float]) -> None:
        self._key = key
        self._now = now

    def _signature(self, signed: str) -> str:
        return _encoded(hmac.new(self._key, signed.encode(), hashlib.sha256).digest())

    def issue(self, namespace: str, name: str, uid: str, audiences: Sequence[str], seconds: int) -> tuple[str, str]:
        """
        @return: the token, and when it expires (RFC 3339).
        """
        now = int(self._now())
        account = {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}}
        claims: Object = {"aud": list(audiences) or [ISSUER], "exp": now + seconds, "iat": now, "nbf": now}
        claims |= {"iss": ISSUER, "sub": f"system:serviceaccount:{namespace}:{name}", "kubernetes.io": account}
        signed = f"{_encoded(dumps({'alg': 'HS256', 'typ': 'JWT'}))}.{_encoded(dumps(claims))}"
        return f"{signed}.{self._signature(signed)}", timestamp(now + seconds)

    def read(self, token: str) -> tuple[User, tuple[str, ...], str] | None:
        """
        @return: whose token it is, its audiences, and the account as C{namespace/name}; C{None} if it is none of ours
            or no longer good.
        """
        signed, _, signature = token.rpartition(".")
        if not signed or not hmac.compare_digest(self._signature(signed).encode(), signature.encode()):
            return None
        try:
            claims = json.loads(_decoded(signed.partition(".")[2]))
        except (ValueError, binascii.Error):
            return None
        if claims["exp"] <= self._now():
            return None
        account = claims["kubernetes.io"]
        namespace, name = account["namespace"], account["serviceaccount"]["name"]
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        user = User(claims["sub"], groups, account["serviceaccount"]["uid"])
        return user, tuple(claims["aud"]), f"{namespace}/{name}"
