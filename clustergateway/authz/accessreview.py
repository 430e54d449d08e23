"""May they, asked of the hosting cluster."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from ..errors import GatewayError, HubUnavailable
from ..kube.client import KubeClient
from ..model.identity import Attributes, Decision, Identity
from ..model.resourcetype import ACCESS_REVIEWS
from ..model.reviews import access_review, forbidden, read_access_review


class AccessReviews:
    """Decides by SubjectAccessReview, one for every question; see L{CachedAuthorizer<.cache.CachedAuthorizer>}."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    def review(self, who: Identity, what: Attributes) -> Deferred[Decision]:
        """
        @return: fires with the hub's decision; a refusal's reason is a sentence in kube-apiserver's words.
        @raise HubUnavailable: (the Deferred fails with it) the hub does not tell.
        """
        return Deferred.fromCoroutine(self._review(who, what))

    async def _review(self, who: Identity, what: Attributes) -> Decision:
        try:
            answer = await self._client.create(ACCESS_REVIEWS, access_review(who, what))
        except GatewayError as error:
            # Whatever it is, the user is not to blame: not for our missing rights, nor for a hub that is busy.
            raise HubUnavailable(
                f"The permission cannot be checked: {error.message}", hop="hub", retry_after=error.retry_after or 1
            ) from None
        decision = read_access_review(answer)
        if decision.allowed:
            return decision
        return Decision(False, forbidden(who, what, decision.reason))
