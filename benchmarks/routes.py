"""
The routes against each other: the same requests directly, through the gateway, and through the gateway over each kind
of route to the same upstream, in interleaved rounds. Gateway, load generator, upstream and proxies share two cores as
they like. Single figures drift; compare ratios.

    python -m benchmarks.routes [--rounds 5] [--seconds 2] [--work-us 0]

C{--work-us} lets the upstream take so long for each small request, as an apiserver would (a ConfigMap takes it 2 ms or
more): a route's own delay counts for less then. Needs C{go}; routes whose proxy is not here are left out:
C{tinyproxy}, C{microsocks}, and C{proxy-server} with C{proxy-agent} in KONNECTIVITY_ASSETS.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import ssl
import subprocess
import sys
import tempfile
from base64 import b64encode
from http.client import HTTPSConnection
from pathlib import Path
from statistics import median
from typing import Any

from clustergateway.testing.certificates import Authority

from .datapath import BODY, Peer, free_port, run

HERE = Path(__file__).parent
CLUSTERS = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways"
KONNECTIVITY = Path(os.environ.get("KONNECTIVITY_ASSETS", "/usr/local/konnectivity/bin"))
REUSE = 10_000
CORES = "0,1"

SECRET = """
apiVersion: v1
kind: Secret
metadata:
  name: {name}
  labels:
    cluster.core.oam.dev/cluster-credential-type: ServiceAccountToken
    cluster.core.oam.dev/cluster-endpoint-type: {kind}
data:
  endpoint: {endpoint}
  ca.crt: {ca}
  token: {token}
  proxy-url: {proxy}
