"""
The data path against its peers: requests, lists, bodies, watches, through the gateway, a Go ReverseProxy, haproxy, and
nothing at all. TLS on both sides, the client shows a certificate, one core for the proxy and the other for everything
else, rounds interleaved. Single figures drift; compare ratios.

    python benchmarks/datapath.py [--rounds 5] [--seconds 2] [--only small,lists,bodies,watches] [--gateway COMMAND]

Needs C{go} for the load generator (a client that shows a certificate) and the upstream. C{--gateway} is a shell command
line to run instead of the bare data path, with C{{port}} and C{{dir}} in it; the folder holds C{ca.pem},
C{serving.crt}, C{serving.key} and C{clusters/east.yaml}, a Secret with the upstream's address and a token.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from clustergateway.testing.certificates import Authority

HERE = Path(__file__).parent
PREFIX = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/east/proxy"
TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGESIZE")
PROXY_CORE, OTHER_CORE = 0, 1
BODY = 200_000_000
WATCHES = 1000

HAPROXY = """
global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
frontend gateway
  bind 127.0.0.1:{port} ssl crt {dir}/serving.pem alpn http/1.1 ca-file {dir}/ca.pem verify required
  http-request set-path %[path,regsub(^{prefix},)]
  http-request del-header impersonate- -m beg
  http-request set-header Impersonate-User %[ssl_c_s_dn(cn)]
  http-request set-header Authorization "Bearer token-of-the-gateway"
  default_backend east
backend east
  http-reuse always
  server upstream 127.0.0.1:{upstream} ssl verify required ca-file {dir}/ca.pem verifyhost localhost alpn http/1.1
"""

SECRET = """
apiVersion: v1
kind: Secret
metadata:
  name: east
  labels: {{cluster.core.oam.dev/cluster-credential-type: ServiceAccountToken}}
data:
  endpoint: {endpoint}
  ca.crt: {ca}
  token: {token}
"""


class Peer:
    """A process that serves, pinned to a core, or to some (C{"0,1"})."""

    def __init__(self, name: str, command: list[str], port: int, core: int | str) -> None:
        self.name = name
        self.port = port
        self.process = subprocess.Popen(["taskset", "-c", str(core), *command], stdout=subprocess.DEVNULL)
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)  # noqa: TID251 - there is no reactor here
        raise SystemExit(f"{name} does not serve")

    def cpu(self) -> float:
        """Seconds of CPU it has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def rss(self) -> int:
        """Bytes of memory it holds."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE

    def stop(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def load(program: str, folder: Path, peer: Peer, mode: str, path: str, *more: str) -> list[str]:
    prefix = "" if peer.name == "direct" else PREFIX
    return [
        *("taskset", "-c", str(OTHER_CORE), program, "load", "-mode", mode, "-target", f"127.0.0.1:{peer.port}"),
        *("-ca", f"{folder}/ca.pem", "-pair", f"{folder}/client.pem", "-path", prefix + path, *more),
    ]


def run(command: list[str], ready: Callable[[], object] = lambda: None) -> dict[str, float]:
    """
    @param ready: called when the connections are open and nothing was asked yet.
    """
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
        assert client.stdin is not None and client.stdout is not None
        client.stdout.readline()
        ready()
        client.stdin.write("\n")
        client.stdin.flush()
        result = client.stdout.readline()
    if not result:
        raise SystemExit(f"failed: {' '.join(command)}")
    return dict(json.loads(result))


class Table:
    """Collects figures by row and peer, and prints medians and their ratio to Go's."""

    def __init__(self) -> None:
        self._figures: dict[str, dict[str, list[float]]] = {}

    def add(self, row: str, peer: str, figure: float) -> None:
        self._figures.setdefault(row, {}).setdefault(peer, []).append(figure)

    def show(self) -> None:
        peers = ["gateway", "go", "haproxy", "direct"]
        print(f"{'':34}" + "".join(f"{peer:>12}" for peer in peers) + "   gateway/go")
        for row, figures in self._figures.items():
            cells = {peer: median(values) for peer, values in figures.items()}
            line = "".join(f"{cells[peer]:12.1f}" if peer in cells else f"{'-':>12}" for peer in peers)
            ratio = f"{cells['gateway'] / cells['go']:12.2f}" if cells.get("go") and "gateway" in cells else ""
            print(f"{row:34}{line} {ratio}")


