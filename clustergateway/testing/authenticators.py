"""Authenticators and authorizers that say what a test wants, and remember what they were asked."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from ..errors import GatewayError
from ..model.identity import Attributes, Claims, Decision, Identity

Answer = Identity | GatewayError | None


class ScriptedAuthenticator:
    """
    Gives its answers in turn, the last one for ever. An error is raised, a Deferred handed out as it is.

    @ivar asked: the claims it was asked about, in order.
    """

    def __init__(self, *answers: Answer | Deferred[Identity | None]) -> None:
        self._answers = list(answers) or [None]
        self.asked: list[Claims] = []

    def authenticate(self, claims: Claims) -> Identity | Deferred[Identity | None] | None:
        self.asked.append(claims)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, GatewayError):
            raise answer
        return answer


class ScriptedAuthorizer:
    """
    Decides what it is told to, L{Decision}, error or Deferred; answers for the gateway and for the inside of clusters.

    @ivar asked: C{(who, what)}, in order; for a proxied request what is done inside.
    """

    def __init__(self, answer: Decision | GatewayError | Deferred[Decision] | None = None) -> None:
        self.answer = Decision(True) if answer is None else answer
        self.asked: list[tuple[Identity, Attributes]] = []

    def authorize(self, who: Identity, what: Attributes) -> Decision | Deferred[Decision]:
        self.asked.append((who, what))
        if isinstance(self.answer, GatewayError):
            raise self.answer
        return self.answer

    def authorize_proxy(
        self, who: Identity, outer: Attributes, inner: Attributes, upgrade: bool
    ) -> Decision | Deferred[Decision]:
        return self.authorize(who, inner)
