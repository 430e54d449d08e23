"""
Hosting clusters with a gateway behind their aggregator, for a suite that drives all of it with kubectl through the hub.

Everything is a process of its own on a free port of the loopback interface: hub, managed cluster and gateways. They are
started once for a run of the suite and ended with it.
"""

from __future__ import annotations

import atexit
import base64
import json
import shutil
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from twisted.trial.unittest import SkipTest

from clustergateway.cli.kubeconfig import contexts
from clustergateway.cli.serving import manifests
from clustergateway.testing.certificates import Pair
from tests.ports import free_port

from .hub_processes import (
    APISERVICE,
    GROUP,
    HOST,
    KUBECTL,
    NAMESPACE,
    ROOT,
    SECONDS,
    SERVICE,
    ApiServerProcess,
    Caller,
    Done,
    Following,
    Gateway,
    environment,
    eventually,
)

Start = Callable[[str, Path], ApiServerProcess]
"""Starts an API server of this name, whose files go into this folder; raises C{SkipTest} if this machine cannot."""

W = TypeVar("W")
A = TypeVar("A", bound=ApiServerProcess)


class HubWorld:
    """
    A hub, a managed cluster C{east}, and a gateway behind the hub's aggregator with the rights of C{k8s/base/rbac.yaml}
    and no others.
    """

    def __init__(self, start: Start) -> None:
        if KUBECTL is None:
            raise SkipTest("there is no kubectl on PATH, nor in KUBEBUILDER_ASSETS")
        self.folder = Path(tempfile.mkdtemp(prefix="hub-contract-"))
        self._ends: list[Callable[[], object]] = [lambda: shutil.rmtree(self.folder, ignore_errors=True)]
        self._pairs: dict[tuple[str, ...], Pair] = {}
        atexit.register(self.close)
        try:
            self.hub = self.started(start("hub", self.folder))
            self.managed = self.started(start("managed", self.folder))
            self._install()
        except BaseException:
            self.close()
            raise

    def started(self, server: A) -> A:
        """It is to answer now, and to end with this world."""
        self._ends.append(server.kill)
        server.come_back()
        return server

    def close(self) -> None:
        while self._ends:
            self._ends.pop()()

    # Installation, as docs/howto/run-on-a-cluster says, but that the gateway runs here.

    def _install(self) -> None:
        base = ROOT / "k8s" / "base"
        self.rbac = base / "rbac.yaml"
        for manifest in (base / "namespace.yaml", base / "serviceaccount.yaml", self.rbac):
            self.must("apply", "--server-side", "-f", str(manifest))
        self.gateway = self.new_gateway("gateway")
        self.port = self.gateway.port
        self.gateway.start()
        self.apply({**_SERVICE, "spec": {"type": "ExternalName", "externalName": "localhost"}})
        self.apply(self._serving[1])
        self.add_cluster("east")
        self.wait_until_available()

    def _make_certificate(self) -> None:
        options = Namespace(service=SERVICE, namespace=NAMESPACE, secret="gateway-tls", port=self.port, days=1)
        self._serving = manifests(options, time.time())
        for key, value in self._serving[0]["data"].items():
            (self.folder / key).write_bytes(base64.b64decode(value))
        self.gateway_ca = (self.folder / "ca.crt").read_bytes()

    def write_token(self) -> None:
        """A new token of the gateway's service account, into the file that it reads it from."""
        token = self.must("create", "token", SERVICE, "-n", NAMESPACE, "--duration=1h").out.strip()
        fresh = self.folder / "token.new"
        fresh.write_text(token)
        fresh.rename(self.folder / "token")

    def new_gateway(self, name: str, *flags: str) -> Gateway:
        """
        A gateway, not started; it listens on a port of its own.

        @param flags: besides those that it needs.
        """
        port = free_port()
        if not (self.folder / "tls.crt").exists():
            self.port = port
            self._make_certificate()
            self.write_token()
            user = {"tokenFile": str(self.folder / "token")}
            (self.folder / "gateway.kubeconfig").write_text(_kubeconfig(self.hub.url, self.hub.ca, user))
        command = (str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "cluster-gateway")
        arguments = {
            "bind-address": "127.0.0.1",
            "kubeconfig": str(self.folder / "gateway.kubeconfig"),
            "tls-cert-file": str(self.folder / "tls.crt"),
            "tls-private-key-file": str(self.folder / "tls.key"),
            "access-log": str(self.folder / f"{name}.access.log"),
            "shutdown-grace": "1",
        }
        given = [part for flag, value in arguments.items() for part in (f"--{flag}", value)]
        gateway = Gateway(name, port, (*command, *given, *flags), self.folder)
        self._ends.append(gateway.kill)
        return gateway

    def add_cluster(self, name: str, **changed: str) -> None:
        """
        The Secret of a cluster: the managed one, entered with its administrator's certificate.

        @param changed: data that differs, or is more.
        """
        admin = self.pair(self.managed, "admin", "system:masters")
        data = {
            "endpoint": self.managed.url,
            "ca.crt": self.managed.ca.decode("ascii"),
            "tls.crt": admin.certificate.decode("ascii"),
            "tls.key": admin.key.decode("ascii"),
        }
        self.apply(
            cluster_secret(name, "X509Certificate", {**data, **{k.replace("_", "."): v for k, v in changed.items()}})
        )

    def wait_until_available(self) -> None:
        """Until the hub carries requests to the gateway."""
        try:
            eventually(self.available, "the APIService is available")
        except AssertionError as error:
            raise AssertionError(
                f"{error}; {self.get('apiservice', APISERVICE)['status']}; {self.gateway.log}"
            ) from None
        eventually(lambda: self.kubectl("get", "clustergateways").code == 0, "the hub forwards")

    def available(self) -> bool:
        """What the hub says of the gateway."""
        done = self.kubectl("get", "apiservice", APISERVICE, "-o", "jsonpath={.status.conditions[0]}")
        return bool(done.out) and json.loads(done.out)["status"] == "True"

    # Use

    def pair(self, server: ApiServerProcess, user: str, *groups: str) -> Pair:
        """A user's certificate, the same each time."""
        key = (server.url, user, *groups)
        if key not in self._pairs:
            self._pairs[key] = server.client(user, *groups)
        return self._pairs[key]

    def who(self, user: str) -> Pair:
        """C{admin}, of C{system:masters}, or a user of the hub without groups."""
        return self.pair(self.hub, user, *(("system:masters",) if user == "admin" else ()))

    def kubeconfig(self, user: str = "admin", cluster: str = "", gateway: Gateway | None = None) -> str:
        """
        @param cluster: C{""}: the hub itself; else the one behind the gateway of this name.
        @param gateway: reach this one directly instead of through the hub.
        """
        url, ca = self.hub.url, self.hub.ca
        if gateway is not None:
            url, ca = f"https://127.0.0.1:{gateway.port}", self.gateway_ca
        text = _kubeconfig(url, ca, _of_pair(self.who(user)), "" if gateway is None else HOST)
        if cluster:
            text = yaml.safe_dump(contexts(yaml.safe_load(text), "", [cluster], self.folder))
        path = self.folder / f"{user}-{cluster}-{'' if gateway is None else gateway.name}.kubeconfig"
        path.write_text(text)
        return str(path)

    def command(
        self, *arguments: str, user: str = "admin", cluster: str = "", gateway: Gateway | None = None
    ) -> list[str]:
        assert KUBECTL is not None
        return [KUBECTL, "--kubeconfig", self.kubeconfig(user, cluster, gateway), *arguments]

    def kubectl(
        self, *arguments: str, stdin: str = "", user: str = "admin", cluster: str = "", gateway: Gateway | None = None
    ) -> Done:
        """Run kubectl to its end."""
        command = self.command(*arguments, user=user, cluster=cluster, gateway=gateway)
        done = subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            cwd=self.folder,
            env=environment(self.folder),
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def must(self, *arguments: str, **options: Any) -> Done:
        """As L{kubectl}; it has to succeed."""
        done = self.kubectl(*arguments, **options)
        if done.code:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.err}")
        return done

    def get(self, *arguments: str, **options: Any) -> Any:
        """The object that C{kubectl get} gets."""
        return json.loads(self.must("get", *arguments, "-o", "json", **options).out)

    def follow(self, *arguments: str, **options: Any) -> Following:
        """A kubectl that goes on."""
        return Following(self.command(*arguments, **options), self.folder)

    def apply(self, content: Mapping[str, Any], cluster: str = "") -> None:
        self.must("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(content), cluster=cluster)

    def caller(self, user: str = "admin") -> Caller:
        """Of the hub."""
        return Caller(self.hub.url, self.hub.ca, self.who(user), self.folder)

    def direct(self, gateway: Gateway, pair: Pair | None) -> Caller:
        """Of a gateway, past the hub."""
        url = f"https://127.0.0.1:{gateway.port}"
        return Caller(url, self.gateway_ca, pair, self.folder, HOST)

    def allow(self, user: str, *rules: Mapping[str, Any]) -> None:
        """Give a user of the hub these rights, and no others."""
        self._allow(user, {"apiGroup": _RBAC, "kind": "User", "name": user}, rules)

    def allow_account(self, name: str, *rules: Mapping[str, Any]) -> None:
        """Make a service account of the hub with these rights."""
        self.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": NAMESPACE}})
        self._allow(name, {"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}, rules)

    def _allow(self, name: str, subject: Mapping[str, str], rules: Sequence[Mapping[str, Any]]) -> None:
        role = {"kind": "ClusterRole", "metadata": {"name": name}, "rules": list(rules)}
        self.apply({"apiVersion": f"{_RBAC}/v1", **role})
        self.apply(binding("ClusterRoleBinding", name, subject))


_RBAC = "rbac.authorization.k8s.io"


def binding(kind: str, name: str, subject: Mapping[str, str]) -> dict[str, Any]:
    """A binding of a subject to the ClusterRole that has the same name."""
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": kind,
        "metadata": {"name": name},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": name},
        "subjects": [subject],
    }


def once(make: Callable[[Start], W]) -> Callable[[Start], W]:
    """
    For a run: what is made is made when it is first asked for, and if it cannot be made, not tried again.

    @param make: raises C{SkipTest} if this machine cannot.
    """
    made: dict[Start, W | BaseException] = {}

    def find(start: Start) -> W:
        if start not in made:
            try:
                made[start] = make(start)
            except (SkipTest, AssertionError) as error:
                made[start] = error
        found = made[start]
        if isinstance(found, BaseException):
            raise found
        return found

    return find


shared = once(HubWorld)
"""The world of a run."""


_SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": SERVICE, "namespace": NAMESPACE},
}


def cluster_secret(name: str, credential: str, data: Mapping[str, str]) -> dict[str, Any]:
    """The Secret of a cluster."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"cluster.core.oam.dev/cluster-credential-type": credential},
        },
        "type": "Opaque",
        "data": {key: base64.b64encode(value.encode()).decode("ascii") for key, value in data.items()},
    }


def rule(resource: str, *verbs: str, names: Sequence[str] = ()) -> dict[str, Any]:
    """A right to use the gateway."""
    found: dict[str, Any] = {"apiGroups": [GROUP], "resources": [resource], "verbs": list(verbs)}
    return {**found, **({"resourceNames": list(names)} if names else {})}


def _of_pair(pair: Pair) -> dict[str, str]:
    return {
        "client-certificate-data": base64.b64encode(pair.certificate).decode("ascii"),
        "client-key-data": base64.b64encode(pair.key).decode("ascii"),
    }


def _kubeconfig(url: str, ca: bytes, user: Mapping[str, str], server_name: str = "") -> str:
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(ca).decode("ascii")}
    if server_name:
        cluster["tls-server-name"] = server_name
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": dict(user)}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
            "current-context": "it",
        }
    )
