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
        users: list[tuple[bytes, bytes]] = []
        uids: list[tuple[bytes, bytes]] = []
        groups: list[tuple[bytes, bytes]] = []
        extra: dict[str, tuple[str, ...]] = {}
        for name, value in headers:
            if not value:
                continue
            if name in self._users:
                users.append((name, value))
            elif name in self._groups:
                groups.append((name, value))
            elif name in self._uids:
                uids.append((name, value))
            elif name.startswith(self._extras) and (key := self._key(name)):
                extra[key] = (*extra.get(key, ()), _text(value))
        user = _only(users, self._users, "user")
        if not user:
            return None
        if len(self._groups) > 1:
            groups.sort(key=lambda field: self._groups.index(field[0]))
        return Identity(
            user,
            tuple(dict.fromkeys([_text(value) for _, value in groups])),
            _only(uids, self._uids, "uid") if uids else "",
            tuple(extra.items()),
            "requestheader",
        )

    def _key(self, name: bytes) -> str:
        """Keys are percent-encoded where a header name could not hold them (user.Info extra keys are lowercase)."""
        for prefix in self._extras:
            if name.startswith(prefix):
                return unquote_to_bytes(name[len(prefix) :]).decode("utf-8", "replace").lower()
        return ""


def _only(fields: list[tuple[bytes, bytes]], names: tuple[bytes, ...], what: str) -> str:
    """The value of the first configured header that is there: the order of names is an order of preference."""
    if len(fields) == 1:
        return _text(fields[0][1])
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
