"""The in-memory API server as a world."""

from __future__ import annotations

from clustergateway.sandbox.server import SandboxConfig
from clustergateway.testing.apiserver import LoopbackApiServer, on_loopback

from .world import ApiServerWorld, ClientTls


class SandboxWorld(ApiServerWorld):
    """The sandbox, without controllers: they are no part of an API server."""

    _server: LoopbackApiServer

    async def start(self) -> None:
        from twisted.internet import reactor

        config = SandboxConfig(name="contract", rbac=True, controllers=False)
        self._server = on_loopback(reactor, config)
        self.url, self.ca, self.admin = self._server.url, self._server.ca, self._server.admin
        self.tls_without_client = ClientTls(self._server.ca)
        self.tls = ClientTls(self._server.ca, self._server.admin.certificate, self._server.admin.key)

    async def stop(self) -> None:
        await self._server.close()
