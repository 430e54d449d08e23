"""
A world to try the gateway in: two in-memory clusters, C{east} and C{west}, and a gateway in front of them, in one
process. This is C{make run}.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from twisted.internet.defer import Deferred
from twisted.internet.task import react
from twisted.logger import (
    FilteringLogObserver,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)

from ..errors import GatewayError
from ..model.x509 import issue_client, issue_server, new_authority
from ..service.gateway import GatewayService
from ..service.maker import gateway
from ..settings import Settings
from .call import User
from .seed import example
from .server import ApiServer, SandboxConfig
from .streams import PodStreams
from .tls import server_options

CLUSTERS = ("east", "west")
_ADMIN = User("sandbox-admin", ("system:masters",))


class World:
    """
    The clusters and the gateway.

    @ivar kubeconfig: where a kubeconfig for all of it is written.
    """

    def __init__(self, reactor: Any, folder: Path, settings: Settings) -> None:
        """
        @param folder: for everything that is written; made if it is not there.
        @param settings: of the gateway; where its clusters and certificates are is filled in here.
        """
        self._reactor = reactor
        self._folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self._settings = settings
        self.servers: list[ApiServer] = []
        self._ports: list[Any] = []
        self.gateway: GatewayService | None = None

    def start(self) -> Deferred[None]:
        """
        @return: fires once kubectl can be used.
        """
        clusters = self._folder / "clusters"
        clusters.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in CLUSTERS:
            self._start_cluster(name, clusters / f"{name}.yaml")
        self.gateway = gateway(self._settings, self._reactor)
        return self.gateway.startService()

    def _start_cluster(self, name: str, manifest: Path) -> None:
        now = self._reactor.seconds()
        authority = new_authority(f"{name} CA", now)
        serving = issue_server(authority, ("127.0.0.1", "localhost"), now)
        token = base64.urlsafe_b64encode(os.urandom(24)).decode("ascii")
        config = SandboxConfig(name, {token: _ADMIN}, authority.certificate, rbac=True, objects=example(name))
        server = ApiServer(config, self._reactor, PodStreams(self._reactor, name))
        port: Any = server.listen(self._reactor, 0, server_options(serving))
        self.servers.append(server)
        self._ports.append(port)
        where = f"https://127.0.0.1:{port.getHost().port}"
        # One cluster of each usual kind: east is entered with a token, west with a certificate.
        if name == "east":
            credential, data = "ServiceAccountToken", {"token": token}
        else:
            client = issue_client(authority, _ADMIN.name, tuple(_ADMIN.groups), now)
            credential = "X509Certificate"
            data = {"tls.crt": client.certificate.decode("ascii"), "tls.key": client.key.decode("ascii")}
        data |= {"endpoint": where, "ca.crt": authority.certificate.decode("ascii")}
        write_private(manifest, json.dumps(secret(name, credential, data), indent=2))

    async def stop(self) -> None:
        if self.gateway is not None:
            await self.gateway.stopService()
        for port, server in zip(self._ports, self.servers, strict=True):
            server.stop()
            await port.stopListening()


def secret(name: str, credential: str, data: dict[str, str]) -> dict[str, Any]:
    """The manifest by which a gateway knows a cluster."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": "vela-system",
            "labels": {"cluster.core.oam.dev/cluster-credential-type": credential},
        },
        "type": "Opaque",
        "stringData": data,
    }


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)


def what_to_try(kubeconfig: Path) -> str:
    kubectl = f"kubectl --kubeconfig {kubeconfig}"
    return f"""
Two clusters, east and west, are behind the gateway. In another terminal, try:

  {kubectl} get clustergateways
  {kubectl} --context east get pods -w
  {kubectl} --context west get deployments --all-namespaces
  {kubectl} --context east exec -it box -- sh
  {kubectl} --context west logs -f box
  {kubectl} --context east port-forward box 8080:8080
  {kubectl} explain clustergateway.spec.access

Ctrl-C ends it.
"""


async def run(reactor: Any, options: argparse.Namespace, out: TextIO) -> None:
    """Until the reactor is stopped."""
    folder = Path(options.directory).absolute()
    settings = Settings(
        secure_port=options.port,
        bind_address="127.0.0.1",
        cert_dir=str(folder / "certificates"),
        clusters_dir=str(folder / "clusters"),
        write_kubeconfig=str(folder / "kubeconfig"),
        access_log=options.access_log,
        audit_log_path=options.audit_log_path,
        audit_policy_file=options.audit_policy_file,
        session_recording_dir=options.session_recording_dir,
        session_recording_maxsize=options.session_recording_maxsize,
        tls_transport=options.tls_transport,
        shutdown_grace=1.0,
    )
    world = World(reactor, folder, settings)
    try:
        await world.start()
    except GatewayError as error:
        raise SystemExit(f"sandbox: {error.message}") from None
    reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(world.stop()))
    out.write(what_to_try(world.kubeconfig))
    out.flush()
    await Deferred()


def command(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m clustergateway.sandbox", description=__doc__)
    parser.add_argument("--directory", default=".sandbox", help="for what is written")
    parser.add_argument("--port", type=int, default=9443, help="of the gateway; 0 for any free one")
    parser.add_argument("--access-log", default="none", help="file for one line per request; - for standard output")
    parser.add_argument("--audit-log-path", default="", help="file for audit events; - for standard output")
    parser.add_argument("--audit-policy-file", default="", help="what is audited")
    parser.add_argument("--session-recording-dir", default="", help="folder for recordings of sessions")
    parser.add_argument("--session-recording-maxsize", type=int, default=64, help="megabytes of one of them")
    parser.add_argument("--tls-transport", default="merged", choices=("merged", "twisted"))
    options = parser.parse_args(argv)
    # People read the terminal: what goes wrong, and what the gateway itself has to say.
    levels = LogLevelFilterPredicate(LogLevel.warn)
    levels.setLogLevelForNamespace("clustergateway.service", LogLevel.info)
    observer = FilteringLogObserver(textFileLogObserver(sys.stderr), [levels])
    globalLogBeginner.beginLoggingTo([observer], redirectStandardIO=False)
    react(lambda reactor: Deferred.fromCoroutine(run(reactor, options, sys.stdout)))
