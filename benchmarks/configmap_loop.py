"""
The benchmark of the original gateway: create, update and delete a ConfigMap, again and again; here also get one
namespace and list them all. The same work goes directly, through the gateway, and through hosting cluster and gateway,
in interleaved rounds, so that a machine that slows down slows all of them.

Each WAY is NAME=KUBECONFIG[:CONTEXT]; the first one is what the others are compared with:

    python benchmarks/configmap_loop.py direct=managed.kubeconfig gateway=gateway.kubeconfig:east hub=hub.kubeconfig
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import urllib3
from kubernetes import client, config

NAMESPACE = "default"
CONFIGMAP = "configmap-loop"


@dataclass
class Way:
    """One way to the same cluster: a keep-alive connection, and seconds by what was done over it."""

    name: str
    host: str
    pool: urllib3.PoolManager
    headers: dict[str, str]
    seconds: dict[str, list[float]] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: object = None) -> None:
        data = None if body is None else json.dumps(body).encode()
        headers = {**self.headers, "Content-Type": "application/json"} if data else self.headers
        answer = self.pool.request(method, self.host + path, body=data, headers=headers, retries=False)
        if answer.status >= 300:
            raise SystemExit(f"{self.name}: {method} {path}: {answer.status} {answer.data[:300]!r}")

    def time(self, what: str, work: Callable[[Way], None]) -> None:
        begin = time.perf_counter()
        work(self)
        self.seconds.setdefault(what, []).append(time.perf_counter() - begin)


def way(text: str) -> Way:
    name, _, where = text.partition("=")
    file, _, context = where.partition(":")
    found = client.Configuration()
    config.load_kube_config(file, context or None, client_configuration=found)
    pool = urllib3.PoolManager(
        maxsize=1,
        ca_certs=found.ssl_ca_cert,
        cert_file=found.cert_file,
        key_file=found.key_file,
        server_hostname=found.tls_server_name or None,
        assert_hostname=found.tls_server_name or None,
    )
    token = found.get_api_key_with_prefix("authorization")
    return Way(name, found.host, pool, {"Authorization": token} if token else {})


def configmap(at: Way) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIGMAP}, "data": {"round": "1"}}
    at.ask("POST", path, made)
    at.ask("PUT", f"{path}/{CONFIGMAP}", {**made, "data": {"round": "2"}})
    at.ask("DELETE", f"{path}/{CONFIGMAP}")


def get_namespace(at: Way) -> None:
    at.ask("GET", f"/api/v1/namespaces/{NAMESPACE}")


def list_namespaces(at: Way) -> None:
    at.ask("GET", "/api/v1/namespaces")


WORK = (
    ("create+update+delete a ConfigMap", configmap, 100),
    ("get a namespace", get_namespace, 1000),
    ("list namespaces", list_namespaces, 1000),
)


def report(ways: list[Way]) -> None:
    print(f"{'':34} {'way':10} {'fastest':>9} {'slowest':>9} {'mean':>9} {'deviation':>10} {'median':>9} {'ratio':>6}")
    for what, _, _ in WORK:
        base = statistics.mean(ways[0].seconds[what])
        for at in ways:
            took = [second * 1000 for second in at.seconds[what]]
            mean = statistics.mean(took)
            print(
                f"{what:34} {at.name:10} {min(took):7.2f}ms {max(took):7.2f}ms {mean:7.2f}ms "
                f"{statistics.stdev(took):8.2f}ms {statistics.median(took):7.2f}ms {mean / base / 1000:5.2f}x"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ways", nargs="+", metavar="WAY", type=way)
    ways: list[Way] = parser.parse_args().ways
    for _, work, rounds in WORK:
        for at in ways:  # connections, caches and code paths warm
            for _ in range(min(rounds, 20)):
                work(at)
    for what, work, rounds in WORK:
        for number in range(rounds):
            for turn in range(len(ways)):
                ways[(number + turn) % len(ways)].time(what, work)
    report(ways)


if __name__ == "__main__":
    main()
