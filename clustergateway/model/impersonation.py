"""An identity as the Impersonate-* header lines that a kube-apiserver takes it from."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from urllib.parse import quote

from ..errors import Forbidden, HeadersTooLarge
from .identity import AUTHENTICATED_GROUP, Extra, Identity

# What Go's net/http refuses in a value (httpguts.ValidHeaderFieldValue), and the white space that it strips from
# both ends: with it, another name would arrive than was meant.
_UNSAFE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]|^[\t ]|[\t ]\Z")
# RFC 9110 section 5.6.2, without the percent sign that kube-apiserver decodes (url.PathUnescape).
_TOKEN = "!#$&'*+-.^_`|~"

LINE_OVERHEAD = 2
"""The CR LF behind each line."""


@dataclass(frozen=True, slots=True)
class ImpersonationPolicy:
    """
    What of an identity is shown to a cluster, and how much.

    @ivar keep: the extras shown: keys, or with a C{*} at the end what keys begin with; C{None} for all.
    @ivar drop: the extras not shown, likewise; stronger than C{keep}. By default those that describe the credential a
        user showed to the hub: they mean nothing in another cluster, and its RBAC seldom allows impersonating them.
    @ivar max_groups: most groups; a kube-apiserver asks its authorizer about every single one.
    @ivar max_bytes: most bytes of all lines together; Go's servers take 1 MiB for a whole head and then reset.
    """

    keep: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ("authentication.kubernetes.io/*",)
    max_groups: int = 1024
    max_bytes: int = 256 * 1024

    def shows(self, key: str) -> bool:
        """Is this extra shown?"""
        return (self.keep is None or _listed(self.keep, key)) and not _listed(self.drop, key)

    def shown(self, identity: Identity) -> Identity:
        """The identity without the extras that are not shown, and without the group that every cluster adds itself."""
        extra: Extra = tuple((key, values) for key, values in identity.extra if self.shows(key.lower()))
        groups = tuple(group for group in identity.groups if group != AUTHENTICATED_GROUP)
        return replace(identity, groups=groups, extra=extra)


DEFAULT_POLICY = ImpersonationPolicy()


def impersonation_lines(identity: Identity, policy: ImpersonationPolicy = DEFAULT_POLICY) -> tuple[bytes, ...]:
    """
    @return: header lines without line ends, C{Impersonate-User} first. Never empty: an identity that cannot be shown
        is an error, because a request without these lines is done with the gateway's own rights.
    @raise Forbidden: a part of the identity cannot travel in a header unchanged.
    @raise HeadersTooLarge: there is more of it than the policy lets through.
    """
    shown = policy.shown(identity)
    if not shown.user:
        raise Forbidden("an identity without a user name cannot be impersonated")
    if len(shown.groups) > policy.max_groups:
        raise HeadersTooLarge(
            f"the user is in {len(shown.groups)} groups; at most {policy.max_groups} are passed on to a cluster"
        )
    lines = [b"Impersonate-User: " + _value(shown.user, "user name")]
    lines += [b"Impersonate-Group: " + _value(_filled(group, "group"), "group") for group in shown.groups]
    if shown.uid:
        lines.append(b"Impersonate-Uid: " + _value(shown.uid, "uid"))
    for key, values in shown.extra:
        name = b"Impersonate-Extra-" + _key(_filled(key, "extra key")) + b": "
        lines += [name + _value(value, "extra value") for value in values]
    size = sum(map(len, lines)) + LINE_OVERHEAD * len(lines)
    if size > policy.max_bytes:
        raise HeadersTooLarge(
            f"the user's identity takes {size} bytes of headers; at most {policy.max_bytes} are passed on to a cluster"
        )
    return tuple(lines)


def _listed(patterns: tuple[str, ...], key: str) -> bool:
    return any(key.startswith(each[:-1]) if each.endswith("*") else key == each for each in patterns)


def _filled(text: str, what: str) -> str:
    if not text:
        raise Forbidden(f"an identity with an empty {what} cannot be impersonated")
    return text


def _value(text: str, what: str) -> bytes:
    raw = _utf8(text, what)
    if _UNSAFE.search(raw):
        raise Forbidden(f"the user's {what} holds control characters or outer white space: it cannot be impersonated")
    return raw


def _key(key: str) -> bytes:
    """As client-go escapes keys; lowercase, since kube-apiserver lowercases them before it decodes them."""
    _utf8(key, "extra key")
    return quote(key.lower(), safe=_TOKEN).encode("ascii")


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise Forbidden(f"the user's {what} is not valid Unicode: it cannot be impersonated") from None
