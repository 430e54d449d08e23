"""
As whom: the C{Impersonate-*} headers, and the rights that they need.

There are two ways to have them. The old one is the verb C{impersonate} on every name that is taken on. Constrained
impersonation (KEP-5284) also asks for what: C{impersonate:MODE} on the names, and C{impersonate-on:MODE:VERB} on what
the request is about. It is tried first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote

from ..model.identity import Attributes
from .authn import AUTHENTICATED
from .call import ANONYMOUS, User
from .rbac import Authorizer, refusal
from .status import bad_request

_ACCOUNT = "system:serviceaccount:"
_EXTRA = "impersonate-extra-"
_AUTHN = "authentication.k8s.io"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the headers say; C{extra} in pairs."""

    name: str
    uid: str
    groups: tuple[str, ...]
    extra: tuple[tuple[str, str], ...]


def impersonated(user: User, headers: Sequence[tuple[str, str]], authorizer: Authorizer, on: Attributes) -> User:
    """
    The user that the headers name, or C{user} if they name none.

    @param headers: all of the request, names in lower case.
    @param on: what the request is about.
    @raise ApiError: 403, or 400 for groups without a user.
    """
    asked = _asked(headers)
    if not asked.name:
        if asked.groups or asked.uid or asked.extra:
            groups = "{" + ", ".join(f'"{group}"' for group in asked.groups) + "}" if asked.groups else "(nil)"
            shown = f'&user.DefaultInfo{{Name:"", UID:"{asked.uid}", Groups:[]string{groups}'
            raise bad_request(f"requested {shown}, Extra:map[string][]string(nil)}} without impersonating a user name")
        return user
    constrained = _refused(user, authorizer, _constrained(asked, on))
    if constrained is not None:
        wanted = _legacy(asked)
        refused = _refused(user, authorizer, wanted)
        if refused is not None:
            raise refusal(user, constrained if refused == wanted[0] else refused)
    return _user(asked)


def _asked(headers: Iterable[tuple[str, str]]) -> _Asked:
    single = {"impersonate-user": "", "impersonate-uid": ""}
    groups: list[str] = []
    extra: list[tuple[str, str]] = []
    for key, value in headers:
        if key in single:
            single[key] = single[key] or value
        elif key == "impersonate-group":
            groups.append(value)
        elif key.startswith(_EXTRA):
            extra.append((unquote(key[len(_EXTRA) :]).lower(), value))
    return _Asked(single["impersonate-user"], single["impersonate-uid"], tuple(groups), tuple(extra))


def _legacy(asked: _Asked) -> list[Attributes]:
    found = [_account(asked.name, "impersonate") or Attributes("impersonate", resource="users", name=asked.name)]
    found += [Attributes("impersonate", resource="groups", name=group) for group in asked.groups]
    return found + _rest(asked, "impersonate")


def _constrained(asked: _Asked, on: Attributes) -> list[Attributes]:
    mode = "user-info"
    if asked.name.startswith(_ACCOUNT):
        mode = "serviceaccount"
    elif asked.name.startswith("system:node:"):
        mode = "arbitrary-node"
    verb = f"impersonate:{mode}"
    who = _account(asked.name, verb) or Attributes(verb, _AUTHN, resource="users", name=asked.name)
    found = [replace(on, verb=f"impersonate-on:{mode}:{on.verb}"), who]
    found += [Attributes(verb, _AUTHN, resource="groups", name=group) for group in asked.groups]
    return found + _rest(asked, verb)


def _account(name: str, verb: str) -> Attributes | None:
    if not name.startswith(_ACCOUNT):
        return None
    namespace, _, account = name[len(_ACCOUNT) :].partition(":")
    return Attributes(verb, resource="serviceaccounts", namespace=namespace, name=account)


def _rest(asked: _Asked, verb: str) -> list[Attributes]:
    uids = [Attributes(verb, _AUTHN, resource="uids", name=asked.uid)] if asked.uid else []
    return uids + [Attributes(verb, _AUTHN, "", "userextras", key, name=value) for key, value in asked.extra]


def _refused(user: User, authorizer: Authorizer, wanted: Iterable[Attributes]) -> Attributes | None:
    return next((access for access in wanted if not authorizer.allowed(user, access)), None)


def _user(asked: _Asked) -> User:
    groups = asked.groups
    if asked.name.startswith(_ACCOUNT) and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{asked.name.split(':')[2]}")
    own = AUTHENTICATED if asked.name != ANONYMOUS.name else ANONYMOUS.groups[0]
    extra: dict[str, tuple[str, ...]] = {}
    for key, value in asked.extra:
        extra[key] = (*extra.get(key, ()), value)
    return User(asked.name, tuple(dict.fromkeys([*groups, own])), asked.uid, extra)
