"""
kube-apiserver and etcd as a world, from the directory that C{KUBEBUILDER_ASSETS} names (envtest's convention). They are
started once for a run of the suite, on free ports of the loopback interface, and killed at its end.
"""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from twisted.internet import task
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IReactorTime
from twisted.trial.unittest import SkipTest

from clustergateway.testing.certificates import Authority, Pair
from tests.ports import free_port

from .world import Api, ApiServerWorld, ClientTls

ASSETS = Path(os.environ.get("KUBEBUILDER_ASSETS", "/usr/local/kubebuilder/bin"))
START_SECONDS = 60


@dataclass(frozen=True, slots=True)
class RealServer:
    """
    A kube-apiserver and its etcd.

    @ivar front_proxy_ca: signs what it presents to aggregated servers.
    """

    url: str
    authority: Authority
    front_proxy_ca: Authority
    admin: Pair
    directory: Path
    processes: tuple[subprocess.Popen[bytes], ...]

    def kill(self) -> None:
        """End it, and remove what it wrote."""
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


def _service_account_key() -> bytes:
    key = rsa.generate_private_key(65537, 2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def spawn() -> RealServer:
    """
    Start one; it takes some seconds until it answers.

    @raise SkipTest: the programs are not there.
    """
    for program in ("kube-apiserver", "etcd"):
        if not (ASSETS / program).exists():
            raise SkipTest(f"no {program} in {ASSETS} (KUBEBUILDER_ASSETS)")
    directory = Path(tempfile.mkdtemp(prefix="contract-"))
    authority, front_proxy_ca = Authority("ca"), Authority("front-proxy-ca")
    front_proxy = front_proxy_ca.client("front-proxy-client")
    server = authority.server("localhost", "127.0.0.1", "kubernetes.default.svc")
    for name, content in {
        "ca.crt": authority.certificate,
        "front-proxy-ca.crt": front_proxy_ca.certificate,
        "server.crt": server.certificate,
        "server.key": server.key,
        "proxy.crt": front_proxy.certificate,
        "proxy.key": front_proxy.key,
        "sa.key": _service_account_key(),
    }.items():
        (directory / name).write_bytes(content)
    etcd_port, port = free_port(), free_port()
    processes = (_etcd(directory, etcd_port), _apiserver(directory, port, etcd_port))
    admin = authority.client("admin", ["system:masters"])
    return RealServer(f"https://localhost:{port}", authority, front_proxy_ca, admin, directory, processes)


def _run(directory: Path, program: str, *arguments: str) -> subprocess.Popen[bytes]:
    with open(directory / f"{program}.log", "wb") as log:
        return subprocess.Popen([str(ASSETS / program), *arguments], cwd=directory, stdout=log, stderr=log)


def _etcd(directory: Path, port: int) -> subprocess.Popen[bytes]:
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
    return _run(
        directory,
        "etcd",
        "--data-dir=etcd",
        "--unsafe-no-fsync",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    )


def _apiserver(directory: Path, port: int, etcd_port: int) -> subprocess.Popen[bytes]:
    return _run(
        directory,
        "kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        f"--secure-port={port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--client-ca-file=ca.crt",
        "--tls-cert-file=server.crt",
        "--tls-private-key-file=server.key",
        "--service-account-key-file=sa.key",
        "--service-account-signing-key-file=sa.key",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--requestheader-client-ca-file=front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-uid-headers=X-Remote-Uid",
        "--proxy-client-cert-file=proxy.crt",
        "--proxy-client-key-file=proxy.key",
        "--disable-admission-plugins=ServiceAccount",
        "--authorization-mode=Node,RBAC",
        "--cert-dir=certs",
    )


_running: list[RealServer] = []


class RealWorld(ApiServerWorld):
    """The real thing, shared by all tests of a run."""

    async def start(self) -> None:
        if not _running:
            server = spawn()
            _running.append(server)
            atexit.register(server.kill)
        server = _running[0]
        self.url, self.ca, self.admin = server.url, server.authority.certificate, server.admin
        self.tls_without_client = ClientTls(server.authority.certificate)
        self.tls = ClientTls(server.authority.certificate, server.admin.certificate, server.admin.key)
        await self._ready()

    async def _ready(self) -> None:
        from twisted.internet import reactor

        api = Api(reactor, self)
        try:
            await self._wait(reactor, api)
        finally:
            await api.close()

    async def _wait(self, reactor: IReactorTime, api: Api) -> None:
        for _ in range(START_SECONDS * 2):
            try:
                if (await api.call("GET", "/readyz")).code == 200:
                    return
            except ConnectError:
                pass
            await task.deferLater(reactor, 0.5)
        raise AssertionError("kube-apiserver does not become ready")

    async def stop(self) -> None:
        """It goes on for the next test."""
