"""For whom a proxy says that it asks: addresses, for logs alone. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

MOST = 16
"""Most addresses believed of one request: the nearest, which the nearest proxies added."""
_LOOKED_AT = 64
_LONGEST = 45  # an IPv6 address that ends in an IPv4 one


def forwarded_for(fields: Iterable[tuple[bytes, bytes]]) -> tuple[str, ...]:
    """
    The way of a request as kube-apiserver tells it (k8s.io/apimachinery, C{util/net} C{SourceIPs}), without its last
    leg: what is valid in C{X-Forwarded-For}, then C{X-Real-Ip} if that is another one. Only to be believed from a proxy
    that is trusted.

    @param fields: names lowercased, in order of arrival.
    @return: IP addresses, the client's first.
    """
    ways: list[bytes] = []
    real: list[bytes] = []
    for name, value in fields:
        (ways if name == b"x-forwarded-for" else real).append(value)
    parts = b",".join(ways).rsplit(b",", _LOOKED_AT)
    # Past the bound the first part is all the rest in one.
    found = [ip for part in parts[-_LOOKED_AT:] if (ip := _address(part.strip(b" \t")))][-MOST:]
    for value in real[:1]:
        ip = _address(value)
        if ip and ip not in found:
            found.append(ip)
    return tuple(found)


def _address(text: bytes) -> str:
    return _parsed(text) if len(text) <= _LONGEST else ""


@lru_cache(1024)
def _parsed(text: bytes) -> str:
    """The address as it is usually written, C{""} for none. Zones mean nothing elsewhere."""
    try:
        found = ip_address(text.decode("ascii"))
    except ValueError:
        return ""
    if not isinstance(found, IPv6Address):
        return str(found)
    return "" if found.scope_id else str(found.ipv4_mapped or found)
