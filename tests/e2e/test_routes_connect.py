from __future__ import annotations

import os

from twisted.protocols.portforward import ProxyFactory

from clustergateway.transport.contexts import ServerTls
from clustergateway.transport.tls import listen

from . import proxied
from .konnectivity_processes import free_port


class TinyproxyTests(proxied.ProxiedContract):
    """CONNECT through a real HTTP proxy."""

    skip = proxied.missing("tinyproxy") or None
    scheme = "http"

    async def start(self) -> int:
        port = free_port()
        configuration = os.path.join(self.directory, "tinyproxy.conf")
        with open(configuration, "w") as stream:
            stream.write(
                f"Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 200\nAllow 127.0.0.1\n"
                f'BasicAuth me pass\nLogFile "{self.directory}/log"\nPidFile "{self.directory}/pid"\n'
            )
        await self.listening(self.spawn("tinyproxy", "-d", "-c", configuration), port)
        return port


class HttpsProxyTests(TinyproxyTests):
    """The same proxy behind TLS."""

    scheme = "https"

    async def start(self) -> int:
        behind = await super().start()
        served = self.ca.server("127.0.0.1")
        tls = ServerTls(served.certificate, served.key)
        listening = listen(proxied.reactor, 0, "127.0.0.1", ProxyFactory("127.0.0.1", behind), lambda: tls)
        self.addCleanup(listening.stopListening)
        port: int = listening.getHost().port  # type: ignore[attr-defined]
        return port
