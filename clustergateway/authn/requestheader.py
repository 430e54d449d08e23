"""Who the front proxy (the hub's aggregator) says is asking."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from ..errors import Unauthenticated
from ..model.expiring import ExpiringCache
from ..model.identity import Claims, Identity
from ..model.requestheader import RequestHeaderTrust
from .chain import ClientCA
from .groups import authenticated
from .x509 import REFUSAL_LIFE, common_name


class RequestHeaderAuthenticator:
    """
    Believes the identity headers of a client whose certificate is a front proxy's, and of nobody else.

    The certificate decides, once and then from a cache; the headers are read anew for every request.
    """

    def __init__(self, clock: IReactorTime, trust: RequestHeaderTrust | None = None, cache_size: int = 1_000) -> None:
        """
        @param clock: its seconds are those since the epoch.
        @param trust: C{None}: no front proxy is known, and all headers are ignored.
        @raise ConfigurationError: the trust's CA bundle cannot be read.
        """
        self._clock = clock
        self._proxies: ExpiringCache[bytes, bool] = ExpiringCache(cache_size)
        self._trust = trust
        self._ca = None if trust is None else ClientCA(trust.ca)

    @property
    def trust(self) -> RequestHeaderTrust | None:
        """What is trusted now."""
        return self._trust

    def replace(self, trust: RequestHeaderTrust | None) -> None:
        """
        Trust these proxies from now on, and no earlier ones.

        @raise ConfigurationError: the CA bundle cannot be read; the former trust stays.
        """
        if trust == self._trust:
            return
        self._ca = None if trust is None else ClientCA(trust.ca)
        self._trust = trust
        self._proxies.clear()

    def authenticate(self, claims: Claims) -> Identity | None:
        """
        @return: C{None} if no user is named, or not by a front proxy: who else sends these headers is judged by what
            else he shows.
        @raise Unauthenticated: the front proxy names a user in a way that cannot be understood.
        """
        trust, certificate = self._trust, claims.certificate
        if trust is None or certificate is None:
            return None
        known = self._proxies.get(certificate, self._clock.seconds())
        if known is None:
            if not trust.names_user(claims.headers):
                return None
            known = self._judge(certificate, claims.chain)
        if not known:
            return None
        who = trust.identity(claims.headers)
        return None if who is None else authenticated(who)

    def _judge(self, certificate: bytes, chain: tuple[bytes, ...]) -> bool:
        assert self._ca is not None and self._trust is not None
        now = self._clock.seconds()
        names = self._trust.allowed_names
        try:
            verified = self._ca.verify(certificate, chain, now)
        except Unauthenticated:
            self._proxies.put(certificate, False, now + REFUSAL_LIFE)
            return False
        known = not names or common_name(verified.subject) in names
        self._proxies.put(certificate, known, verified.until)
        return known
