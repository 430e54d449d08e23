"""
Lists, in pages where the client wants them.

All pages of one list are of the version of the first: the continue token says which one that is, and which object comes
next. It is not secret and not signed: whoever makes one up gets a page of what they may list anyway.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from ..errors import BadRequest, Expired, ResourceVersionTooLarge
from .listoptions import ListOptions
from .watchcache import Versioned, WatchCache

TOKEN_VERSION = "meta.k8s.io/v1"


class Selectable(Versioned, Protocol):
    @property
    def labels(self) -> Mapping[str, str]: ...


T = TypeVar("T", bound=Selectable)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """
    @ivar version: of the list that this is a page of.
    @ivar continue_token: asks for the next page, C{""} if this is the last.
    @ivar remaining: how many objects are on the pages to come; C{None} if there is none, or a selector hides how many.
    """

    items: Sequence[T]
    version: int
    continue_token: str = ""
    remaining: int | None = None


def selects(options: ListOptions, value: Selectable) -> bool:
    """Whether an object is one of those asked for."""
    return options.labels.matches(value.labels) and options.fields.matches({"metadata.name": value.name})


def list_page(cache: WatchCache[T], options: ListOptions) -> Page[T]:
    """
    @raise BadRequest: the continue token is not one of ours.
    @raise Expired: the version that is asked for, or that the token continues, is forgotten.
    @raise ResourceVersionTooLarge: the version that is asked for is yet to come.
    """
    if options.continue_token:
        version, start = decode_token(options.continue_token)
        items = _continued(cache, version, start)
    else:
        wanted = options.version or 0
        if wanted > cache.version:
            raise ResourceVersionTooLarge(wanted, cache.version)
        version = wanted if options.exact else cache.version
        items = cache.list(version)
    if not options.selects_all:
        items = [item for item in items if selects(options, item)]
    if not options.limit or len(items) <= options.limit:
        return Page(items, version)
    token = encode_token(version, items[options.limit].name)
    remaining = len(items) - options.limit if options.selects_all else None
    return Page(items[: options.limit], version, token, remaining)


def _continued(cache: WatchCache[T], version: int, start: str) -> Sequence[T]:
    try:
        if version > cache.version:
            raise Expired(f"unknown resource version: {version}")
        items = cache.list(version)
    except Expired:
        raise Expired("the continue token is too old: what it continues is no longer known; list again") from None
    for position, item in enumerate(items):
        if item.name == start:
            return items[position:]
    raise BadRequest("continue key is not valid: no such object in the list that it continues")


def encode_token(version: int, start: str) -> str:
    """
    @param start: the name of the first object of the next page.
    """
    text = json.dumps({"v": TOKEN_VERSION, "rv": version, "start": start}, separators=(",", ":"))
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode_token(token: str) -> tuple[int, str]:
    """
    @return: version and first name, as given to C{encode_token}.
    @raise BadRequest: it was not made by it.
    """
    try:
        content = json.loads(urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, RecursionError):
        raise BadRequest("continue key is not valid") from None
    if isinstance(content, dict) and content.get("v") == TOKEN_VERSION:
        version, start = content.get("rv"), content.get("start")
        if type(version) is int and version > 0 and isinstance(start, str) and start:
            return version, start
    raise BadRequest("continue key is not valid: this server did not make it")
