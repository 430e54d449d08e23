from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, ServerFactory
from twisted.trial.unittest import TestCase

from clustergateway.model.endpointchoice import Patience
from clustergateway.model.gateway import Endpoint
from clustergateway.testing.certificates import Authority
from clustergateway.transport.contexts import ClientTls, ServerTls
from clustergateway.transport.endpoints.failover import FailoverEndpoint
from clustergateway.transport.endpoints.route import RouteConfig, Routes
from clustergateway.transport.tls import listen, wrap_tls

from ..contracts.konnectivity import SOON, Client, Upstream, reactor, until


class FailoverTests(TestCase):
    """Two endpoints of a cluster, over real sockets; the first one is in trouble."""

    timeout = 30

    def setUp(self) -> None:
        self.ca = Authority("cluster")
        self.alive: set[Protocol] = set()
        self.addCleanup(lambda: until(lambda: not self.alive))
        self.used: list[str] = []
        self.routes = Routes(reactor, RouteConfig())

    def upstream(self, authority: Authority, port: int = 0) -> Any:
        served = authority.server("127.0.0.1")
        tls = ServerTls(served.certificate, served.key)
        factory = Factory.forProtocol(lambda: Upstream(self.alive))
        listening = listen(reactor, port, "127.0.0.1", factory, lambda: tls)
        self.addCleanup(listening.stopListening)
        return listening

    def failover(self, *ports: int, patience: Patience | None = None) -> FailoverEndpoint:
        ways: list[tuple[str, IStreamClientEndpoint]] = []
        for port in ports:
            plain = self.routes.route(Endpoint("127.0.0.1", port))
            ways.append((f"{len(ways)}", wrap_tls(plain, "127.0.0.1", ClientTls(ca=self.ca.certificate))))
        return FailoverEndpoint(reactor, ways, lambda _, name: self.used.append(name), patience)

    async def request(self, failover: FailoverEndpoint) -> float:
        """@return: how long it took, seconds."""
        began = reactor.seconds()
        client: IProtocol = await failover.connect(Factory.forProtocol(Client))
        assert isinstance(client, Client)
        self.assertEqual(b"hello", await client.ask(b"echo hello", 5))
        took: float = reactor.seconds() - began
        client.out.loseConnection()
        await client.lost
        return took

    async def test_nobody_listens_and_then_somebody_does(self) -> None:
        first, second = self.upstream(self.ca), self.upstream(self.ca)
        port = first.getHost().port
        # Nothing is silent here: a handshake that a busy machine takes long for is waited for.
        failover = self.failover(port, second.getHost().port, patience=Patience(least_stagger=5, most_stagger=5))
        await self.request(failover)
        await first.stopListening()
        self.assertLess(await self.request(failover), SOON)
        self.assertEqual(["0", "1"], self.used)
        self.upstream(self.ca, port)

        async def preferred() -> bool:
            await self.request(failover)
            return self.used[-1] == "0"

        await until(lambda: Deferred.fromCoroutine(preferred()), 20)

    async def test_an_endpoint_that_accepts_and_is_silent(self) -> None:
        silent = reactor.listenTCP(0, ServerFactory.forProtocol(Protocol), interface="127.0.0.1")
        self.addCleanup(silent.stopListening)
        failover = self.failover(silent.getHost().port, self.upstream(self.ca).getHost().port)
        self.assertLess(await self.request(failover), SOON)
        self.assertEqual(["1"], self.used)

    async def test_an_endpoint_with_a_wrong_certificate(self) -> None:
        wrong = self.upstream(Authority("another"))
        failover = self.failover(wrong.getHost().port, self.upstream(self.ca).getHost().port)
        self.assertLess(await self.request(failover), SOON)
        self.assertEqual(["1"], self.used)