"""


class World:
    """Upstream, proxies and gateway, each a process."""

    def __init__(self, folder: Path, delay: int) -> None:
        self.folder = folder
        self.peers: list[Peer] = []
        self.routes: dict[str, str] = {"gateway": ""}
        self.program = f"{folder}/datapath"
        self.upstream = free_port()
        self.port = free_port()
        self._delay = delay

    def begin(self) -> None:
        """Start everything that is here."""
        folder = self.folder
        subprocess.run(["go", "build", "-o", self.program, str(HERE / "datapath.go")], check=True)
        self._certificates()
        own = f"{folder}/serving.pem"
        command = [self.program, "upstream", "-listen", f"127.0.0.1:{self.upstream}", "-pair", own]
        self.start("upstream", [*command, "-delay", f"{self._delay}us"], self.upstream, CORES)
        self._connect()
        self._socks5()
        self._gateway(self._konnectivity())

    def start(self, name: str, command: list[str], port: int, cores: str) -> None:
        self.peers.append(Peer(name, command, port, cores))

    def stop(self) -> None:
        for peer in self.peers:
            peer.stop()

    def _certificates(self) -> None:
        self.authority = Authority("benchmark")
        serving = self.authority.server("localhost", "127.0.0.1")
        client = self.authority.client("jane", ["developers"])
        for name, content in (
            ("ca.pem", self.authority.certificate),
            ("serving.crt", serving.certificate),
            ("serving.key", serving.key),
            ("serving.pem", serving.certificate + serving.key),
            ("client.crt", client.certificate),
            ("client.key", client.key),
            ("client.pem", client.certificate + client.key),
        ):
            (self.folder / name).write_bytes(content)

    def _connect(self) -> None:
        if not shutil.which("tinyproxy"):
            return
        port = free_port()
        configuration = self.folder / "tinyproxy.conf"
        configuration.write_text(f"Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 100\nLogLevel Error\n")
        self.start("tinyproxy", ["tinyproxy", "-d", "-c", str(configuration)], port, CORES)
        self.routes["http"] = f"http://127.0.0.1:{port}"

    def _socks5(self) -> None:
        if not shutil.which("microsocks"):
            return
        port = free_port()
        self.start("microsocks", ["microsocks", "-i", "127.0.0.1", "-p", str(port)], port, CORES)
        self.routes["socks5"] = f"socks5://127.0.0.1:{port}"

    def _konnectivity(self) -> int:
        """@return: the proxy-server's port, 0 if there is none."""
        if not (KONNECTIVITY / "proxy-server").exists():
            return 0
        # proxy-server refuses ephemeral ports.
        server, agents, *others = random.sample(range(20000, 30000), 6)
        ca, certificate, key = (f"{self.folder}/{name}" for name in ("ca.pem", "serving.crt", "serving.key"))
        flags = [
            f"--{what}-{name}={path}"
            for what in ("server", "cluster")
            for name, path in (("ca-cert", ca), ("cert", certificate), ("key", key))
        ]
        ports = [f"--server-port={server}", f"--agent-port={agents}", f"--admin-port={others[0]}"]
        hosts = [f"--{name}-bind-address=127.0.0.1" for name in ("server", "agent", "health")]
        command = [str(KONNECTIVITY / "proxy-server"), *flags, *ports, *hosts, f"--health-port={others[1]}", "--v=0"]
        self.start("proxy-server", command, server, CORES)
        command = [str(KONNECTIVITY / "proxy-agent"), "--proxy-server-host=127.0.0.1", f"--ca-cert={ca}", "--v=0"]
        command += [f"--proxy-server-port={agents}", f"--admin-server-port={others[2]}"]
        command += [f"--agent-cert={self.folder}/client.crt", f"--agent-key={self.folder}/client.key"]
        command += [f"--health-server-port={others[3]}", "--health-server-host=127.0.0.1"]
        self.start("proxy-agent", command, others[3], CORES)
        self.routes["konnectivity"] = ""
        return server

    def _gateway(self, konnectivity: int) -> None:
        (self.folder / "clusters").mkdir()
        for name, proxy in self.routes.items():
            secret = SECRET.format(
                name=name,
                kind="ClusterProxy" if name == "konnectivity" else "Const",
                endpoint=_base64(f"https://localhost:{self.upstream}".encode()),
                ca=_base64(self.authority.certificate),
                token=_base64(b"token-of-the-gateway"),
                proxy=_base64(proxy.encode()),
            )
            text = secret if proxy else re.sub(r"\n  proxy-url:.*", "", secret)
            (self.folder / "clusters" / f"{name}.yaml").write_text(text)
        command = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "cluster-gateway"]
        command += [f"--clusters-dir={self.folder}/clusters", f"--secure-port={self.port}", "--bind-address=127.0.0.1"]
        command += [f"--tls-cert-file={self.folder}/serving.crt", f"--tls-private-key-file={self.folder}/serving.key"]
        command += [f"--client-ca-file={self.folder}/ca.pem", "--access-log=none"]
        if konnectivity:
            command += [
                "--proxy-host=localhost",
                f"--proxy-port={konnectivity}",
                f"--proxy-ca-cert={self.folder}/ca.pem",
            ]
            command += [f"--proxy-cert={self.folder}/client.crt", f"--proxy-key={self.folder}/client.key"]
        self.start("gateway", command, self.port, CORES)

    def load(self, way: str, mode: str, path: str, *more: str) -> dict[str, float]:
        port, prefix = (self.upstream, "") if way == "direct" else (self.port, f"{CLUSTERS}/{way}/proxy")
        command = ["taskset", "-c", CORES, self.program, "load", "-mode", mode]
        command += [
            "-target",
            f"127.0.0.1:{port}",
            "-ca",
            f"{self.folder}/ca.pem",
            "-pair",
            f"{self.folder}/client.pem",
        ]
        return run([*command, "-path", prefix + path, *more])

    def tunnels(self) -> float:
        """How many konnectivity tunnels the gateway counts."""
        context = ssl.create_default_context(cafile=f"{self.folder}/ca.pem")
        context.load_cert_chain(f"{self.folder}/client.pem")
        connection = HTTPSConnection("localhost", self.port, context=context)
        connection.request("GET", "/metrics")
        found = re.search(rb"^clustergateway_tunnels (\S+)", connection.getresponse().read(), re.MULTILINE)
        connection.close()
        return float(found.group(1)) if found else 0.0


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def rounds(world: World, figures: dict[str, dict[str, list[float]]], options: Any) -> None:
    def add(row: str, way: str, figure: float) -> None:
        figures.setdefault(row, {}).setdefault(way, []).append(figure)

    ways = ["direct", *world.routes]
    for way in ways:
        for count in (1, 16):
            result = world.load(way, "get", "/small", "-conns", str(count), "-duration", f"{options.seconds}s")
            add(f"small, {count} connections: p50 us", way, result["p50"])
            add(f"small, {count} connections: req/s", way, result["requests"] / result["seconds"])
    for way in ways:
        result = world.load(way, "get", f"/body?n={BODY}", "-duration", "1ms")
        add("download 200 MB: MB/s", way, result["bytes"] / result["seconds"] / 1e6)
        result = world.load(way, "put", "/put", "-size", str(BODY))
        add("upload 200 MB: MB/s", way, result["bytes"] / result["seconds"] / 1e6)
    for way in ways:
        result = world.load(way, "delay", "/watch?watch=true", "-duration", "1s")
        add("watch event delay: p50 us", way, result["p50"])


def show(figures: dict[str, dict[str, list[float]]], ways: list[str]) -> None:
    print(f"{'':28}" + "".join(f"{way:>14}" for way in ways) + "   in brackets: relative to the gateway's direct route")
    for row, cells in figures.items():
        base = median(cells["gateway"])
        line = "".join(f"{median(cells[way]):8.0f} ({median(cells[way]) / base:.2f})"[-14:].rjust(14) for way in ways)
        print(f"{row:28}{line}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--work-us", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        world = World(Path(name), options.work_us)
        figures: dict[str, dict[str, list[float]]] = {}
        try:
            world.begin()
            for _ in range(options.rounds):
                rounds(world, figures, options)
            show(figures, ["direct", *world.routes])
            if "konnectivity" in world.routes:
                done = 0.0
                while done < REUSE:
                    done += world.load("konnectivity", "get", "/small", "-duration", "1s")["requests"]
                print(f"open konnectivity tunnels after {done:.0f} more requests: {world.tunnels():.0f}")
        finally:
            world.stop()


if __name__ == "__main__":
    main()
