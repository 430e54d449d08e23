"""
What a managed cluster has to grant the gateway, so that it can impersonate whom the rules in force name, nobody else.

How kube-apiserver asks is in k8s.io/apiserver, C{endpoints/filters/impersonation}: every user, group, uid and value of
an extra is authorized by itself. With constrained impersonation (KEP-5284; on since Kubernetes 1.36) it asks for
C{impersonate:MODE} on who is impersonated and for C{impersonate-on:MODE:VERB} on what is done in their name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .exchange import Configuration, Erroneous, External, Privileged, Rule, Source
from .identity import AUTHENTICATED_GROUP, PRIVILEGED_GROUP, Identity
from .impersonation import ImpersonationPolicy

RBAC = "rbac.authorization.k8s.io"
AUTHENTICATION = "authentication.k8s.io"
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")
_PATH_VERBS = {
    "get": ("get", "head", "options"),
    "create": ("post",),
    "update": ("put",),
    "patch": ("patch",),
    "delete": ("delete",),
}

USER = "user-info"
ACCOUNT = "serviceaccount"
NODE = "arbitrary-node"

_ACCOUNT_PREFIX = "system:serviceaccount:"
_NODE_PREFIX = "system:node:"

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Callers:
    """
    Who enters the cluster as themselves, where no rule is for them.

    @ivar anyone: whoever may use the gateway; then the others mean nothing.
    """

    anyone: bool = True
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    uids: tuple[str, ...] = ()


@dataclass(slots=True)
class Needs:
    """
    Whom the gateway impersonates.

    @ivar anyone: any user, in any group, with any uid and extra; then the names mean nothing.
    @ivar accounts: service accounts, as (namespace, name); C{nodes} are names of nodes.
    @ivar extras: with those extras that are passed on by name. Only callers have any.
    @ivar legacy: who cannot be impersonated under constraints, and therefore needs the plain verb.
    @ivar notes: what a person should know about the result.
    """

    anyone: bool = False
    users: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    uids: set[str] = field(default_factory=set)
    accounts: set[tuple[str, str]] = field(default_factory=set)
    nodes: set[str] = field(default_factory=set)
    extras: bool = False
    legacy: Needs | None = None
    notes: list[str] = field(default_factory=list)

    def add(self, identity: Identity) -> None:
        account = service_account(identity.user)
        if account is not None:
            self.accounts.add(account)
        elif identity.user.startswith(_NODE_PREFIX):
            self.nodes.add(identity.user.removeprefix(_NODE_PREFIX))
        else:
            self.users.add(identity.user)
        self.groups |= set(identity.groups) - {AUTHENTICATED_GROUP}
        self.uids |= {identity.uid} - {""}


def service_account(user: str) -> tuple[str, str] | None:
    """Namespace and name of a service account's user name, C{None} for another's."""
    parts = user.removeprefix(_ACCOUNT_PREFIX).split(":") if user.startswith(_ACCOUNT_PREFIX) else []
    return (parts[0], parts[1]) if len(parts) == 2 and all(parts) else None


def needs(configurations: Iterable[Configuration], cluster: str, callers: Callers, constrained: bool) -> Needs:
    """
    @param configurations: the cluster's own before the global one.
    @param cluster: rules that are not for it do not count; C{""} for a cluster of any name.
    @param constrained: whether the cluster constrains impersonation.
    """
    found = Needs(legacy=Needs() if constrained else None)
    for rule in (rule for configuration in configurations for rule in configuration.rules):
        if rule.source is None or not _concerns(rule.source, cluster):
            continue
        _add_rule(found, rule)
        if _is_for_everybody(rule.source, cluster):
            return found
    if callers.anyone:
        found.anyone = True
        found.notes.append("Callers for whom there is no rule are impersonated as they are: this allows any identity.")
        if found.legacy is not None:
            found.notes.append("Under constraints no service account or node can be a caller: they come with groups.")
    else:
        _add_callers(found, callers)
    return found


def _add_callers(found: Needs, callers: Callers) -> None:
    for user in callers.users or ("",):
        # Under constraints a service account or node can only be impersonated bare, and a caller is in groups.
        special = service_account(user) is not None or user.startswith(_NODE_PREFIX)
        needed = found.legacy if special and found.legacy is not None else found
        if user:
            needed.add(Identity(user))
        needed.groups |= set(callers.groups) - {AUTHENTICATED_GROUP}
        needed.uids |= set(callers.uids)
        needed.extras = bool(callers.users or callers.groups)


def _concerns(source: Source, cluster: str) -> bool:
    if not cluster:
        return True
    return source.cluster in (None, cluster) and (
        source.cluster_pattern is None or source.cluster_pattern.found(cluster)
    )


def _is_for_everybody(source: Source, cluster: str) -> bool:
    """@param cluster: the source concerns it."""
    anywhere = source.cluster is None and source.cluster_pattern is None
    whoever = (source.user, source.group, source.uid, source.user_pattern, source.group_pattern)
    return (bool(cluster) or anywhere) and all(each is None for each in whoever)


def _add_rule(found: Needs, rule: Rule) -> None:
    target = rule.target
    if isinstance(target, Privileged):
        found.notes.append(f"Rule {rule.name} acts as the gateway itself: what it may do is to be granted besides.")
    elif isinstance(target, External):
        found.anyone = True
        found.notes.append(f"Rule {rule.name} asks a webhook: this allows any identity.")
    elif not isinstance(target, Erroneous):
        groups = set(target.identity.groups) - {AUTHENTICATED_GROUP}
        if PRIVILEGED_GROUP in groups:
            found.notes.append(f"Rule {rule.name} makes an administrator of its callers ({PRIVILEGED_GROUP}).")
        special = service_account(target.identity.user) or target.identity.user.startswith(_NODE_PREFIX)
        if found.legacy is not None and (PRIVILEGED_GROUP in groups or (special and (groups or target.identity.uid))):
            found.notes.append(f"Rule {rule.name} names what cannot be impersonated under constraints.")
            found.legacy.add(target.identity)
        else:
            found.add(target.identity)


def manifests(
    found: Needs, subject: Manifest, name: str, policy: ImpersonationPolicy, verbs: Sequence[str] = VERBS
) -> list[Manifest]:
    """
    @param subject: the gateway, as a subject of a RoleBinding.
    @param name: of the roles.
    @param policy: says which extras are passed on.
    @param verbs: what may be done in somebody else's name, if that is constrained.
    """
    if found.legacy is None:
        return _roles(_plain(found, policy), found.accounts, ("", "impersonate"), subject, name)
    rules = _constrained(found, policy)
    modes = {USER: found.anyone or found.users, ACCOUNT: found.accounts, NODE: found.nodes}
    rules += [rule for mode, used in modes.items() if used for rule in _actions(mode, verbs)]
    made = _roles(rules, found.accounts, (AUTHENTICATION, f"impersonate:{ACCOUNT}"), subject, name)
    plain = _plain(found.legacy, policy)
    return made + _roles(plain, found.legacy.accounts, ("", "impersonate"), subject, f"{name}-plain")


def _plain(found: Needs, policy: ImpersonationPolicy) -> list[Manifest]:
    users = found.users | {_NODE_PREFIX + node for node in found.nodes}
    rules = [
        _rule("", "users", "impersonate", users, found.anyone),
        _rule("", "groups", "impersonate", found.groups, found.anyone),
        _rule("", "serviceaccounts", "impersonate", set(), found.anyone),
        _rule(AUTHENTICATION, "uids", "impersonate", found.uids, found.anyone),
        _extras("impersonate", found, policy),
    ]
    return [rule for rule in rules if rule is not None]


def _constrained(found: Needs, policy: ImpersonationPolicy) -> list[Manifest]:
    verb = f"impersonate:{USER}"
    rules = [
        _rule(AUTHENTICATION, "users", verb, found.users, found.anyone),
        _rule(AUTHENTICATION, "groups", verb, found.groups, found.anyone),
        _rule(AUTHENTICATION, "uids", verb, found.uids, found.anyone),
        _extras(verb, found, policy),
        _rule(AUTHENTICATION, "nodes", f"impersonate:{NODE}", found.nodes, False),
    ]
    return [rule for rule in rules if rule is not None]


def _rule(group: str, resource: str, verb: str, names: set[str], anyone: bool) -> Manifest | None:
    if not names and not anyone:
        return None
    rule: Manifest = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
    if not anyone:
        rule["resourceNames"] = sorted(names)
    return rule


def _extras(verb: str, found: Needs, policy: ImpersonationPolicy) -> Manifest | None:
    """
    RBAC knows no C{userextras/*}: unless their keys are listed, all resources of the group it takes. That would be too
    much for callers who are known by name.
    """
    if not found.anyone:
        keys = [key for key in policy.keep or () if not key.endswith("*") and policy.shows(key)]
        return _extra_keys(verb, keys) if found.extras and keys else None
    keys = ["*"] if policy.keep is None else [key for key in policy.keep if key.endswith("*") or policy.shows(key)]
    if not keys:
        return None
    if any(key.endswith("*") for key in keys):
        return {"apiGroups": [AUTHENTICATION], "resources": ["*"], "verbs": [verb]}
    return _extra_keys(verb, keys)


def _extra_keys(verb: str, keys: Iterable[str]) -> Manifest:
    resources = sorted(f"userextras/{key}" for key in keys)
    return {"apiGroups": [AUTHENTICATION], "resources": resources, "verbs": [verb]}


def _actions(mode: str, verbs: Sequence[str]) -> list[Manifest]:
    allowed = [f"impersonate-on:{mode}:{verb}" for verb in verbs]
    paths = [f"impersonate-on:{mode}:{each}" for verb in verbs for each in _PATH_VERBS.get(verb, ())]
    rules: list[Manifest] = [{"apiGroups": ["*"], "resources": ["*"], "verbs": allowed}]
    return [*rules, {"nonResourceURLs": ["*"], "verbs": paths}] if paths else rules


def _roles(
    rules: list[Manifest], accounts: set[tuple[str, str]], verb: tuple[str, str], subject: Manifest, name: str
) -> list[Manifest]:
    """@param verb: API group and verb for service accounts."""
    made = _bound("ClusterRole", {"name": name}, rules, subject) if rules else []
    for namespace in sorted({namespace for namespace, _ in accounts}):
        names = {account for each, account in accounts if each == namespace}
        rule = _rule(verb[0], "serviceaccounts", verb[1], names, False)
        assert rule is not None
        made += _bound("Role", {"name": name, "namespace": namespace}, [rule], subject)
    return made


def _bound(kind: str, metadata: Manifest, rules: list[Manifest], subject: Manifest) -> list[Manifest]:
    return [
        {"apiVersion": f"{RBAC}/v1", "kind": kind, "metadata": metadata, "rules": rules},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": f"{kind}Binding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": metadata["name"]},
            "subjects": [subject],
        },
    ]
