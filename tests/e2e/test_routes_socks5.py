from __future__ import annotations

from tests.ports import free_port

from . import proxied


class MicrosocksTests(proxied.ProxiedContract):
    """SOCKS5 through a real proxy."""

    skip = proxied.missing("microsocks") or None
    scheme = "socks5"
    rows = 10  # it adds 40 ms to each

    async def start(self) -> int:
        self.own_port = free_port()
        await self.run_proxy()
        return self.own_port

    async def run_proxy(self) -> None:
        self.proxy = self.spawn("microsocks", "-i", "127.0.0.1", "-p", str(self.own_port), "-u", "me", "-P", "pass")
        await self.listening(self.proxy, self.own_port)
