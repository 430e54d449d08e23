from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any, ClassVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.trial.unittest import TestCase

from clustergateway.errors import GatewayError
from clustergateway.model.secrets import CREDENTIAL_TYPE_LABEL, ENDPOINT_TYPE_LABEL, gateway_from_secret
from clustergateway.testing.certificates import Authority
from clustergateway.transport.contexts import ClientTls, ServerTls
from clustergateway.transport.endpoints.failover import FailoverEndpoint
from clustergateway.transport.endpoints.route import ProxyMode, RouteConfig, Routes, label
from clustergateway.transport.tls import listen, wrap_tls

from ..contracts.konnectivity import Client, Upstream, reactor, until
from . import konnectivity_processes as konnectivity
from .konnectivity_processes import Running, free_port, listens
from .proxied import missing


class Far(TestCase):
    """A Secret with two endpoints, both reached over the same real proxy; nobody listens at the first one."""

    timeout = 60
    kind = "Const"
    via = ""

    async def route(self) -> tuple[dict[str, str], RouteConfig]:
        """Start what the route needs. @return: data of the cluster's Secret, and what the gateway is told."""
        raise NotImplementedError

    async def setUp(self) -> None:  # type: ignore[override]
        self.ca = Authority("cluster")
        self.directory = os.path.abspath(self.mktemp())
        os.mkdir(self.directory)
        alive: set[Protocol] = set()
        self.addCleanup(lambda: until(lambda: not alive))
        self.factory = Factory.forProtocol(lambda: Upstream(alive))
        self.used: list[str] = []
        self.dead = free_port()
        self.live: int = self.upstream().getHost().port
        self.data, config = await self.route()
        self.routes = Routes(reactor, config)
        self.addCleanup(self.close)
        self.failover = self.endpoints()

    def upstream(self, port: int = 0) -> Any:
        served = self.ca.server("127.0.0.1")
        tls = ServerTls(served.certificate, served.key)
        listening = listen(reactor, port, "127.0.0.1", self.factory, lambda: tls)
        self.addCleanup(listening.stopListening)
        return listening

    def endpoints(self) -> FailoverEndpoint:
        urls = f"https://127.0.0.1:{self.dead}\nhttps://127.0.0.1:{self.live}\n"
        labels = {CREDENTIAL_TYPE_LABEL: "ServiceAccountToken", ENDPOINT_TYPE_LABEL: self.kind}
        shared = {"endpoint": urls, "ca.crt": self.ca.certificate.decode(), "token": "secret"}
        cluster = gateway_from_secret(
            {"metadata": {"name": "east", "labels": labels}, "stringData": self.data | shared}
        )
        assert cluster is not None
        ways = []
        for endpoint in cluster.endpoints:
            way = wrap_tls(self.routes.route(endpoint), endpoint.host, ClientTls(ca=endpoint.ca))
            ways.append((label(endpoint), way))
        return FailoverEndpoint(reactor, ways, lambda _, name: self.used.append(name))

    async def close(self) -> None:
        self.routes.close()
        shared = self.routes.konnectivity
        if shared is not None:
            await until(lambda: not shared.connections, 15)

    def spawn(self, *command: str) -> Running:
        running = Running()
        program = shutil.which(command[0])
        assert program is not None
        reactor.spawnProcess(running, program, list(command), env={})
        self.addCleanup(running.kill)
        return running

    async def request(self) -> str:
        """One request on a connection of its own. @return: what the endpoint that answered is called."""
        client: IProtocol = await self.failover.connect(Factory.forProtocol(Client))
        assert isinstance(client, Client)
        try:
            self.assertEqual(b"hello", await client.ask(b"echo hello", 5))
        finally:
            client.out.loseConnection()
            await client.lost
        return self.used[-1]

    async def preferred(self) -> bool:
        """Does the first endpoint answer?"""
        return await self.request() == self.called(self.dead)

    def called(self, port: int) -> str:
        return f"127.0.0.1:{port} via {self.via}"

    async def test_the_second_endpoint_answers(self) -> None:
        self.assertEqual(self.called(self.live), await self.request())
        self.assertEqual(self.called(self.live), await self.request())
        self.assertEqual(2, len(self.used))

    async def test_the_first_endpoint_comes_back_and_goes_again(self) -> None:
        await self.request()
        first = self.upstream(self.dead)
        await until(lambda: Deferred.fromCoroutine(self.preferred()), 30)
        await first.stopListening()
        self.assertEqual(self.called(self.live), await self.request())

    async def test_no_endpoint_is_left(self) -> None:
        self.dead, self.live = free_port(), free_port()
        self.failover = self.endpoints()
        with self.assertRaises(GatewayError):
            await self.request()
        self.assertEqual([], self.used)


class ConnectTests(Far):
    """Over an HTTP proxy."""

    skip = missing("tinyproxy") or None

    async def route(self) -> tuple[dict[str, str], RouteConfig]:
        port = free_port()
        configuration = os.path.join(self.directory, "tinyproxy.conf")
        Path(configuration).write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 60\nBasicAuth me pass\n")
        proxy = self.spawn("tinyproxy", "-d", "-c", configuration)
        await until(lambda: proxy.ended.called or listens(port), 20)
        self.via = f"http proxy 127.0.0.1:{port}"
        return {"proxy-url": f"http://me:pass@127.0.0.1:{port}"}, RouteConfig()


class Socks5Tests(Far):
    """Over a SOCKS5 proxy."""

    skip = missing("microsocks") or None

    async def route(self) -> tuple[dict[str, str], RouteConfig]:
        port = free_port()
        proxy = self.spawn("microsocks", "-i", "127.0.0.1", "-p", str(port), "-u", "me", "-P", "pass")
        await until(lambda: proxy.ended.called or listens(port), 20)
        self.via = f"socks5 proxy 127.0.0.1:{port}"
        return {"proxy-url": f"socks5://me:pass@127.0.0.1:{port}"}, RouteConfig()


class GrpcTests(Far):
    """Over the real proxy-server and proxy-agent."""

    skip = konnectivity.missing() or None
    kind = "ClusterProxy"
    via = "konnectivity"
    mode: ClassVar[ProxyMode] = "grpc"

    async def route(self) -> tuple[dict[str, str], RouteConfig]:
        ca = Authority("konnectivity")
        deployment = konnectivity.Deployment(reactor, self.directory, self.mode)
        deployment.prepare(ca, ca.server("localhost", "127.0.0.1"))
        self.addCleanup(deployment.stop)
        deployment.start_server()
        deployment.start_agent()
        await until(deployment.ready, 20)
        shown = ca.client("cluster-gateway")
        config = RouteConfig(
            proxy_servers=(("localhost", deployment.port),),
            proxy_mode=self.mode,
            proxy_ca=self.write("ca.crt", ca.certificate),
            proxy_cert=self.write("tls.crt", shown.certificate),
            proxy_key=self.write("tls.key", shown.key),
        )
        return {}, config

    def write(self, name: str, content: bytes) -> str:
        path = Path(self.directory, name)
        path.write_bytes(content)
        return str(path)


class HttpConnectTests(GrpcTests):
    """Where the proxy-server says that it is connected before it has tried: what is dead shows in the TLS handshake."""

    mode = "http-connect"


# There is nothing to run in it by itself.
del Far
