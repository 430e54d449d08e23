"""May they: RBAC, evaluated on the Roles and bindings in the store; and the refusals in kube-apiserver's words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from ..model.identity import Attributes, Identity
from ..model.reviews import forbidden
from .call import User
from .objects import Object
from .paths import Query, Target, first
from .status import ApiError, named
from .store import Key, Store

GROUP = "rbac.authorization.k8s.io"
MASTERS = "system:masters"
OPEN_PATHS = ("/healthz", "/livez", "/readyz", "/version")
DISCOVERY_PATHS = ("/api", "/apis", "/openapi", *OPEN_PATHS)
_ONE_NAME = re.compile(r"(?:^|,)metadata\.name==?([^,=!]+)(?:,|$)")


def access_of(target: Target, query: Query) -> Attributes:
    """
    What a request asks for. A list or watch of one name by field selector is allowed by C{resourceNames}, as
    kube-apiserver's RequestInfo has it.
    """
    if not target.resource:
        return Attributes(target.verb, path=target.path)
    named = _ONE_NAME.search(first(query, "fieldSelector")) if target.verb in ("list", "watch") else None
    return Attributes(
        target.verb,
        target.group,
        target.version,
        target.resource,
        target.subresource,
        target.namespace,
        named[1] if named else target.name,
    )


class Authorizer:
    """
    Decides.

    @ivar enabled: with RBAC off, everybody may do everything.
    """

    def __init__(self, store: Store, enabled: bool) -> None:
        self._store = store
        self.enabled = enabled

    def allowed(self, user: User, access: Attributes) -> bool:
        if not self.enabled or MASTERS in user.groups:
            return True
        if access.path and _is_discovery(user, access):
            return True
        if access.group in ("authorization.k8s.io", "authentication.k8s.io") and access.resource.startswith("self"):
            return "system:authenticated" in user.groups
        return any(_covers(rule, access) for rule in self._rules(user, access.namespace))

    def check(self, user: User, access: Attributes) -> None:
        """
        @raise ApiError: 403.
        """
        if not self.allowed(user, access):
            raise refusal(user, access)

    def rules(self, user: User, namespace: str) -> list[Object]:
        """All rules that a user has in a namespace."""
        return list(self._rules(user, namespace))

    def _rules(self, user: User, namespace: str) -> Iterator[Object]:
        for binding in self._store.listed(GROUP, "clusterrolebindings"):
            if _binds(binding, user, ""):
                yield from self._role_rules(binding, "")
        if namespace:
            for binding in self._store.listed(GROUP, "rolebindings", namespace):
                if _binds(binding, user, namespace):
                    yield from self._role_rules(binding, namespace)

    def _role_rules(self, binding: Object, namespace: str) -> Iterable[Object]:
        reference = binding["roleRef"]
        if reference["kind"] == "ClusterRole":
            role = self._store.get(Key(GROUP, "clusterroles", "", reference["name"]))
        else:
            role = self._store.get(Key(GROUP, "roles", namespace, reference["name"]))
        return (role or {}).get("rules") or ()


def _is_discovery(user: User, access: Attributes) -> bool:
    if access.verb not in ("get", "head"):
        return False
    within = DISCOVERY_PATHS if "system:authenticated" in user.groups else OPEN_PATHS
    return any(access.path == path or access.path.startswith(path + "/") for path in within)


def _binds(binding: Object, user: User, namespace: str) -> bool:
    for subject in binding.get("subjects") or ():
        name = subject["name"]
        if subject["kind"] == "User" and name == user.name:
            return True
        if subject["kind"] == "Group" and name in user.groups:
            return True
        inside = subject.get("namespace") or namespace
        if subject["kind"] == "ServiceAccount" and user.name == f"system:serviceaccount:{inside}:{name}":
            return True
    return False


def _covers(rule: Object, access: Attributes) -> bool:
    verbs = rule.get("verbs") or ()
    if "*" not in verbs and access.verb not in verbs:
        return False
    if access.path:
        return any(_path_matches(url, access.path) for url in rule.get("nonResourceURLs") or ())
    groups = rule.get("apiGroups") or ()
    if "*" not in groups and access.group not in groups:
        return False
    names = rule.get("resourceNames") or ()
    if names and access.name not in names:
        return False
    wanted = {"*", access.full_resource} | ({f"*/{access.subresource}"} if access.subresource else set())
    return not wanted.isdisjoint(rule.get("resources") or ())


def _path_matches(url: str, path: str) -> bool:
    return url in ("*", path) or (url.endswith("*") and path.startswith(url[:-1]))


def refusal(user: User, access: Attributes) -> ApiError:
    """A 403 as kube-apiserver words it."""
    details = {} if access.path else named(access.resource, access.group, access.name)
    return ApiError(403, "Forbidden", forbidden(Identity(user.name), access), details)
