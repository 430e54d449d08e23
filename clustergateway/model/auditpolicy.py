"""
What is audited, how much of it, and which sessions are recorded: a Kubernetes audit policy (audit.k8s.io/v1), rules of
which can also name clusters. Pure.

The format is described in docs/reference/audit-policy.md; rules match as in k8s.io/apiserver, C{audit/policy}.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from ..errors import ConfigurationError
from . import fields
from .manifest import documents
from .policy import matches
from .record import Record

RECEIVED = "RequestReceived"
STARTED = "ResponseStarted"
COMPLETE = "ResponseComplete"
PANIC = "Panic"
STAGES = (RECEIVED, STARTED, COMPLETE, PANIC)

MAX_BYTES = 1024 * 1024

_POLICY = ("apiVersion", "kind", "metadata", "omitStages", "omitManagedFields", "rules")
_RULE = (
    *("level", "users", "userGroups", "verbs", "resources", "namespaces", "nonResourceURLs", "clusters"),
    *("omitStages", "omitManagedFields", "recordSession"),
)
_GROUP = ("group", "resources", "resourceNames")
_SESSION = ("stdin", "required")


class Level(IntEnum):
    """How much is told; more tells all that less tells."""

    NONE = 0
    METADATA = 1
    REQUEST = 2
    REQUEST_RESPONSE = 3


LEVELS = {
    "None": Level.NONE,
    "Metadata": Level.METADATA,
    "Request": Level.REQUEST,
    "RequestResponse": Level.REQUEST_RESPONSE,
}
LEVEL_NAMES = {level: name for name, level in LEVELS.items()}


@dataclass(frozen=True, slots=True)
class Session:
    """
    Sessions (exec, attach) are recorded.

    @ivar stdin: also what is typed, which holds passwords.
    @ivar required: a session that cannot be recorded, or no longer, does not take place.
    """

    stdin: bool = False
    required: bool = False


@dataclass(frozen=True, slots=True)
class GroupResources:
    """Resources of one API group."""

    group: str = ""
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def covers(self, what: Record) -> bool:
        if self.group not in (what.group, "*"):
            return False
        if not self.resources:
            return True
        if self.names and what.name not in self.names:
            return False
        whole = f"{what.resource}/{what.subresource}" if what.subresource else what.resource
        return any(
            each in (whole, "*")
            or (what.subresource != "" and each == f"*/{what.subresource}")
            or each == f"{what.resource}/*"
            for each in self.resources
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """What is empty matches anything."""

    level: Level
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    verbs: frozenset[str] = frozenset()
    resources: tuple[GroupResources, ...] = ()
    namespaces: frozenset[str] = frozenset()
    paths: tuple[str, ...] = ()
    clusters: tuple[str, ...] = ()
    omitted: frozenset[str] = frozenset()
    omit_managed_fields: bool = False
    session: Session | None = None

    def matches(self, what: Record) -> bool:
        if self.users and what.identity.user not in self.users:
            return False
        if self.groups and self.groups.isdisjoint(what.identity.groups):
            return False
        if self.verbs and what.verb not in self.verbs:
            return False
        if self.clusters and not any(matches(each, what.cluster) for each in self.clusters):
            return False
        if self.resources or self.namespaces:
            return bool(what.resource) and self._covers(what)
        if self.paths:
            return bool(what.path) and any(_path_fits(each, what.path) for each in self.paths)
        return True

    def _covers(self, what: Record) -> bool:
        if self.namespaces and what.namespace not in self.namespaces:
            return False
        return not self.resources or any(each.covers(what) for each in self.resources)


@dataclass(frozen=True, slots=True)
class AuditPolicy:
    """The first rule that matches decides."""

    rules: tuple[Rule, ...] = ()

    def rule(self, what: Record) -> Rule:
        """The rule for this request; one of level None when no rule is."""
        return next((rule for rule in self.rules if rule.matches(what)), SILENCE)


SILENCE = Rule(Level.NONE)
METADATA_OF_EVERYTHING = AuditPolicy((Rule(Level.METADATA, omitted=frozenset((RECEIVED,))),))
"""The policy when audit is on and no policy file is given."""


def _path_fits(pattern: str, path: str) -> bool:
    return path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern


def parse_audit_policy(text: bytes | str) -> AuditPolicy:
    """
    @raise ConfigurationError: it cannot be used; the message names the place.
    """
    if len(text) > MAX_BYTES:
        raise ConfigurationError(f"it is larger than {MAX_BYTES} bytes")
    found = documents(text)
    if len(found) != 1:
        raise ConfigurationError("it is not one document")
    document = fields.mapping(found[0], "the document")
    fields.known(document, _POLICY, "the document")
    if document.get("apiVersion") != "audit.k8s.io/v1" or document.get("kind") != "Policy":
        raise ConfigurationError("expected a Policy of audit.k8s.io/v1")
    omitted = _stages(document, "the document")
    managed = fields.flag(document, "omitManagedFields", "the document")
    rules = fields.items(document, "rules", "the document")
    return AuditPolicy(tuple(_rule(each, f"rules[{index}]", omitted, managed) for index, each in enumerate(rules)))


def _rule(value: object, place: str, omitted: frozenset[str], managed: bool) -> Rule:
    given = fields.mapping(value, place)
    fields.known(given, _RULE, place)
    level = LEVELS.get(fields.text(given, "level", place))
    if level is None:
        raise ConfigurationError(f"{place}.level: expected one of {', '.join(LEVELS)}")

    def some(key: str) -> tuple[str, ...]:
        return fields.texts(given, key, place)

    resources = tuple(_group(each, f"{place}.resources") for each in fields.items(given, "resources", place))
    paths = some("nonResourceURLs")
    if paths and (resources or some("namespaces")):
        raise ConfigurationError(f"{place}: nonResourceURLs exclude resources and namespaces")
    if "omitManagedFields" in given:
        managed = fields.flag(given, "omitManagedFields", place)
    return Rule(
        level,
        frozenset(some("users")),
        frozenset(some("userGroups")),
        frozenset(some("verbs")),
        resources,
        frozenset(some("namespaces")),
        paths,
        some("clusters"),
        omitted | _stages(given, place),
        managed,
        _session(given.get("recordSession"), f"{place}.recordSession"),
    )


def _group(value: object, place: str) -> GroupResources:
    given = fields.mapping(value, place)
    fields.known(given, _GROUP, place)
    names = fields.texts(given, "resourceNames", place)
    resources = fields.texts(given, "resources", place)
    if names and not resources:
        raise ConfigurationError(f"{place}: resourceNames need resources")
    return GroupResources(fields.text(given, "group", place), resources, names)


def _stages(given: Any, place: str) -> frozenset[str]:
    stages = fields.texts(given, "omitStages", place)
    for each in stages:
        if each not in STAGES:
            raise ConfigurationError(f"{place}.omitStages: expected some of {', '.join(STAGES)}")
    return frozenset(stages)


def _session(value: object, place: str) -> Session | None:
    if value is None:
        return None
    given = fields.mapping(value, place)
    fields.known(given, _SESSION, place)
    return Session(fields.flag(given, "stdin", place), fields.flag(given, "required", place))
