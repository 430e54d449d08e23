"""The conversations of L{tests.e2e.test_kubectl_streams}, and plain ones, through the gateway over every route."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any, ClassVar

from twisted.internet.task import deferLater

from clustergateway.sandbox.call import User
from clustergateway.sandbox.pki import Authority as ClusterAuthority
from clustergateway.sandbox.seed import example
from clustergateway.sandbox.server import ApiServer, SandboxConfig
from clustergateway.sandbox.streams import PodStreams
from clustergateway.sandbox.tls import server_options
from clustergateway.testing.certificates import Authority
from clustergateway.transport.endpoints.route import ProxyMode

from ..contracts.konnectivity import reactor, until
from . import konnectivity_processes as konnectivity
from .konnectivity_processes import Running, free_port, listens
from .proxied import missing
from .test_kubectl_streams import SPDY, Copy, Exec, Forward, Logs, StreamsTestCase

CREDENTIAL = "cluster.core.oam.dev/cluster-credential-type"
ENDPOINT = "cluster.core.oam.dev/cluster-endpoint-type"


class Plain:
    async def test_list_and_watch(self: Any) -> None:
        watch = self.kubectl.start("get", "configmaps", "--watch", "--output=name")
        await watch.until(b"configmap/")
        await self.kubectl.run("create", "configmap", "seen", "--from-literal=a=b")
        await watch.until(b"configmap/seen")
        _, out, _ = await self.kubectl.run("get", "configmaps", "--output=name")
        self.assertIn(b"configmap/seen\n", out)
        await watch.stop()

    async def test_large_upload_and_download(self: Any) -> None:
        text = hashlib.shake_128(b"large").hexdigest(400_000)
        path = str(self.folder / "large")
        Path(path).write_text(text)
        code, _, err = await self.kubectl.run("create", "configmap", "large", f"--from-file=text={path}")
        self.assertEqual(code, 0, err)
        _, out, _ = await self.kubectl.run("get", "configmap", "large", "--output=json")
        self.assertEqual(json.loads(out)["data"]["text"] == text, True)


class Routed(StreamsTestCase):
    """With a sandbox cluster behind a gateway of its own, which reaches it by a route."""

    async def route(self) -> tuple[dict[str, bytes], list[str]]:
        """Start what the route needs. @return: data of the cluster's Secret, and flags of the gateway."""
        raise NotImplementedError

    async def world(self) -> tuple[str, str]:
        authority = ClusterAuthority("CA", reactor.seconds())
        users = {"secret": User("admin", ("system:masters",))}
        server = ApiServer(SandboxConfig("east", users, objects=example("east")), reactor, PodStreams(reactor, "east"))
        port: Any = server.listen(reactor, 0, server_options(authority.server("127.0.0.1")))
        self.addCleanup(server.stop)
        self.addCleanup(port.stopListening)
        # What was open is seen to be closed in the reactor's next turns.
        self.addCleanup(deferLater, reactor, 0.05)
        self.directory = os.path.abspath(self.mktemp())
        os.makedirs(os.path.join(self.directory, "clusters"))
        data, flags = await self.route()
        data |= {
            "endpoint": f"https://127.0.0.1:{port.getHost().port}".encode(),
            "ca.crt": authority.certificate,
            "token": b"secret",
        }
        labels = {CREDENTIAL: "ServiceAccountToken"}
        if flags:
            labels[ENDPOINT] = "ClusterProxy"
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "east", "labels": labels},
            "data": {key: b64encode(value).decode() for key, value in data.items()},
        }
        Path(self.directory, "clusters", "east.json").write_text(json.dumps(secret))
        return await self.gateway(flags), "east"

    async def gateway(self, flags: list[str]) -> str:
        """@return: path of a kubeconfig with the context C{east}."""
        path = os.path.join(self.directory, "kubeconfig")
        twistd = str(Path(sys.executable).with_name("twistd"))
        gateway = self.spawn(
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


class ThroughConnect(Routed):
    """Over an HTTP proxy."""

    skip = missing("tinyproxy") or None

    async def route(self) -> tuple[dict[str, bytes], list[str]]:
        port = free_port()
        configuration = os.path.join(self.directory, "tinyproxy.conf")
        Path(configuration).write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 60\nBasicAuth me pass\n")
        proxy = self.spawn("tinyproxy", "-d", "-c", configuration)
        await until(lambda: proxy.ended.called or listens(port), 20)
        return {"proxy-url": f"http://me:pass@127.0.0.1:{port}".encode()}, []


class ThroughSocks5(Routed):
    """Over a SOCKS5 proxy."""

    skip = missing("microsocks") or None

    async def route(self) -> tuple[dict[str, bytes], list[str]]:
        port = free_port()
        proxy = self.spawn("microsocks", "-i", "127.0.0.1", "-p", str(port))
        await until(lambda: proxy.ended.called or listens(port), 20)
        return {"proxy-url": f"socks5://127.0.0.1:{port}".encode()}, []


class ThroughKonnectivity(Routed):
    """Over the real proxy-server and proxy-agent."""

    skip = konnectivity.missing() or None
    mode: ClassVar[ProxyMode] = "grpc"

    async def route(self) -> tuple[dict[str, bytes], list[str]]:
        ca = Authority("konnectivity")
        deployment = konnectivity.Deployment(reactor, self.directory, self.mode)
        deployment.prepare(ca, ca.server("localhost", "127.0.0.1"))
        self.addCleanup(deployment.stop)
        deployment.start_server()
        deployment.start_agent()
        await until(deployment.ready, 20)
        shown = ca.client("cluster-gateway")
        flags = ["--proxy-host=localhost", f"--proxy-port={deployment.port}", f"--proxy-mode={self.mode}"]
        for flag, content in (("ca-cert", ca.certificate), ("cert", shown.certificate), ("key", shown.key)):
            path = os.path.join(self.directory, flag)
            Path(path).write_bytes(content)
            flags.append(f"--proxy-{flag}={path}")
        return {}, flags


class ThroughHttpConnectKonnectivity(ThroughKonnectivity):
    mode = "http-connect"


class PlainOverConnect(Plain, ThroughConnect):
    pass


class PlainOverSocks5(Plain, ThroughSocks5):
    pass


class PlainOverKonnectivity(Plain, ThroughKonnectivity):
    pass


class PlainOverHttpConnectKonnectivity(Plain, ThroughHttpConnectKonnectivity):
    pass


class ExecOverConnect(Exec, ThroughConnect):
    pass


class ExecOverSocks5(Exec, ThroughSocks5):
    environment = SPDY


class ExecOverKonnectivity(Exec, ThroughKonnectivity):
    pass


class ExecOverHttpConnectKonnectivity(Exec, ThroughHttpConnectKonnectivity):
    environment = SPDY


class CopyOverConnect(Copy, ThroughConnect):
    environment = SPDY


class CopyOverSocks5(Copy, ThroughSocks5):
    pass


class CopyOverKonnectivity(Copy, ThroughKonnectivity):
    pass


class ForwardOverConnect(Forward, ThroughConnect):
    environment = SPDY


class ForwardOverSocks5(Forward, ThroughSocks5):
    pass


class ForwardOverKonnectivity(Forward, ThroughKonnectivity):
    pass


class ForwardOverHttpConnectKonnectivity(Forward, ThroughHttpConnectKonnectivity):
    pass


class LogsOverKonnectivity(Logs, ThroughKonnectivity):
    pass


# Imported or made to be mixed in; there is nothing to run in them by themselves.
del StreamsTestCase, Routed, ThroughConnect, ThroughSocks5, ThroughKonnectivity, ThroughHttpConnectKonnectivity
