"""May they, in a gateway with a hosting cluster: what needs no asking, what was asked lately, and the rest."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from ..kube.singleflight import SharedAnswers
from ..model.identity import ANONYMOUS_USER, PRIVILEGED_GROUP, Attributes, Decision, Extra, Identity
from ..model.reviews import forbidden, is_discovery, is_health

ALLOWED_LIFE = 10.0
REFUSED_LIFE = 5.0

_ALLOWED = Decision(True)
_Question = tuple[str, tuple[str, ...], str, Extra, Attributes]


class CachedAuthorizer:
    """
    Asks each question once, and remembers the answer for some seconds: 10 for yes, 5 for no.

    Never asked: whether C{system:masters} may (always), whether anybody may see health (yes), whether an authenticated
    user may see what the API offers (yes: the hub's aggregator asks without groups), whether an anonymous one may
    anything else (no). While the hub is away, what is remembered holds until its time, and the rest is unavailable.
    """

    def __init__(
        self,
        review: Callable[[Identity, Attributes], Deferred[Decision]],
        clock: IReactorTime,
        cache_size: int = 50_000,
    ) -> None:
        """
        @param review: asks; the Deferred fails with L{HubUnavailable} if nobody can tell.
        """
        self._review = review
        self._answers: SharedAnswers[_Question, Decision] = SharedAnswers(clock, _life, cache_size)

    def authorize(self, who: Identity, what: Attributes) -> Decision | Deferred[Decision]:
        """
        @raise HubUnavailable: (the Deferred fails with it) nobody can tell.
        """
        if PRIVILEGED_GROUP in who.groups or is_health(what):
            return _ALLOWED
        if who.user == ANONYMOUS_USER:
            return Decision(False, forbidden(who, what))
        if is_discovery(what):
            return _ALLOWED
        # How they were recognized makes no difference to what they may.
        question = (who.user, who.groups, who.uid, who.extra, what)
        return self._answers.get(question, lambda: self._review(who, what))


def _life(decision: Decision) -> float:
    return ALLOWED_LIFE if decision.allowed else REFUSED_LIFE
