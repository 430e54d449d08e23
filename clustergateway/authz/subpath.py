"""May they, of a request that goes through: enter the cluster, and, where that is checked too, do this in it."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from twisted.internet.defer import Deferred

from ..interfaces import Authorizer
from ..model.identity import PRIVILEGED_GROUP, Attributes, Decision, Identity
from ..model.reviews import needed_verbs


class SubpathAuthorizer:
    """
    Checks the verb on C{clustergateways/proxy}; with C{--authorize-proxy-subpath} also, by the same authorizer, what is
    done in the cluster: the hub's RBAC then speaks of what is inside.

    C{exec}, C{attach} and C{portforward} by GET need C{create} as well, as in Kubernetes since 1.35. Health and
    discovery are open inside to whoever may enter.
    """

    def __init__(self, authorizer: Authorizer, subpath: bool) -> None:
        self._authorizer = authorizer
        self._subpath = subpath

    def authorize_proxy(
        self, who: Identity, outer: Attributes, inner: Attributes, upgrade: bool
    ) -> Decision | Deferred[Decision]:
        """
        @param outer: the verb on C{clustergateways/proxy}; its name is the cluster's.
        @param inner: what it is in that cluster.
        @param upgrade: it asks for another protocol.
        @raise HubUnavailable: (or the Deferred fails with it) nobody can tell.
        """
        if not self._subpath or PRIVILEGED_GROUP in who.groups:
            return self._authorizer.authorize(who, outer)
        questions = [outer, inner]
        questions += [replace(inner, verb=verb) for verb in needed_verbs(inner)[1:]]
        return self._all(who, questions, 0)

    def _all(self, who: Identity, questions: list[Attributes], first: int) -> Decision | Deferred[Decision]:
        decision = Decision(True)
        for position in range(first, len(questions)):
            answer = self._authorizer.authorize(who, questions[position])
            # Not isinstance, for the same reason as in pipeline.then.
            if type(answer) is Deferred:
                return answer.addCallback(self._then, who, questions, position + 1)
            decision = cast("Decision", answer)
            if not decision.allowed:
                break
        return decision

    def _then(
        self, decision: Decision, who: Identity, questions: list[Attributes], following: int
    ) -> Decision | Deferred[Decision]:
        if not decision.allowed or following == len(questions):
            return decision
        return self._all(who, questions, following)
