"""Whose token it is, asked of the hosting cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ..errors import GatewayError, HubUnavailable
from ..kube.client import KubeClient
from ..kube.singleflight import SharedAnswers
from ..model.identity import Identity
from ..model.resourcetype import TOKEN_REVIEWS
from ..model.reviews import read_token_review, token_review
from ..model.tokens import digest
from .groups import authenticated

SUCCESS_LIFE = 10.0
FAILURE_LIFE = 2.0
LONGEST_TOKEN = 64 * 1024


@dataclass(frozen=True, slots=True)
class _Verdict:
    who: Identity | None


class TokenReviews:
    """
    Knows tokens by TokenReview.

    Answers are kept under the token's SHA-256, not the token: for 10 seconds when it is somebody's, for 2 when it is
    nobody's. While the hub is away, whoever is still remembered is known, and about others nobody can tell.
    """

    def __init__(
        self, client: KubeClient, clock: IReactorTime, audiences: Sequence[str] = (), cache_size: int = 10_000
    ) -> None:
        """
        @param audiences: a token must be meant for one of them; none: for the hub itself.
        """
        self._client = client
        self._audiences = tuple(audiences)
        self._answers: SharedAnswers[bytes, _Verdict] = SharedAnswers(clock, _life, cache_size)

    def judge(self, token: str) -> Identity | Deferred[Identity | None] | None:
        """
        @raise HubUnavailable: (the Deferred fails with it) the hub does not tell.
        """
        if len(token) > LONGEST_TOKEN:
            return None
        found = self._answers.get(digest(token), lambda: Deferred.fromCoroutine(self._review(token)))
        return found.who if isinstance(found, _Verdict) else found.addCallback(_who)

    async def _review(self, token: str) -> _Verdict:
        question = token_review(token, self._audiences)
        try:
            answer = await self._client.review(TOKEN_REVIEWS, question)
        except GatewayError as error:
            # Whatever it is, the token is not to blame: not for our missing rights, nor for a hub that is busy.
            raise HubUnavailable(
                f"The token cannot be checked: {error.message}", hop="hub", retry_after=error.retry_after
            ) from None
        who = read_token_review(answer, self._audiences)
        return _Verdict(None if who is None else authenticated(who))


def _who(verdict: _Verdict) -> Identity | None:
    return verdict.who


def _life(verdict: _Verdict) -> float:
    return FAILURE_LIFE if verdict.who is None else SUCCESS_LIFE
