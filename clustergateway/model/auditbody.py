"""Bodies as the audit log shows them: objects, of the kinds that hold no secret, within bounds. Pure."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable
from typing import Any

from . import headers

# Whatever the policy says: what these resources carry is a credential. Any API group: a look-alike has the same right.
SECRET_RESOURCES = frozenset(
    (
        "secrets",
        "tokenreviews",
        "tokenrequests",
        "serviceaccounts/token",
        "oauthaccesstokens",
        "oauthauthorizetokens",
        "useroauthaccesstokens",
    )
)
SECRET_KINDS = frozenset(
    (
        *("Secret", "SecretList", "TokenReview", "TokenRequest", "OAuthAccessToken", "OAuthAccessTokenList"),
        *("OAuthAuthorizeToken", "OAuthAuthorizeTokenList", "UserOAuthAccessToken", "UserOAuthAccessTokenList"),
    )
)
# With none of these something of such a kind is a reference, which holds no secret.
_CONTENTS = frozenset(("data", "stringData", "spec", "status", "items"))
# Behind these is an application's own traffic, not objects.
OPAQUE = frozenset(("proxy", "exec", "attach", "portforward", "log"))


class Omitted(Exception):  # not an error: nothing failed
    """The body is not shown; the message says why."""


def hidden(resource: str, subresource: str, verb: str) -> str:
    """
    @return: why bodies of such a request are not in the audit log, C{""} if they may be.
    """
    if not resource:
        return "it is no resource's"
    for each in (resource, f"{resource}/{subresource}"):
        if each in SECRET_RESOURCES:
            return f"{each} hold secrets"
    return "it is a stream" if subresource in OPAQUE or verb in ("watch", "proxy") else ""


class Collected:
    """
    A body's bytes as they pass, without their framing, up to a limit.

    @ivar size: bytes that passed.
    """

    __slots__ = ("_limit", "_parts", "size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, data: bytes) -> None:
        self.size += len(data)
        if self.size <= self._limit:
            self._parts.append(data)
        else:
            self._parts.clear()

    def shown(self, lines: Iterable[bytes], omit_managed_fields: bool = False) -> Any:
        """
        @param lines: the header lines that came with it.
        @return: the object, C{None} for an empty body.
        @raise Omitted: it is too large, none, or one that holds a secret.
        """
        if not self.size:
            return None
        if self.size > self._limit:
            raise Omitted(f"larger than {self._limit} bytes")
        fields = {headers.name(line): headers.value(line).lower() for line in lines if b":" in line}
        body = _decoded(b"".join(self._parts), fields.get(b"content-encoding", b"identity"), self._limit)
        return _object(body, omit_managed_fields)


def _decoded(body: bytes, coding: bytes, limit: int) -> bytes:
    if coding == b"identity":
        return body
    if coding != b"gzip":
        raise Omitted("its content coding is not known")
    unpacker = zlib.decompressobj(31)
    try:
        plain = unpacker.decompress(body, limit + 1)
    except zlib.error:
        raise Omitted("it is not gzip as it says") from None
    if len(plain) > limit:
        raise Omitted(f"larger than {limit} bytes")
    return plain


def _object(body: bytes, omit_managed_fields: bool) -> Any:
    try:
        value = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Omitted("it is not JSON") from None
    if not isinstance(value, dict | list):
        raise Omitted("it is no object")
    if any(each.get("kind") in SECRET_KINDS and not _CONTENTS.isdisjoint(each) for each in _within(value)):
        raise Omitted("it holds a secret")
    for each in _objects(value):
        if each.get("kind") in SECRET_KINDS:
            raise Omitted("it holds a secret")
        if omit_managed_fields and isinstance(each.get("metadata"), dict):
            each["metadata"].pop("managedFields", None)
    return value


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _within(value: Any) -> Iterable[dict[str, Any]]:
    """Every mapping in it, however deep: a ManifestWork, for instance, carries whole objects."""
    pending: list[Any] = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, dict):
            yield current
            pending += current.values()
        elif isinstance(current, list):
            pending += current


def _objects(value: dict[str, Any] | list[Any]) -> Iterable[dict[str, Any]]:
    """The object itself, a list's items, and the objects in the rows of a Table."""
    pending: list[Any] = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, list):
            pending += current
        elif isinstance(current, dict):
            yield current
            pending += [current[key] for key in ("items", "rows", "object") if key in current]
