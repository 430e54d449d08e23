"""What is said to a proxy before a connection through it belongs to those who wanted it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..errors import UpstreamUnresolvable


@dataclass(frozen=True, slots=True)
class Step:
    """
    What to do after a piece of the proxy's answer.

    @ivar send: bytes to send, perhaps none.
    @ivar rest: C{None} while more of the answer is needed; then the bytes that already belong to the connection.
    """

    send: bytes = b""
    rest: bytes | None = None


class Preamble(Protocol):
    """One conversation with a proxy."""

    def begin(self) -> bytes:
        """What to send first."""
        ...

    def feed(self, data: bytes) -> Step:
        """
        Take part of the answer.

        @raise GatewayError: the proxy said no, or something that is not an answer. Its hop is C{"proxy"}.
        """
        ...


def authority(host: str, port: int) -> str:
    """C{host:port}, an IPv6 address in brackets (RFC 3986 section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def wire_name(host: str) -> bytes:
    """
    A host as proxies take it: names that are not ASCII in IDNA.

    @raise UpstreamUnresolvable: nothing can have this name.
    """
    try:
        name = host.encode("ascii") if host.isascii() else host.encode("idna")
    except UnicodeError:
        name = b""
    if not name or any(byte <= 0x20 or byte == 0x7F for byte in name):
        raise UpstreamUnresolvable("the endpoint's name is not one that a host can have", hop="dns")
    return name