def requests(table: Table, program: str, folder: Path, peers: list[Peer], seconds: float, path: str, what: str) -> None:
    for count in (1, 16, 64) if path == "/small" else (16,):
        for peer in peers:
            before: list[float] = []
            command = load(program, folder, peer, "get", path, "-conns", str(count), "-duration", f"{seconds}s")
            result = run(command, lambda peer=peer, before=before: before.append(peer.cpu()))  # type: ignore[misc]
            cpu = peer.cpu() - before[0]
            row = f"{what}, {count} connections"
            table.add(f"{row}: req/s", peer.name, result["requests"] / result["seconds"])
            table.add(f"{row}: p50 us", peer.name, result["p50"])
            if peer.name != "direct":
                table.add(f"{row}: CPU us/req", peer.name, cpu / result["requests"] * 1e6)


def bodies(table: Table, program: str, folder: Path, peers: list[Peer]) -> None:
    for peer in peers:
        for name, command in (
            ("download 200 MB: MB/s", load(program, folder, peer, "get", f"/body?n={BODY}", "-duration", "1ms")),
            ("upload 200 MB: MB/s", load(program, folder, peer, "put", "/put", "-size", str(BODY))),
        ):
            result = run(command)
            table.add(name, peer.name, result["bytes"] / result["seconds"] / 1e6)


def watches(table: Table, program: str, folder: Path, peers: list[Peer]) -> None:
    for peer in peers:
        if peer.name != "direct":
            before = peer.rss()
            after: list[int] = []
            command = load(program, folder, peer, "watches", "/idle?watch=true", "-conns", str(WATCHES))
            run(command, lambda peer=peer, after=after: after.append(peer.rss()))  # type: ignore[misc]
            table.add("RSS KB per idle watch", peer.name, (after[0] - before) / WATCHES / 1024)
        result = run(load(program, folder, peer, "delay", "/watch?watch=true", "-duration", "2s"))
        table.add("watch event delay: p50 us", peer.name, result["p50"])


def prepare(folder: Path, upstream: int) -> None:
    """Certificates, and the configuration that each peer wants."""
    authority = Authority("benchmark")
    serving = authority.server("localhost", "127.0.0.1")
    client = authority.client("jane", ["developers"])
    (folder / "ca.pem").write_bytes(authority.certificate)
    (folder / "serving.crt").write_bytes(serving.certificate)
    (folder / "serving.key").write_bytes(serving.key)
    (folder / "serving.pem").write_bytes(serving.certificate + serving.key)
    (folder / "client.pem").write_bytes(client.certificate + client.key)
    (folder / "clusters").mkdir()
    secret = SECRET.format(
        endpoint=b64encode(f"https://localhost:{upstream}".encode()).decode(),
        ca=b64encode(authority.certificate).decode(),
        token=b64encode(b"token-of-the-gateway").decode(),
    )
    (folder / "clusters" / "east.yaml").write_text(secret)


def start(folder: Path, program: str, gateway: str) -> list[Peer]:
    upstream = free_port()
    prepare(folder, upstream)
    own = f"{folder}/serving.pem"
    command = [program, "upstream", "-listen", f"127.0.0.1:{upstream}", "-pair", own]
    peers = [Peer("direct", command, upstream, OTHER_CORE)]
    port = free_port()
    if gateway:
        command = shlex.split(gateway.format(port=port, dir=folder))
    else:
        command = [sys.executable, __file__, "--serve", f"{folder}:{port}:{upstream}"]
    peers.append(Peer("gateway", command, port, PROXY_CORE))
    port = free_port()
    os.environ["GOMAXPROCS"] = "1"
    command = [program, "proxy", "-listen", f"127.0.0.1:{port}", "-target", f"localhost:{upstream}"]
    peers.append(Peer("go", [*command, "-ca", f"{folder}/ca.pem", "-pair", own], port, PROXY_CORE))
    del os.environ["GOMAXPROCS"]
    if shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin"):
        port = free_port()
        configuration = folder / "haproxy.cfg"
        configuration.write_text(HAPROXY.format(port=port, dir=folder, upstream=upstream, prefix=PREFIX))
        haproxy = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin") or ""
        peers.append(Peer("haproxy", [haproxy, "-f", str(configuration)], port, PROXY_CORE))
    return peers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--only", default="small,lists,bodies,watches")
    parser.add_argument("--gateway", default="")
    parser.add_argument("--serve", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve.split(":"))
        return
    if not shutil.which("go"):
        raise SystemExit("the load generator is written in Go, and there is no go")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        program = f"{folder}/datapath"
        subprocess.run(["go", "build", "-o", program, str(HERE / "datapath.go")], check=True)
        peers = start(folder, program, options.gateway)
        try:
            table = Table()
            for _ in range(options.rounds):
                if "small" in options.only:
                    requests(table, program, folder, peers, options.seconds, "/small", "small")
                if "lists" in options.only:
                    requests(table, program, folder, peers, options.seconds, "/list", "200 KB list")
                if "bodies" in options.only:
                    bodies(table, program, folder, peers)
            if "watches" in options.only:
                watches(table, program, folder, peers)
            table.show()
        finally:
            for peer in peers:
                peer.stop()


