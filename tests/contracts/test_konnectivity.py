from __future__ import annotations

from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.endpoints import TCP4ClientEndpoint

from clustergateway.testing.certificates import Authority, Pair
from clustergateway.testing.konnectivity import ProxyServer
from clustergateway.transport.contexts import ServerTls
from clustergateway.transport.tls import listen

from . import konnectivity

reactor: Any = _reactor


class InMemoryTests(konnectivity.KonnectivityContract):
    """The twin that the other tests use."""

    async def start(self, ca: Authority, server: Pair) -> int:
        twin = ProxyServer()
        twin.far_ends[f"127.0.0.1:{self.upstream}"] = TCP4ClientEndpoint(reactor, "127.0.0.1", self.upstream)
        tls = ServerTls(server.certificate, server.key, client_ca=ca.certificate)
        listening = listen(reactor, 0, "127.0.0.1", twin, lambda: tls)
        self.addCleanup(listening.stopListening)
        port: int = listening.getHost().port  # type: ignore[attr-defined]
        return port
