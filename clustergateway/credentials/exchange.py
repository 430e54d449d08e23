"""As whom a caller enters a cluster: the rules in force, asked once per caller and cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import Forbidden, GatewayError
from ..kube.follow import FollowedFile
from ..model.exchange import Configuration, External, Privileged, Rule, Static, first_match
from ..model.exchangeconfig import parse_annotation, parse_global
from ..model.identity import Attributes, Identity
from ..model.identityreview import Answer
from ..model.impersonation import DEFAULT_POLICY, ImpersonationPolicy, impersonation_lines

if TYPE_CHECKING:
    from ..model.gateway import ClusterGateway
    from .webhook import ReviewClient

REMEMBERED = 8192
"""Most decisions remembered."""

_NOTHING = Configuration()


@dataclass(frozen=True, slots=True)
class Exchanged:
    """
    @ivar identity: whom the cluster is shown, with exactly what it is shown of them; C{None}: the gateway itself.
    @ivar rule: the name of the rule that said so, C{""} for none: the caller as is.
    @ivar block: the header lines that say it, each with its CRLF; none for C{None}.
    """

    identity: Identity | None
    rule: str = ""
    block: bytes = b""


@dataclass(frozen=True, slots=True)
class _Ask:
    """A webhook has to be asked."""

    rule: Rule
    external: External
    policy: ImpersonationPolicy


class IdentityExchanger:
    """
    Decides as whom a caller enters a cluster: by the cluster's own rules, then by the global file's, else as is.

    Nothing that goes wrong makes somebody else of a caller: it refuses.
    """

    _log = Logger()

    def __init__(self, reviews: ReviewClient, clock: IReactorTime, path: str = "") -> None:
        """
        @param path: the global configuration file, C{""} for none.
        """
        self._reviews = reviews
        self._global = _NOTHING
        self._file = FollowedFile(path, clock, self._use)
        self._own: dict[str, tuple[str, Configuration]] = {}
        self._decided: dict[tuple[Identity, str, str], Exchanged | _Ask] = {}

    def start(self) -> None:
        """
        Read the global file and follow it.

        @raise ConfigurationError: it is not good.
        """
        self._file.start()

    def stop(self) -> None:
        """Follow it no more."""
        self._file.stop()

    def problems(self) -> tuple[str, ...]:
        """What is wrong with the configurations, for people: the global file's and the clusters' own."""
        own = (f"cluster {name}: {why}" for name, (_, each) in self._own.items() for why in each.problems())
        return (*self._file.problems(), *own)

    def cluster_changed(self, event: str, cluster: ClusterGateway) -> None:
        """To be subscribed to the directory, so that a cluster's bad configuration is seen before it is needed."""
        if event == "DELETED":
            self._own.pop(cluster.name, None)
        else:
            self._own_of(cluster)

    def exchange(
        self, who: Identity, cluster: ClusterGateway, attributes: Attributes
    ) -> Exchanged | Deferred[Exchanged]:
        """
        @param attributes: what the caller does in the cluster.
        @raise Forbidden: (or the Deferred fails with it) a rule refuses them, or is wrong.
        @raise HeadersTooLarge: (likewise) there is more to say of them than can be passed on.
        @raise ServiceUnavailable: (likewise) a webhook should have said, and did not.
        """
        key = (who, cluster.name, cluster.proxy_configuration)
        decided = self._decided.get(key)
        if decided is None:
            decided = self._decide(who, cluster)
            if len(self._decided) >= REMEMBERED:
                self._decided.clear()
            self._decided[key] = decided
        if isinstance(decided, Exchanged):
            return decided
        return self._ask(decided, who, cluster.name, attributes)

    def _decide(self, who: Identity, cluster: ClusterGateway) -> Exchanged | _Ask:
        own = self._own_of(cluster)
        policy = own.policy or self._global.policy or DEFAULT_POLICY
        rule = first_match((own, self._global), who, cluster.name)
        if rule is None:
            return _shown(who, "", policy)
        if isinstance(rule.target, External):
            return _Ask(rule, rule.target, policy)
        if isinstance(rule.target, Static):
            return _shown(rule.target.identity, rule.name, policy)
        assert isinstance(rule.target, Privileged)
        return Exchanged(None, rule.name)

    def _ask(self, asked: _Ask, who: Identity, cluster: str, attributes: Attributes) -> Exchanged | Deferred[Exchanged]:
        def answered(answer: Answer) -> Exchanged:
            if answer.identity is None:
                reason = answer.reason or "the identity webhook refuses it"
                raise Forbidden(f"identity exchange: rule {asked.rule.name}: {reason}", cluster=cluster)
            return _shown(answer.identity, asked.rule.name, asked.policy)

        def failed(failure: Failure) -> Failure:
            if isinstance(failure.value, GatewayError):
                failure.value.rule = asked.rule.name
            return failure

        try:
            answer = self._reviews.ask(asked.external.webhook, who, cluster, asked.rule.name, attributes)
            return answer.addCallback(answered).addErrback(failed) if isinstance(answer, Deferred) else answered(answer)
        except GatewayError as error:
            error.rule = asked.rule.name
            raise

    def _own_of(self, cluster: ClusterGateway) -> Configuration:
        text = cluster.proxy_configuration
        if not text:
            self._own.pop(cluster.name, None)
            return _NOTHING
        known = self._own.get(cluster.name)
        if known is not None and known[0] == text:
            return known[1]
        configuration = parse_annotation(text)
        for why in configuration.problems():
            self._log.error("cluster {cluster}: {why}", cluster=cluster.name, why=why)
        self._own[cluster.name] = text, configuration
        return configuration

    def _use(self, text: bytes) -> None:
        self._global = parse_global(text)
        self._decided.clear()


def _shown(identity: Identity, rule: str, policy: ImpersonationPolicy) -> Exchanged:
    try:
        block = b"".join([line + b"\r\n" for line in impersonation_lines(identity, policy)])
    except GatewayError as error:
        error.rule = rule
        raise
    return Exchanged(policy.shown(identity), rule, block)
