"""
The target of a proxied request: which cluster, and what there.

Runs for every proxied request. What is behind C{/proxy} belongs to the cluster and is kept to the byte: the gateway
takes out its own options and touches nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote_from_bytes, unquote_to_bytes

from ..errors import BadRequest
from .http1 import goes_up
from .query import is_true

PREFIX = b"/apis/cluster.core.oam.dev/v1alpha1/clustergateways/"
PROXY = b"/proxy"
MAXIMUM_NAME = 253
_NAME = re.compile(rb"[a-z0-9]+(?:-+[a-z0-9]+)*(?:\.[a-z0-9]+(?:-+[a-z0-9]+)*)*\Z")
_SAFE_IN_PATH = "/:@!$&'()*+,;=~"


@dataclass(frozen=True, slots=True)
class Route:
    """
    @ivar name: of the cluster, a DNS-1123 subdomain.
    @ivar rest: the path inside the cluster, as sent: C{b""} or beginning with a slash.
    @ivar query: as sent, beginning with C{?}, or C{b""} if there is none; without the gateway's own options.
    @ivar impersonate: what the option of that name says, C{None} if it is not there.
    """

    name: str
    rest: bytes
    query: bytes = b""
    impersonate: bool | None = None

    @property
    def target(self) -> bytes:
        """What to ask the cluster for, below the base path of its endpoint."""
        return (self.rest or b"/") + self.query


def is_proxied(target: bytes) -> bool:
    """Whether C{parse_route} has something to say about this request target: a route, or an error."""
    return target.startswith(PREFIX) and _find_end(target) > 0


def parse_route(target: bytes) -> Route | None:
    """
    @param target: the request target in origin-form.
    @return: C{None} if it is not one to be proxied.
    @raise BadRequest: the path has C{..} segments: what is permitted here could be something else behind a server that
        takes them out.
    """
    if not target.startswith(PREFIX):
        return None
    end = _find_end(target)
    if end < 0:
        return None
    name = target[len(PREFIX) : end].decode("ascii")
    path_at = end + len(PROXY)
    query_at = target.find(b"?", path_at)
    if query_at < 0:
        rest, query = target[path_at:], b""
    else:
        rest, query = target[path_at:query_at], target[query_at:]
    impersonate: bool | None = None
    if query and b"impersonate" in query:
        said, query = _take_option(query, b"impersonate")
        impersonate = None if said is None else is_true(said.decode("latin-1"))
    if not rest and b"path=" in query:
        path, query = _take_option(query, b"path")
        rest = _encode_path(path) if path else b""
    if (b".." in rest or b"%2" in rest) and goes_up(rest):
        raise BadRequest("the path has .. segments")
    return Route(name, rest, query, impersonate)


def _find_end(target: bytes) -> int:
    """Where the name ends, -1 if no valid name with C{/proxy} behind it is there."""
    start = len(PREFIX)
    end = target.find(b"/", start, start + MAXIMUM_NAME + 1)
    if end < 0 or not target.startswith(PROXY, end) or not _NAME.match(target, start, end):
        return -1
    return end if target[end + len(PROXY) : end + len(PROXY) + 1] in (b"", b"/", b"?") else -1


def _take_option(query: bytes, option: bytes) -> tuple[bytes | None, bytes]:
    """
    @param query: with its C{?}.
    @return: the decoded first value of this option (C{None}: not there) and the query without it.
    """
    value: bytes | None = None
    kept = []
    for pair in query[1:].split(b"&"):
        key, _, text = pair.partition(b"=")
        if key != option:
            kept.append(pair)
        elif value is None:
            value = unquote_to_bytes(text.replace(b"+", b" "))
    if value is None:
        return None, query
    return value, b"?" + b"&".join(kept) if kept else b""


def _encode_path(path: bytes) -> bytes:
    encoded = quote_from_bytes(path, safe=_SAFE_IN_PATH).encode("ascii")
    return encoded if encoded.startswith(b"/") else b"/" + encoded
