"""The rules that say as whom a caller enters a cluster. Pure. L{clustergateway.model.exchangeconfig} reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import re2

from ..errors import ConfigurationError, Forbidden
from .identity import Identity
from .identityreview import Webhook
from .impersonation import ImpersonationPolicy

MAX_PATTERN = 4096
"""Longest pattern, in characters."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """An unanchored regular expression in RE2's syntax, which is Go's; matching takes time linear in the text."""

    source: str
    _compiled: Any = field(repr=False, compare=False)

    def found(self, text: str) -> bool:
        """
        @raise Forbidden: the text is not Unicode, so nobody can tell.
        """
        try:
            return self._compiled.search(text) is not None
        except UnicodeEncodeError:
            raise Forbidden("the identity is not valid Unicode") from None


def compiled(source: str, place: str) -> Pattern:
    """
    @raise ConfigurationError: it is no regular expression, or one that would take too much memory.
    """
    if len(source) > MAX_PATTERN:
        raise ConfigurationError(f"{place}: longer than {MAX_PATTERN} characters")
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = 1 << 20
    try:
        return Pattern(source, re2.compile(source, options))
    except (re2.error, UnicodeEncodeError):
        raise ConfigurationError(f"{place}: not a regular expression in RE2's syntax") from None


@dataclass(frozen=True, slots=True)
class Source:
    """Who a rule is for: all that is given must match. C{None} is not given."""

    user: str | None = None
    group: str | None = None
    uid: str | None = None
    cluster: str | None = None
    user_pattern: Pattern | None = None
    group_pattern: Pattern | None = None
    cluster_pattern: Pattern | None = None

    def matches(self, who: Identity, cluster: str) -> bool:
        """
        @raise Forbidden: a pattern meets something that is no text.
        """
        return (
            (self.user is None or who.user == self.user)
            and (self.group is None or self.group in who.groups)
            and (self.uid is None or who.uid == self.uid)
            and (self.cluster is None or cluster == self.cluster)
            and (self.user_pattern is None or self.user_pattern.found(who.user))
            and (self.group_pattern is None or any(map(self.group_pattern.found, who.groups)))
            and (self.cluster_pattern is None or self.cluster_pattern.found(cluster))
        )


@dataclass(frozen=True, slots=True)
class Privileged:
    """The cluster sees the gateway's own identity."""


@dataclass(frozen=True, slots=True)
class Static:
    """The cluster sees this identity."""

    identity: Identity


@dataclass(frozen=True, slots=True)
class External:
    """The cluster sees whom a webhook names."""

    webhook: Webhook


@dataclass(frozen=True, slots=True)
class Erroneous:
    """Nobody can tell what was meant: callers it is for are refused."""

    why: str


Target = Privileged | Static | External | Erroneous


@dataclass(frozen=True, slots=True)
class Rule:
    """
    @ivar source: C{None} matches nobody.
    """

    name: str
    source: Source | None
    target: Target

    def matches(self, who: Identity, cluster: str) -> bool:
        return self.source is not None and self.source.matches(who, cluster)


@dataclass(frozen=True, slots=True)
class Configuration:
    """
    @ivar policy: C{None} when it says nothing about impersonation itself.
    """

    rules: tuple[Rule, ...] = ()
    policy: ImpersonationPolicy | None = None

    def problems(self) -> tuple[str, ...]:
        """What is wrong with which rules."""
        return tuple(rule.target.why for rule in self.rules if isinstance(rule.target, Erroneous))


def first_match(configurations: Iterable[Configuration], who: Identity, cluster: str) -> Rule | None:
    """
    The first rule that is for this caller in this cluster.

    @param configurations: the cluster's own before the global one.
    @raise Forbidden: it is an erroneous one; it never gives way to the next.
    """
    for configuration in configurations:
        for rule in configuration.rules:
            if rule.matches(who, cluster):
                if isinstance(rule.target, Erroneous):
                    error = Forbidden(f"identity exchange: {rule.target.why}", cluster=cluster)
                    error.rule = rule.name
                    raise error
                return rule
    return None
