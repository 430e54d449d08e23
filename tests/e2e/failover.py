"""A cluster with an endpoint that is reached over a real proxy, and others, for tests of which one is used."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, ClassVar

from twisted.internet.interfaces import IProtocol
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.portforward import ProxyFactory
from twisted.trial.unittest import TestCase

from clustergateway.model.secrets import CREDENTIAL_TYPE_LABEL, ENDPOINT_TYPE_LABEL, gateway_from_secret
from clustergateway.testing.certificates import Authority
from clustergateway.transport.contexts import ClientTls, ServerTls
from clustergateway.transport.endpoints.failover import FailoverEndpoint
from clustergateway.transport.endpoints.route import ProxyMode, RouteConfig, Routes, label
from clustergateway.transport.tls import listen, wrap_tls
from tests.ports import free_port

from ..contracts.konnectivity import Client, Upstream, reactor, until
from . import konnectivity_processes as konnectivity
from .konnectivity_processes import Running, listens
from .proxied import missing


class Failover(TestCase):
    """
    @ivar ca: of the cluster; C{used}: what the endpoints that were used are called.
    """

    timeout = 120

    async def setUp(self) -> None:  # type: ignore[override]
        self.ca = Authority("cluster")
        self.directory = os.path.abspath(self.mktemp())
        os.mkdir(self.directory)
        alive: set[Protocol] = set()
        self.addCleanup(lambda: until(lambda: not alive))
        self.factory = Factory.forProtocol(lambda: Upstream(alive))
        self.used: list[str] = []
        config = await self.start()
        self.routes = Routes(reactor, config)
        self.addCleanup(self.close)
        await self.prepare()

    async def prepare(self) -> None:
        """What the tests need besides."""

    async def start(self) -> RouteConfig:
        """Start what the route needs. @return: what the gateway is told."""
        raise NotImplementedError

    async def close(self) -> None:
        self.routes.close()
        shared = self.routes.konnectivity
        if shared is not None:
            await until(lambda: not shared.connections, 15)

    def upstream(self, port: int = 0, authority: Authority | None = None) -> Any:
        """An apiserver, so to speak."""
        served = (authority or self.ca).server("127.0.0.1")
        tls = ServerTls(served.certificate, served.key)
        listening = listen(reactor, port, "127.0.0.1", self.factory, lambda: tls)
        self.addCleanup(listening.stopListening)
        return listening

    def spawn(self, *command: str) -> Running:
        running = Running()
        program = shutil.which(command[0])
        assert program is not None
        reactor.spawnProcess(running, program, list(command), env={})
        self.addCleanup(running.kill)
        return running

    def choose(self, kind: str | None, data: dict[str, Any]) -> FailoverEndpoint:
        """The endpoints of a Secret with this endpoint type and data as one, TLS included."""
        labels = {CREDENTIAL_TYPE_LABEL: "ServiceAccountToken"} | ({ENDPOINT_TYPE_LABEL: kind} if kind else {})
        shared = {"ca.crt": self.ca.certificate.decode(), "token": "secret"}
        cluster = gateway_from_secret({"metadata": {"name": "east", "labels": labels}, "stringData": data | shared})
        assert cluster is not None
        ways = []
        for endpoint in cluster.endpoints:
            tls = ClientTls(ca=endpoint.ca, server_name=endpoint.server_name)
            ways.append((label(endpoint), wrap_tls(self.routes.route(endpoint), endpoint.host, tls)))
        return FailoverEndpoint(reactor, ways, lambda _, name: self.used.append(name))

    def mixed(self, *endpoints: dict[str, str]) -> FailoverEndpoint:
        """A list of endpoints as one."""
        return self.choose(None, {"endpoints": json.dumps(endpoints)})

    async def request(self, failover: FailoverEndpoint) -> float:
        """One request on a connection of its own. @return: how long it took until the answer, seconds."""
        began = reactor.seconds()
        client: IProtocol = await failover.connect(Factory.forProtocol(Client))
        assert isinstance(client, Client)
        try:
            self.assertEqual(b"hello", await client.ask(b"echo hello", 5))
            took: float = reactor.seconds() - began
        finally:
            client.out.loseConnection()
            await client.lost
        return took


class Way(Failover):
    """
    @ivar way: what an entry of a list of endpoints says to be reached by this route.
    @ivar via: how the route is called behind the address of an endpoint.
    @ivar processes: what the route depends on, each by itself.
    """

    way: dict[str, str]
    via = ""
    processes: list[Running]

    async def again(self, process: Running) -> None:
        """Start one of C{processes} once more, as it was."""
        raise NotImplementedError


class OverConnect(Way):
    """Over an HTTP proxy."""

    skip = missing("tinyproxy") or None

    async def start(self) -> RouteConfig:
        self.port = free_port()
        self.configuration = os.path.join(self.directory, "tinyproxy.conf")
        Path(self.configuration).write_text(f"Port {self.port}\nListen 127.0.0.1\nTimeout 60\nBasicAuth me pass\n")
        await self.again(Running())
        self.via = f" via http proxy 127.0.0.1:{self.port}"
        self.way = {"proxy-url": f"http://me:pass@127.0.0.1:{self.port}"}
        return RouteConfig()

    async def again(self, process: Running) -> None:
        proxy = self.spawn("tinyproxy", "-d", "-c", self.configuration)
        await until(lambda: proxy.ended.called or listens(self.port), 20)
        self.processes = [proxy]


class OverHttps(OverConnect):
    """Over the same proxy behind TLS."""

    async def start(self) -> RouteConfig:
        config = await super().start()
        served = self.ca.server("127.0.0.1")
        tls = ServerTls(served.certificate, served.key)
        listening = listen(reactor, 0, "127.0.0.1", ProxyFactory("127.0.0.1", self.port), lambda: tls)
        self.addCleanup(listening.stopListening)
        port = listening.getHost().port  # type: ignore[attr-defined]
        self.via = f" via https proxy 127.0.0.1:{port}"
        self.way = {"proxy-url": f"https://me:pass@127.0.0.1:{port}"}
        return config


class OverSocks5(Way):
    """Over a SOCKS5 proxy."""

    skip = missing("microsocks") or None

    async def start(self) -> RouteConfig:
        self.port = free_port()
        await self.again(Running())
        self.via = f" via socks5 proxy 127.0.0.1:{self.port}"
        self.way = {"proxy-url": f"socks5://me:pass@127.0.0.1:{self.port}"}
        return RouteConfig()

    async def again(self, process: Running) -> None:
        proxy = self.spawn("microsocks", "-i", "127.0.0.1", "-p", str(self.port), "-u", "me", "-P", "pass")
        await until(lambda: proxy.ended.called or listens(self.port), 20)
        self.processes = [proxy]


class OverKonnectivity(Way):
    """Over the real proxy-server and proxy-agent."""

    skip = konnectivity.missing() or None
    mode: ClassVar[ProxyMode] = "grpc"
    via = " via konnectivity"

    async def start(self) -> RouteConfig:
        self.way = {"type": "ClusterProxy"}
        ca = Authority("konnectivity")
        self.deployment = konnectivity.Deployment(reactor, self.directory, self.mode)
        self.deployment.prepare(ca, ca.server("localhost", "127.0.0.1"))
        self.addCleanup(self.deployment.stop)
        self.deployment.start_server()
        self.deployment.start_agent()
        await until(self.deployment.ready, 20)
        self.processes = [self.deployment.server, self.deployment.agent]
        shown = ca.client("cluster-gateway")
        return RouteConfig(
            proxy_servers=(("localhost", self.deployment.port),),
            proxy_mode=self.mode,
            proxy_ca=self.write("ca.crt", ca.certificate),
            proxy_cert=self.write("tls.crt", shown.certificate),
            proxy_key=self.write("tls.key", shown.key),
        )

    async def again(self, process: Running) -> None:
        if process is self.deployment.server:
            self.deployment.start_server()
        else:
            self.deployment.start_agent()
        self.processes = [self.deployment.server, self.deployment.agent]

    def write(self, name: str, content: bytes) -> str:
        path = Path(self.directory, name)
        path.write_bytes(content)
        return str(path)


class OverHttpConnectKonnectivity(OverKonnectivity):
    """Where the proxy-server says that it is connected before it has tried: what is dead shows in the TLS handshake."""

    mode = "http-connect"


class Direct(Way):
    """No proxy."""

    async def start(self) -> RouteConfig:
        self.way = {}
        return RouteConfig()
