"""The URL of a proxy, as in a Secret's C{proxy-url} or a kubeconfig."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes, urlsplit

from ..errors import ConfigurationError

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


@dataclass(frozen=True, slots=True)
class ProxyAddress:
    """
    Where a proxy is and what to show it.

    @ivar scheme: C{http}, C{https} (TLS to the proxy itself) or C{socks5}.
    @ivar host: name or address, without brackets.
    @ivar user: and C{password}: percent-decoded; both empty for none.
    """

    scheme: str
    host: str
    port: int
    user: bytes = field(default=b"", repr=False)
    password: bytes = field(default=b"", repr=False)

    @property
    def basic(self) -> bytes:
        """The value of Proxy-Authorization (RFC 7617), empty for none."""
        if not self.user and not self.password:
            return b""
        return b"Basic " + b64encode(self.user + b":" + self.password)


def _refused(why: str) -> ConfigurationError:
    # The URL itself may hold a password, so it is not repeated.
    return ConfigurationError(f"proxy-url: {why}", hop="proxy")


def parse_proxy_url(url: str) -> ProxyAddress:
    """
    @param url: C{http}, C{https}, C{socks5} or C{socks5h} URL with an optional C{user:password@}. Names are resolved
        by the proxy with either of the last two, as kubectl does it.
    @raise ConfigurationError: it is not such a URL.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        host = parts.hostname or ""
    except ValueError:
        raise _refused("not a URL") from None
    if parts.scheme not in _PORTS:
        raise _refused("the scheme must be http, https, socks5 or socks5h")
    if not host or any(c.isspace() or not c.isprintable() for c in host):
        raise _refused("there is no host in it")
    if port == 0:
        raise _refused("the port must be 1 to 65535")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise _refused("nothing may follow host and port")
    user = unquote_to_bytes(parts.username or "")
    password = unquote_to_bytes(parts.password or "")
    scheme = "socks5" if parts.scheme == "socks5h" else parts.scheme
    if scheme == "socks5" and (len(user) > 255 or len(password) > 255):
        raise _refused("SOCKS5 takes at most 255 bytes of user name and of password")
    if scheme != "socks5" and b":" in user:
        raise _refused("a user name for Basic authentication cannot hold a colon")
    return ProxyAddress(scheme, host, port or _PORTS[parts.scheme], user, password)
