"""
The policy of a gateway without a hosting cluster: which users and groups may do what in which clusters. Pure.

The format is described in docs/reference/policy.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import yaml

from ..errors import ConfigurationError
from .identity import ANONYMOUS_USER, PRIVILEGED_GROUP, Attributes, Decision, Identity
from .reviews import INTERACTIVE, forbidden, is_discovery, is_health, needed_verbs

GROUP = "cluster.core.oam.dev"
ALL = ("*",)

_READING = frozenset({"get", "list", "watch", "head", "options"})
# A proxied GET can do anything that the workload, or the kubelet behind nodes/proxy, does on a GET.
_ACTING = INTERACTIVE | {"proxy"}
# Questions about oneself, which are asked by creating them.
_SELF_REVIEWS = frozenset(
    {
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("authentication.k8s.io", "selfsubjectreviews"),
    }
)
_VERBS = frozenset({"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}) | {
    *("post", "put", "head", "options", "*"),
}
_FIELDS = ("name", "users", "groups", "clusters", "verbs", "paths", "readOnly")


def matches(pattern: str, text: str) -> bool:
    """Does C{text} fit C{pattern}, in which C{*} stands for any characters and all else for itself?"""
    if pattern == "*" or pattern == text:
        return True
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, last = rest
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, position, end)
        if found < 0:
            return False
        position = found + len(part)
    return True


def _any(patterns: tuple[str, ...], text: str) -> bool:
    for pattern in patterns:  # noqa: SIM110 - a loop is the cheaper one, and this is asked for every request
        if matches(pattern, text):
            return True
    return False


@dataclass(frozen=True, slots=True)
class Rule:
    """
    These users and groups may do this; rules only ever add.

    @ivar name: for people, C{""} for none.
    @ivar users: patterns; one that fits the user is enough.
    @ivar groups: patterns; one that fits one of the user's groups is enough.
    @ivar clusters: patterns of cluster names.
    @ivar verbs: Kubernetes verbs of what is done in the cluster; C{*} is all.
    @ivar paths: patterns of paths of the gateway itself, for instance C{/metrics}.
    @ivar read_only: only what changes nothing, whatever C{verbs} says.
    """

    name: str = ""
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL
    paths: tuple[str, ...] = ()
    read_only: bool = False

    def concerns(self, who: Identity) -> bool:
        """Is C{who} one of those the rule is about? The anonymous user never is."""
        if who.user == ANONYMOUS_USER:
            return False
        if _any(self.users, who.user):
            return True
        return bool(self.groups) and any(_any(self.groups, group) for group in who.groups)

    def gives(self, verb: str, what: Attributes, upgrade: bool) -> bool:
        """Does it give C{verb} on C{what}, wherever that is?"""
        if "*" not in self.verbs and verb not in self.verbs:
            return False
        return not self.read_only or reads_only(verb, what, upgrade)


def reads_only(verb: str, what: Attributes, upgrade: bool) -> bool:
    """
    Does this request change nothing, however little its verb says? A watch may come as a WebSocket.

    @param verb: the one of those it needs that is asked about.
    """
    if what.verb == verb == "create" and not upgrade:
        return (what.group, what.resource) in _SELF_REVIEWS and not (what.subresource or what.namespace or what.name)
    if verb not in _READING or what.verb not in _READING or what.subresource in _ACTING:
        return False
    return not upgrade or what.verb == "watch"


@dataclass(frozen=True, slots=True)
class Policy:
    """Allowed is what one of the rules gives; C{system:masters} may everything."""

    rules: tuple[Rule, ...] = ()

    def decide(self, who: Identity, what: Attributes) -> Decision:
        """
        May they ask this of the gateway itself? For C{clustergateways/proxy} the answer is whether they may enter the
        cluster at all; what they do in it is L{decide_inner}'s.
        """
        if is_health(what):
            return Decision(True)
        if who.user == ANONYMOUS_USER:
            return Decision(False, forbidden(who, what))
        if PRIVILEGED_GROUP in who.groups or is_discovery(what):
            return Decision(True)
        if not what.verb:
            what = replace(what, verb="options")
        for rule in self.rules:
            if rule.concerns(who) and self._covers(rule, what):
                return Decision(True)
        return Decision(False, forbidden(who, what, "no rule of the gateway's policy allows it"))

    def _covers(self, rule: Rule, what: Attributes) -> bool:
        if what.path:
            return _any(rule.paths, what.path) and rule.gives(what.verb, what, False)
        if what.group != GROUP:
            return False
        if what.subresource == "proxy":
            return bool(what.name) and _any(rule.clusters, what.name)
        # A list names every cluster, so it takes a rule for every cluster, as with resourceNames in RBAC.
        known = _any(rule.clusters, what.name) if what.name else "*" in rule.clusters
        return known and rule.gives(what.verb, what, False)

    def decide_inner(self, who: Identity, cluster: str, inner: Attributes, upgrade: bool) -> Decision:
        """
        May they do this in that cluster?

        @param inner: what is asked of the cluster.
        @param upgrade: the request asks for another protocol (WebSocket, SPDY).
        """
        if who.user == ANONYMOUS_USER:
            return Decision(False, forbidden(who, inner))
        if PRIVILEGED_GROUP in who.groups:
            return Decision(True)
        if not inner.verb:
            inner = replace(inner, verb="options")
        here = [rule for rule in self.rules if rule.concerns(who) and _any(rule.clusters, cluster)]
        for verb in needed_verbs(inner):
            if not any(rule.gives(verb, inner, upgrade) for rule in here):
                reason = f'no rule of the gateway\'s policy allows it in cluster "{cluster}"'
                return Decision(False, forbidden(who, replace(inner, verb=verb), reason))
        return Decision(True)


OPEN = Policy((Rule("everybody", users=ALL, clusters=ALL, paths=ALL),))
"""Without a policy file every authenticated client may do everything."""


def parse_policy(text: str) -> Policy:
    """
    @param text: YAML, see docs/reference/policy.md.
    @raise ConfigurationError: it cannot be used; the message names the place.
    """
    try:
        document = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f", line {mark.line + 1}" if mark is not None else ""
        raise ConfigurationError(f"The policy is not YAML{place}.") from None
    if not isinstance(document, dict) or set(document) != {"rules"} or not isinstance(document["rules"], list):
        raise ConfigurationError("The policy must have one field, rules, with a list of rules.")
    return Policy(tuple(_rule(rule, f"rules[{index}]") for index, rule in enumerate(document["rules"])))


def _rule(value: Any, place: str) -> Rule:
    if not isinstance(value, dict):
        raise ConfigurationError(f"Policy, {place}: expected a mapping with {', '.join(_FIELDS)}.")
    for key in value:
        if key not in _FIELDS:
            raise ConfigurationError(f"Policy, {place}: unknown field {key!r}; known are {', '.join(_FIELDS)}.")
    name, read_only = value.get("name", ""), value.get("readOnly", False)
    if not isinstance(name, str):
        raise ConfigurationError(f"Policy, {place}.name: expected a text.")
    if not isinstance(read_only, bool):
        raise ConfigurationError(f"Policy, {place}.readOnly: expected true or false.")
    users, groups = _texts(value, "users", place), _texts(value, "groups", place)
    clusters, paths = _texts(value, "clusters", place), _texts(value, "paths", place)
    verbs = _texts(value, "verbs", place) if "verbs" in value else ALL
    if not users and not groups:
        raise ConfigurationError(f"Policy, {place}: name at least one of users and groups.")
    if not clusters and not paths:
        raise ConfigurationError(f"Policy, {place}: name at least one of clusters and paths.")
    for verb in verbs:
        if verb not in _VERBS:
            raise ConfigurationError(f"Policy, {place}.verbs: {verb!r} is not one of {', '.join(sorted(_VERBS))}.")
    return Rule(name, users, groups, clusters, verbs, paths, read_only)


def _texts(rule: dict[Any, Any], key: str, place: str) -> tuple[str, ...]:
    value = rule.get(key, [])
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise ConfigurationError(f"Policy, {place}.{key}: expected a list of texts.")
    return tuple(value)
