"""May they, in a gateway without a hosting cluster: everybody everything, or what a policy file says."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from ..errors import ConfigurationError
from ..kube.follow import FollowedFile
from ..model.identity import ANONYMOUS_USER, Attributes, Decision, Identity
from ..model.policy import OPEN, parse_policy

_ALLOWED = Decision(True)


class PolicyAuthorizer:
    """
    Decides by a policy that is always in memory; a changed file is in force within a second.

    Answers both questions, what may be asked of the gateway and what may be done in a cluster.
    """

    def __init__(self, clock: IReactorTime, path: str = "") -> None:
        """
        @param path: of the policy file; C{""}: every authenticated client may do everything.
        """
        self._policy = OPEN
        self._file = FollowedFile(path, clock, self._use)

    def start(self) -> None:
        """
        @raise ConfigurationError: the file cannot be read or understood.
        """
        self._file.start()

    def stop(self) -> None:
        """Follow the file no more."""
        self._file.stop()

    def problems(self) -> tuple[str, ...]:
        """Why the newest policy is not in force, if it is not."""
        return self._file.problems()

    def authorize(self, who: Identity, what: Attributes) -> Decision:
        """May they ask this of the gateway?"""
        return self._policy.decide(who, what)

    def authorize_proxy(self, who: Identity, outer: Attributes, inner: Attributes, upgrade: bool) -> Decision:
        """
        May they enter the cluster that C{outer} names, and do C{inner} in it?

        @param upgrade: the request asks for another protocol.
        """
        if self._policy is OPEN and who.user != ANONYMOUS_USER:
            return _ALLOWED  # the rule of OPEN gives everything; nothing needs to be matched to know it
        decision = self._policy.decide(who, outer)
        if not decision.allowed:
            return decision
        return self._policy.decide_inner(who, outer.name, inner, upgrade)

    def _use(self, contents: bytes) -> None:
        try:
            self._policy = parse_policy(contents.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise ConfigurationError("The policy is not UTF-8.") from None