# The gateway's data path by itself: identity from the client certificate, clusters in a dictionary.


def serve(folder: str, port: str, upstream: str) -> None:
    from cryptography import x509
    from cryptography.x509.oid import NameOID
    from twisted.internet import epollreactor

    epollreactor.install()
    from twisted.internet import reactor  # noqa: TID251 - chosen in the line before
    from twisted.web.resource import Resource

    from clustergateway.errors import GatewayError, Unauthenticated, UnknownCluster
    from clustergateway.model.http1 import RequestHead
    from clustergateway.model.identity import Claims, Identity
    from clustergateway.model.record import Record
    from clustergateway.settings import Limits
    from clustergateway.transport.channel import GatewaySite
    from clustergateway.transport.contexts import ClientTls, ServerTls
    from clustergateway.transport.endpoints.direct import client_endpoint
    from clustergateway.transport.forward import Forward
    from clustergateway.transport.pool import Pool
    from clustergateway.transport.reactor import lean, settle_gc
    from clustergateway.transport.tls import listen

    clock: Any = reactor
    limits = Limits()
    ca = Path(folder, "ca.pem").read_bytes()
    serving = ServerTls(Path(folder, "serving.crt").read_bytes(), Path(folder, "serving.key").read_bytes(), ca)
    endpoint = client_endpoint(clock, "localhost", int(upstream), ClientTls(ca))
    clusters = {b"east": Pool(endpoint, clock, limits, "east")}
    base = PREFIX.removesuffix("east/proxy").encode()

    class Bare:
        """Who a certificate names, and the header lines that say so, are found out once for each certificate."""

        known: dict[bytes | None, tuple[Identity, bytes]] = {}

        def matches(self, target: bytes) -> bool:
            return target.startswith(base)

        def decide(self, head: RequestHead, claims: Claims) -> Forward:
            identity, tail = self.known.get(claims.certificate) or self.learn(claims)
            name, _, rest = head.target[len(base) :].partition(b"/proxy")
            pool = clusters.get(name)
            if pool is None:
                raise UnknownCluster("no such cluster")
            record = Record(
                head.method.decode(), head.target.decode(), clock.seconds(), claims.address, identity=identity
            )
            record.cluster = pool.name
            wire = b"%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n" % (head.method, rest, head.block, tail)
            return Forward(pool, wire, record)

        def learn(self, claims: Claims) -> tuple[Identity, bytes]:
            if claims.certificate is None:
                raise Unauthenticated("no client certificate")
            subject = x509.load_der_x509_certificate(claims.certificate).subject
            user = str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
            groups = tuple(str(name.value) for name in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
            lines = ["Authorization: Bearer token-of-the-gateway", f"Impersonate-User: {user}"]
            lines += [f"Impersonate-Group: {group}" for group in groups]
            tail = "".join(line + "\r\n" for line in lines).encode()
            self.known[claims.certificate] = Identity(user, groups, source="x509"), tail
            return self.known[claims.certificate]

        def refused(self, head: RequestHead, claims: Claims, error: GatewayError) -> Record:
            return Record(head.method.decode(), head.target.decode(), clock.seconds(), code=error.code)

        def finished(self, record: Record) -> None:
            pass

    proxy = Bare()
    listen(clock, int(port), "127.0.0.1", GatewaySite(Resource(), proxy, proxy, limits, clock), lambda: serving)
    lean(clock)
    settle_gc()
    clock.run()


if __name__ == "__main__":
    main()
