"""What every proxy does for the gateway, by whichever protocol it is asked."""

from __future__ import annotations

import os
import shutil
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from clustergateway.errors import GatewayError, UpstreamRefused
from clustergateway.model.gateway import Endpoint
from clustergateway.testing.certificates import Authority
from clustergateway.transport.contexts import ClientTls, ServerTls
from clustergateway.transport.endpoints.route import RouteConfig, Routes
from clustergateway.transport.tls import listen, wrap_tls
from tests.ports import free_port

from ..contracts.konnectivity import MIB, Client, Upstream, descriptors, until
from .konnectivity_processes import Running, listens

reactor: Any = _reactor


def missing(program: str) -> str:
    """Why a proxy cannot be run here; empty if it can."""
    return "" if shutil.which(program) else f"{program} is not installed (Debian package {program})"


class ProxiedContract(TestCase):
    """
    To be subclassed with L{start} and L{run_proxy} for each kind of proxy, which wants the user C{me} with the password
    C{pass}.

    @cvar rows: side by side, of a thousand requests one after the other.
    @ivar proxy: the process.
    """

    timeout = 120
    scheme = ""
    rows = 1
    proxy: Running

    async def start(self) -> int:
        """Start the proxy. @return: its port."""
        raise NotImplementedError

    async def run_proxy(self) -> None:
        """Start its process, on the same port each time."""
        raise NotImplementedError

    async def setUp(self) -> None:  # type: ignore[override]
        self.ca = Authority("cluster")
        served = self.ca.server("localhost", "127.0.0.1", "::1")
        tls = ServerTls(served.certificate, served.key)
        self.directory = os.path.abspath(self.mktemp())
        os.mkdir(self.directory)
        self.routes = Routes(reactor, RouteConfig(connect_timeout=5))
        self.ports = {}
        alive: set[Protocol] = set()
        self.addCleanup(lambda: until(lambda: not alive))
        factory = Factory.forProtocol(lambda: Upstream(alive))
        for interface in ("127.0.0.1", "::1"):
            listening = listen(reactor, 0, interface, factory, lambda: tls)
            self.addCleanup(listening.stopListening)
            self.ports[interface] = listening.getHost().port  # type: ignore[attr-defined]
        self.port = await self.start()
        self.assertIsNone(await self.attempt(), "the proxy works")

    def spawn(self, *arguments: str) -> Running:
        running = Running()
        path = shutil.which(arguments[0])
        assert path is not None
        reactor.spawnProcess(running, path, list(arguments), env={})
        self.addCleanup(running.kill)
        return running

    async def client(self, host: str = "127.0.0.1", credential: str = "me:pa%73s@", port: int = 0) -> Client:
        url = f"{self.scheme}://{credential}127.0.0.1:{self.port}"
        upstream = port or self.ports["::1" if host == "::1" else "127.0.0.1"]
        route = self.routes.route(Endpoint(host, upstream, proxy_url=url, ca=self.ca.certificate))
        secured = wrap_tls(route, "localhost", ClientTls(ca=self.ca.certificate))
        client: IProtocol = await secured.connect(Factory.forProtocol(Client))
        assert isinstance(client, Client)
        return client

    async def attempt(self, host: str = "127.0.0.1", credential: str = "me:pa%73s@", port: int = 0) -> Any:
        """One request on a connection of its own. @return: the error, C{None} for none."""
        try:
            client = await self.client(host, credential, port)
        except GatewayError as error:
            return error
        answer = await client.ask(b"echo hello", 5)
        self.assertEqual(b"hello", answer)
        client.out.loseConnection()
        await client.lost
        return None

    async def listening(self, proxy: Running, port: int) -> None:
        """Wait until the proxy accepts connections."""
        await until(lambda: proxy.ended.called or listens(port), 20)
        self.assertFalse(proxy.ended.called, proxy.output)

    async def test_thousand_sequential_requests(self) -> None:
        before = descriptors()
        await gatherResults([Deferred.fromCoroutine(self.row(1000 // self.rows)) for _ in range(self.rows)])
        await until(lambda: descriptors() <= before + 1)

    async def row(self, length: int) -> None:
        for _ in range(length):
            self.assertIsNone(await self.attempt())

    async def test_hundred_concurrent_requests(self) -> None:
        before = descriptors()
        for _ in range(3):
            outcomes = await gatherResults([Deferred.fromCoroutine(self.attempt()) for _ in range(100)])
            self.assertEqual([None] * 100, outcomes)
        await until(lambda: descriptors() <= before + 1)

    async def test_the_proxy_is_killed_and_back(self) -> None:
        client = await self.client()
        await self.proxy.kill()
        await client.lost
        error = await self.attempt()
        self.assertIsInstance(error, GatewayError)
        self.assertEqual("proxy", error.hop)
        await self.run_proxy()
        self.assertIsNone(await self.attempt())

    async def test_names_are_resolved_by_the_proxy(self) -> None:
        self.assertIsNone(await self.attempt("localhost"))

    async def test_ipv6(self) -> None:
        self.assertIsNone(await self.attempt("::1"))

    async def test_large_bodies(self) -> None:
        client = await self.client()
        await client.ask(b"get %d" % (50 * MIB), 50 * MIB)
        self.assertEqual(b"done", await client.put(50 * MIB))
        client.out.loseConnection()
        await client.lost

    async def test_a_wrong_password(self) -> None:
        for credential in ("me:hunter2@", ""):
            error = await self.attempt(credential=credential)
            self.assertIsInstance(error, UpstreamRefused)
            self.assertEqual("proxy", error.hop)
            self.assertNotIn("hunter2", str(error))

    async def test_nobody_listens_there(self) -> None:
        error = await self.attempt(port=free_port())
        self.assertIsInstance(error, GatewayError)
        self.assertEqual("proxy", error.hop)

    async def test_no_proxy_there(self) -> None:
        self.port = free_port()
        error = await self.attempt()
        self.assertIsInstance(error, UpstreamRefused)
        self.assertEqual("proxy", error.hop)
        self.assertIn(f"127.0.0.1:{self.port}", str(error))
