from __future__ import annotations

import os

from twisted.protocols.portforward import ProxyFactory

from clustergateway.transport.contexts import ServerTls
from clustergateway.transport.tls import listen
from tests.ports import free_port

from . import proxied


class TinyproxyTests(proxied.ProxiedContract):
    """CONNECT through a real HTTP proxy."""

    skip = proxied.missing("tinyproxy") or None
    scheme = "http"

    async def start(self) -> int:
        self.own_port = free_port()
        await self.run_proxy()
        return self.own_port

    async def run_proxy(self) -> None:
        configuration = os.path.join(self.directory, "tinyproxy.conf")
        with open(configuration, "w") as stream:
            stream.write(
                f"Port {self.own_port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 200\nAllow 127.0.0.1\n"
                f'BasicAuth me pass\nLogFile "{self.directory}/log"\nPidFile "{self.directory}/pid"\n'
            )
        self.proxy = self.spawn("tinyproxy", "-d", "-c", configuration)
        await self.listening(self.proxy, self.own_port)

    async def test_what_is_said_of_a_wrong_password(self) -> None:
        """Tinyproxy answers it with 401, and none with 407."""
        wrong = await self.attempt(credential="me:hunter2@")
        self.assertIn("does not accept the credential in proxy-url (401 ", str(wrong))
        none = await self.attempt(credential="")
        self.assertIn("wants a user and password in proxy-url (407 ", str(none))


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
