"""May they, asked of the hosting cluster."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ..errors import GatewayError, HubUnavailable
from ..kube.client import KubeClient
from ..model.identity import Attributes, Decision, Identity
from ..model.resourcetype import ACCESS_REVIEWS
from ..model.reviews import access_review, forbidden, read_access_review


class AccessReviews:
    """Decides by SubjectAccessReview, one for every question; see L{CachedAuthorizer<.cache.CachedAuthorizer>}."""

    def __init__(self, client: KubeClient, clock: IReactorTime, reviewed: Callable[[float, bool], object]) -> None:
        """
        @param reviewed: told of each review that is over how many seconds it took, and whether there was a decision.
        """
        self._client = client
        self._clock = clock
        self._reviewed = reviewed

    def review(self, who: Identity, what: Attributes) -> Deferred[Decision]:
        """
        @return: fires with the hub's decision; a refusal's reason is a sentence in kube-apiserver's words.
        @raise HubUnavailable: (the Deferred fails with it) the hub does not tell.
        """
        return Deferred.fromCoroutine(self._review(who, what))

    async def _review(self, who: Identity, what: Attributes) -> Decision:
        began = self._clock.seconds()
        try:
            decision = read_access_review(await self._client.review(ACCESS_REVIEWS, access_review(who, what)))
        except GatewayError as error:
            self._reviewed(self._clock.seconds() - began, False)
            # Whatever it is, the user is not to blame: not for our missing rights, nor for a hub that is busy.
            raise HubUnavailable(
                f"The permission cannot be checked: {error.message}", hop="hub", retry_after=error.retry_after
            ) from None
        self._reviewed(self._clock.seconds() - began, True)
        if decision.allowed:
            return decision
        return Decision(False, forbidden(who, what, decision.reason))
