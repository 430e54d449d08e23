"""A sandbox cluster behind a gateway process of its own, which reaches it by a route."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, ClassVar

from twisted.internet.task import deferLater

from clustergateway.sandbox.call import User
from clustergateway.sandbox.seed import example
from clustergateway.sandbox.server import ApiServer, SandboxConfig
from clustergateway.sandbox.streams import PodStreams
from clustergateway.sandbox.tls import server_options
from clustergateway.testing.certificates import Authority
from clustergateway.transport.endpoints.route import ProxyMode
from tests.ports import free_port

from ..contracts.konnectivity import reactor, until
from . import konnectivity_processes as konnectivity
from .konnectivity_processes import Running, listens
from .proxied import missing
from .test_kubectl_streams import StreamsTestCase

CREDENTIAL = "cluster.core.oam.dev/cluster-credential-type"
ENDPOINT = "cluster.core.oam.dev/cluster-endpoint-type"


class Routed(StreamsTestCase):
    """With a sandbox cluster behind a gateway of its own, which reaches it by a route."""

    async def route(self) -> tuple[dict[str, str], list[str]]:
        """
        Start what the route needs.

        @return: data of the cluster's Secret that say how C{self.url} is reached, and flags of the gateway.
        """
        raise NotImplementedError

    async def world(self) -> tuple[str, str]:
        authority = Authority("CA")
        users = {"secret": User("admin", ("system:masters",))}
        server = ApiServer(SandboxConfig("east", users, objects=example("east")), reactor, PodStreams(reactor, "east"))
        port: Any = server.listen(reactor, 0, server_options(authority.server("127.0.0.1")))
        self.addCleanup(server.stop)
        self.addCleanup(port.stopListening)
        # What was open is seen to be closed in the reactor's next turns.
        self.addCleanup(deferLater, reactor, 0.05)
        self.directory = os.path.abspath(self.mktemp())
        os.makedirs(os.path.join(self.directory, "clusters"))
        self.url = f"https://127.0.0.1:{port.getHost().port}"
        data, flags = await self.route()
        data |= {"ca.crt": authority.certificate.decode(), "token": "secret"}
        labels = {CREDENTIAL: "ServiceAccountToken"}
        if "endpoints" not in data:
            data["endpoint"] = self.url
            labels[ENDPOINT] = "ClusterProxy" if flags else "Const"
        metadata = {"name": "east", "labels": labels}
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data}
        Path(self.directory, "clusters", "east.json").write_text(json.dumps(secret))
        return await self.gateway(flags), "east"

    async def gateway(self, flags: list[str]) -> str:
        """@return: path of a kubeconfig with the context C{east}."""
        path = os.path.join(self.directory, "kubeconfig")
        twistd = str(Path(sys.executable).with_name("twistd"))
        gateway = self.process = self.spawn(
            *(twistd, "-n", "--pidfile=", "cluster-gateway", f"--clusters-dir={self.directory}/clusters"),
            *("--secure-port=0", "--bind-address=127.0.0.1", f"--cert-dir={self.directory}", *flags),
            f"--write-kubeconfig={path}",
        )
        await until(lambda: b"serving on" in gateway.output or gateway.ended.called, 30)
        return path

    def spawn(self, *command: str) -> Running:
        running = Running()
        program = shutil.which(command[0])
        assert program is not None
        reactor.spawnProcess(running, program, list(command), env=dict(os.environ))
        self.addCleanup(running.kill)
        return running

    async def tinyproxy(self, port: int) -> Running:
        """Start an HTTP proxy for the user C{me} with the password C{pass}."""
        configuration = os.path.join(self.directory, "tinyproxy.conf")
        Path(configuration).write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 60\nBasicAuth me pass\n")
        proxy = self.spawn("tinyproxy", "-d", "-c", configuration)
        await until(lambda: proxy.ended.called or listens(port), 20)
        return proxy

    async def microsocks(self, port: int) -> Running:
        """Start a SOCKS5 proxy for everybody."""
        proxy = self.spawn("microsocks", "-i", "127.0.0.1", "-p", str(port))
        await until(lambda: proxy.ended.called or listens(port), 20)
        return proxy

    async def konnectivity(self, mode: ProxyMode) -> list[str]:
        """Start C{self.deployment}. @return: the gateway's flags for it."""
        ca = Authority("konnectivity")
        deployment = self.deployment = konnectivity.Deployment(reactor, self.directory, mode)
        deployment.prepare(ca, ca.server("localhost", "127.0.0.1"))
        self.addCleanup(deployment.stop)
        deployment.start_server()
        deployment.start_agent()
        await until(deployment.ready, 20)
        shown = ca.client("cluster-gateway")
        flags = ["--proxy-host=localhost", f"--proxy-port={deployment.port}", f"--proxy-mode={mode}"]
        for flag, content in (("ca-cert", ca.certificate), ("cert", shown.certificate), ("key", shown.key)):
            path = os.path.join(self.directory, flag)
            Path(path).write_bytes(content)
            flags.append(f"--proxy-{flag}={path}")
        return flags


class ThroughConnect(Routed):
    """Over an HTTP proxy."""

    skip = missing("tinyproxy") or None

    async def route(self) -> tuple[dict[str, str], list[str]]:
        port = free_port()
        await self.tinyproxy(port)
        return {"proxy-url": f"http://me:pass@127.0.0.1:{port}"}, []


class ThroughSocks5(Routed):
    """Over a SOCKS5 proxy."""

    skip = missing("microsocks") or None

    async def route(self) -> tuple[dict[str, str], list[str]]:
        port = free_port()
        await self.microsocks(port)
        return {"proxy-url": f"socks5://127.0.0.1:{port}"}, []


class ThroughKonnectivity(Routed):
    """Over the real proxy-server and proxy-agent."""

    skip = konnectivity.missing() or None
    mode: ClassVar[ProxyMode] = "grpc"

    async def route(self) -> tuple[dict[str, str], list[str]]:
        return {}, await self.konnectivity(self.mode)


class ThroughHttpConnectKonnectivity(ThroughKonnectivity):
    mode = "http-connect"
