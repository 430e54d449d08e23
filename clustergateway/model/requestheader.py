"""The identity that a front proxy passes in headers, and what makes it believed. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from ..errors import Unauthenticated
from .identity import Identity

Headers = Iterable[tuple[bytes, bytes]]


def _lowered(names: tuple[str, ...]) -> tuple[bytes, ...]:
    return tuple(name.lower().encode("latin-1") for name in names)


@dataclass(frozen=True, slots=True)
class RequestHeaderTrust:
    """
    Whose headers are believed, and which headers those are: one value, replaced as a whole.

    The names are those of kube-apiserver's C{--requestheader-*} flags and of the ConfigMap
    C{kube-system/extension-apiserver-authentication}.

    @ivar ca: PEM bundle that the front proxy's certificate must lead to.
    @ivar allowed_names: common names a front proxy may have; none given means any.
    @ivar uid_headers: none unless the front proxy is known to set them: one that does not know them passes a client's
        own through.
    """

    ca: bytes
    allowed_names: tuple[str, ...] = ()
    username_headers: tuple[str, ...] = ("X-Remote-User",)
    group_headers: tuple[str, ...] = ("X-Remote-Group",)
    extra_prefixes: tuple[str, ...] = ("X-Remote-Extra-",)
    uid_headers: tuple[str, ...] = ()
    _users: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    _groups: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    _extras: tuple[bytes, ...] = field(init=False, repr=False, compare=False)
    _uids: tuple[bytes, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_users", _lowered(self.username_headers))
        object.__setattr__(self, "_groups", _lowered(self.group_headers))
        object.__setattr__(self, "_extras", _lowered(self.extra_prefixes))
        object.__setattr__(self, "_uids", _lowered(self.uid_headers))

    def names_user(self, headers: Headers) -> bool:
        """Do these header fields (names lowercased) claim an identity at all?"""
        users = self._users
        return any(name in users and value for name, value in headers)

    def identity(self, headers: Headers) -> Identity | None:
        """
        @param headers: names lowercased, values stripped, in order of arrival.
        @return: the identity they claim, or C{None} if they name no user. Only to be believed from a front proxy.
        @raise Unauthenticated: they name two users or two uids, or are not UTF-8.
        """
        fields = [(name, value) for name, value in headers if value]
        user = _only(fields, self._users, "user")
        if not user:
            return None
        groups = [_text(value) for wanted in self._groups for name, value in fields if name == wanted]
        extra: dict[str, list[str]] = {}
        for name, value in fields:
            for prefix in self._extras:
                if name.startswith(prefix) and len(name) > len(prefix):
                    extra.setdefault(_extra_key(name[len(prefix) :]), []).append(_text(value))
                    break
        return Identity(
            user,
            tuple(dict.fromkeys(groups)),
            _only(fields, self._uids, "uid"),
            tuple((key, tuple(values)) for key, values in extra.items()),
            "requestheader",
        )


def _only(fields: list[tuple[bytes, bytes]], names: tuple[bytes, ...], what: str) -> str:
    """The value of the first configured header that is there: the order of names is an order of preference."""
    for wanted in names:
        values = {value for name, value in fields if name == wanted}
        if len(values) > 1:
            # A proxy that adds its header without removing the client's own is no proof of anything.
            raise Unauthenticated(f"The front proxy names more than one {what}.")
        for value in values:
            return _text(value)
    return ""


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise Unauthenticated("The front proxy's identity headers are not UTF-8.") from None


def _extra_key(name: bytes) -> str:
    """Keys are percent-encoded where a header name could not hold them (user.Info extra keys are lowercase)."""
    return unquote_to_bytes(name).decode("utf-8", "replace").lower()
