"""One authenticator out of several, in order."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred

from ..errors import Unauthenticated
from ..interfaces import Authenticator
from ..model.identity import Claims, Identity
from .groups import authenticated


class UnionAuthenticator:
    """
    Asks each authenticator in turn; the first that knows the client decides.

    The order is kube-apiserver's: request header, client certificate, bearer token, and, where nobody is turned away
    at the door, anonymous. One that finds a bad credential ends the search: whoever shows a wrong token is told so
    instead of being served as anonymous.
    """

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = tuple(authenticators)

    def authenticate(self, claims: Claims) -> Identity | Deferred[Identity | None]:
        """
        @return: the identity, in C{system:authenticated} unless anonymous; at once unless somebody must be asked.
        @raise Unauthenticated: (or the Deferred fails with it) a credential is bad, or there is none.
        @raise HubUnavailable: (the Deferred fails with it) the judge of this credential does not answer.
        """
        for position, each in enumerate(self._authenticators):
            answer = each.authenticate(claims)
            if isinstance(answer, Identity):
                return authenticated(answer)
            if answer is not None:
                return Deferred.fromCoroutine(self._rest(answer, position + 1, claims))
        raise Unauthenticated("The request carries no credential.")

    async def _rest(self, first: Deferred[Identity | None], position: int, claims: Claims) -> Identity | None:
        answer = await first
        for each in self._authenticators[position:]:
            if answer is not None:
                break
            next_answer = each.authenticate(claims)
            answer = await next_answer if isinstance(next_answer, Deferred) else next_answer
        if answer is None:
            raise Unauthenticated("The request carries no credential.")
        return authenticated(answer)
