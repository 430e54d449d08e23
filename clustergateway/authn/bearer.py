"""Who a bearer token is, asked of everybody who knows tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from twisted.internet.defer import Deferred

from ..errors import Unauthenticated
from ..model.identity import Claims, Identity
from ..model.tokens import bearer_token

_UNKNOWN = "The bearer token is not valid."


class TokenJudge(Protocol):
    """Somebody who knows tokens."""

    def judge(self, token: str) -> Identity | Deferred[Identity | None] | None:
        """
        @return: whose token it is, C{None} if it is unknown here.
        @raise HubUnavailable: (or the Deferred fails with it) nobody can tell.
        """
        ...


class BearerAuthenticator:
    """Takes the token from C{Authorization}, or from the WebSocket subprotocols, and asks the judges in order."""

    def __init__(self, judges: Sequence[TokenJudge]) -> None:
        self._judges = tuple(judges)

    def authenticate(self, claims: Claims) -> Identity | Deferred[Identity | None] | None:
        """
        @return: C{None} only if there is no token.
        @raise Unauthenticated: (or the Deferred fails with it) nobody knows the token.
        """
        token = bearer_token(claims.headers)
        if token is None:
            return None
        for position, each in enumerate(self._judges):
            answer = each.judge(token)
            if isinstance(answer, Identity):
                return answer
            if answer is not None:
                return Deferred.fromCoroutine(self._rest(answer, position + 1, token))
        raise Unauthenticated(_UNKNOWN)

    async def _rest(self, first: Deferred[Identity | None], position: int, token: str) -> Identity | None:
        answer = await first
        for each in self._judges[position:]:
            if answer is not None:
                break
            next_answer = each.judge(token)
            answer = await next_answer if isinstance(next_answer, Deferred) else next_answer
        if answer is None:
            raise Unauthenticated(_UNKNOWN)
        return answer
