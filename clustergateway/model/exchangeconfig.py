"""
ClusterGatewayProxyConfiguration, read from YAML: the global file's and each cluster's own. Pure.

The format is described in docs/reference/proxy-configuration.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..errors import ConfigurationError, GatewayError
from . import fields
from .exchange import Configuration, Erroneous, External, Pattern, Privileged, Rule, Source, Static, Target, compiled
from .identity import Identity
from .identityreview import parse_webhook
from .impersonation import ImpersonationPolicy
from .manifest import documents

API_VERSION = "cluster.core.oam.dev/v1alpha1"
KIND = "ClusterGatewayProxyConfiguration"
PRIVILEGED = "PrivilegedIdentityExchanger"
STATIC = "StaticMappingIdentityExchanger"
EXTERNAL = "ExternalIdentityExchanger"

MAX_BYTES = 1024 * 1024
"""Largest document, as etcd's largest object."""
MAX_RULES = 1000
MAX_GROUPS = 100_000
MAX_HEADER_BYTES = 1024 * 1024

_RULE = ("name", "type", "source", "target", "url", "webhook")
_SOURCE = ("user", "group", "uid", "cluster", "userPattern", "groupPattern", "clusterPattern")
_TARGET = ("user", "groups", "uid")

_T = TypeVar("_T")
_D = TypeVar("_D")


def parse_global(text: bytes | str) -> Configuration:
    """
    @param text: of the file that C{--cluster-gateway-proxy-config} names.
    @raise ConfigurationError: any of it is wrong.
    """
    configuration = _parse(text, files=True)
    problems = configuration.problems()
    if problems:
        raise ConfigurationError("; ".join(problems))
    return configuration


def parse_annotation(text: str) -> Configuration:
    """
    @param text: of a cluster's own annotation. It names no files: who may write it need not be who runs the gateway.
    @return: what can be told of it. A rule that is wrong is L{Erroneous}; what is no configuration at all is one such
        rule that is for everybody.
    """
    try:
        return _parse(text, files=False)
    except GatewayError as error:
        return Configuration((Rule("", Source(), Erroneous(f"the cluster's configuration: {error.message}")),))


def _parse(text: bytes | str, files: bool) -> Configuration:
    if len(text) > MAX_BYTES:
        raise ConfigurationError(f"it is larger than {MAX_BYTES} bytes")
    found = documents(text)
    if len(found) > 1:
        raise ConfigurationError("it is more than one document")
    document = fields.mapping(found[0] if found else None, "the document")
    fields.known(document, ("apiVersion", "kind", "metadata", "spec"), "the document")
    if fields.text(document, "kind", "the document", KIND) != KIND:
        raise ConfigurationError(f"kind: expected {KIND}")
    if fields.text(document, "apiVersion", "the document", API_VERSION) != API_VERSION:
        raise ConfigurationError(f"apiVersion: expected {API_VERSION}")
    spec = fields.mapping(document.get("spec"), "spec")
    fields.known(spec, ("clientIdentityExchanger", "impersonation"), "spec")
    place = "spec.clientIdentityExchanger"
    exchanger = fields.mapping(spec.get("clientIdentityExchanger"), place)
    fields.known(exchanger, ("rules",), place)
    rules = fields.items(exchanger, "rules", place)
    if len(rules) > MAX_RULES:
        raise ConfigurationError(f"{place}.rules: more than {MAX_RULES} rules")
    return Configuration(
        tuple(_rule(rule, f"{place}.rules[{index}]", files) for index, rule in enumerate(rules)),
        None if spec.get("impersonation") is None else _policy(spec["impersonation"]),
    )


class _Attempts:
    """Reads the parts of a rule; what cannot be read is noted, and the next part is read."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def __call__(self, read: Callable[[], _T], otherwise: _D) -> _T | _D:
        try:
            return read()
        except ConfigurationError as error:
            self.errors.append(error.message)
            return otherwise


def _rule(value: object, place: str, files: bool) -> Rule:
    attempt = _Attempts()
    try:
        rule = fields.mapping(value, place)
    except ConfigurationError as error:
        # It might have been for anybody.
        return Rule("", Source(), Erroneous(error.message))
    name = attempt(lambda: fields.text(rule, "name", place), "")
    if name:
        place = f"{place} ({name[:64]})"
    else:
        name = place.rpartition(".")[2]
    attempt(lambda: fields.known(rule, _RULE, place), None)
    source = attempt(lambda: _source(rule, f"{place}.source", attempt), Source())
    target = attempt(lambda: _target(rule, place, files), None)
    if attempt.errors or target is None:
        return Rule(name, source, Erroneous("; ".join(attempt.errors)))
    return Rule(name, source, target)


def _source(rule: Mapping[str, Any], place: str, attempt: _Attempts) -> Source | None:
    """A condition that cannot be read counts as met: then the rule, which is erroneous by it, refuses."""
    if rule.get("source") is None:
        return None
    given = fields.mapping(rule["source"], place)
    attempt(lambda: fields.known(given, _SOURCE, place), None)

    def text(key: str) -> str | None:
        return None if given.get(key) is None else attempt(lambda: fields.text(given, key, place), None)

    def pattern(key: str) -> Pattern | None:
        source = text(key)
        return None if source is None else attempt(lambda: compiled(source, f"{place}.{key}"), None)

    return Source(
        text("user"),
        text("group"),
        text("uid"),
        text("cluster"),
        pattern("userPattern"),
        pattern("groupPattern"),
        pattern("clusterPattern"),
    )


def _target(rule: Mapping[str, Any], place: str, files: bool) -> Target:
    kind = fields.text(rule, "type", place)
    if kind == PRIVILEGED:
        return Privileged()
    if kind == STATIC:
        target = fields.mapping(rule.get("target"), f"{place}.target")
        fields.known(target, _TARGET, f"{place}.target")
        user = fields.text(target, "user", f"{place}.target")
        if not user:
            raise ConfigurationError(f"{place}.target.user: needed, since nobody can be impersonated without it")
        groups = dict.fromkeys(fields.texts(target, "groups", f"{place}.target"))
        return Static(Identity(user, tuple(groups), fields.text(target, "uid", f"{place}.target"), source="exchange"))
    if kind == EXTERNAL:
        return External(parse_webhook(fields.text(rule, "url", place), rule.get("webhook"), place, files))
    raise ConfigurationError(f"{place}.type: expected {PRIVILEGED}, {STATIC} or {EXTERNAL}")


def _policy(value: object) -> ImpersonationPolicy:
    place = "spec.impersonation"
    given = fields.mapping(value, place)
    fields.known(given, ("extras", "maxGroups", "maxHeaderBytes"), place)
    extras = fields.mapping(given.get("extras"), f"{place}.extras")
    fields.known(extras, ("keep", "drop"), f"{place}.extras")
    default = ImpersonationPolicy()

    def keys(key: str) -> tuple[str, ...]:
        return tuple(each.lower() for each in fields.texts(extras, key, f"{place}.extras"))

    return ImpersonationPolicy(
        None if extras.get("keep") is None else keys("keep"),
        default.drop if extras.get("drop") is None else keys("drop"),
        int(fields.number(given, "maxGroups", place, default.max_groups, MAX_GROUPS)),
        int(fields.number(given, "maxHeaderBytes", place, default.max_bytes, MAX_HEADER_BYTES)),
    )
