from __future__ import annotations

from . import proxied
from .konnectivity_processes import free_port


class MicrosocksTests(proxied.ProxiedContract):
    """SOCKS5 through a real proxy."""

    skip = proxied.missing("microsocks") or None
    scheme = "socks5"

    async def start(self) -> int:
        port = free_port()
        proxy = self.spawn("microsocks", "-i", "127.0.0.1", "-p", str(port), "-u", "me", "-P", "pass")
        await self.listening(proxy, port)
        return port
