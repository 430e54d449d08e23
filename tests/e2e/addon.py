"""
A hub with Open Cluster Management's APIs, the add-on manager as a process of its own with the rights of
C{k8s/addon-manager/rbac.yaml} and no others, and what the test has to be instead of the rest: kubelet, which runs the
gateway as the Deployment says, and the agents of a managed cluster.
"""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from ..addon.definitions import hub_definitions
from ..contracts.hub import HubWorld
from ..contracts.hub_processes import NAMESPACE, ROOT, SECONDS, Caller, eventually

OWN = "open-cluster-management-cluster-gateway"
TLS = "/etc/cluster-gateway/tls"
AGENTS = "open-cluster-management-agent-addon"
SERVICE = "cluster-gateway"


class Program:
    """A process with a log."""

    def __init__(self, name: str, arguments: list[str], folder: Path) -> None:
        self._log = folder / f"{name}.log"
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(arguments, cwd=folder, stdout=log, stderr=log)

    @property
    def log(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(SECONDS)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(SECONDS)


class AddonWorld(HubWorld):
    """
    A hub in which the add-on is installed as docs/howto/addon-manager says.

    @ivar managers: running, or killed.
    """

    def _install(self) -> None:
        self.managers: list[Program] = []
        # Of the loopback interface, and nobody else's: the gateway's port is always 9443.
        self.address = f"127.{random.randint(1, 254)}.{random.randint(1, 254)}.{random.randint(1, 254)}"
        for definition in hub_definitions():
            self.apply(definition)
            name = definition["metadata"]["name"]
            self.must("wait", "--for=condition=Established", f"crd/{name}", "--timeout=30s")
        eventually(lambda: self.kubectl("get", "clustergatewayconfigurations").code == 0, "the API is served")
        self.must("apply", "--server-side", "-k", str(ROOT / "k8s" / "addon-manager"))

    def account_kubeconfig(self, namespace: str, name: str) -> str:
        """A kubeconfig of a service account of the hub."""
        token = self.must("create", "token", name, "-n", namespace, "--duration=1h").out.strip()
        path = self.folder / f"{namespace}-{name}.kubeconfig"
        content = yaml.safe_load(Path(self.kubeconfig("admin", "", None)).read_text())
        content["users"][0]["user"] = {"token": token}
        path.write_text(yaml.safe_dump(content))
        return str(path)

    def start_manager(self) -> Program:
        twistd = str(Path(sys.executable).with_name("twistd"))
        arguments = [twistd, "-n", "--pidfile=", "cluster-gateway-addon-manager", "--health-port=0"]
        arguments += ["--kubeconfig", self.account_kubeconfig(OWN, "cluster-gateway-addon-manager")]
        arguments += ["--namespace", OWN, "--probe-interval=1"]
        manager = Program(f"manager-{len(self.managers)}", arguments, self.folder)
        self.managers.append(manager)
        self._ends.append(manager.kill)
        return manager

    def condition(self, type: str, *what: str) -> str:
        """Status and reason of a condition, C{""} without it."""
        done = self.kubectl("get", *what, "-o", "json")
        conditions = json.loads(done.out).get("status", {}).get("conditions", ()) if done.code == 0 else ()
        return next((f"{each['status']} {each['reason']}" for each in conditions if each["type"] == type), "")

    def wait_for(self, expected: str, type: str, *what: str) -> None:
        def there() -> bool:
            return self.condition(type, *what) == expected

        try:
            eventually(there, f"{what} has {type} {expected}", 60)
        except AssertionError as error:
            logs = "\n".join(each.log[-3000:] for each in self.managers)
            raise AssertionError(f"{error}; it has {self.condition(type, *what)!r}\n{logs}") from None

    def run_deployment(self) -> Program:
        """What a kubelet does of the Deployment: its Secret as files, its arguments, its service account."""
        found = self.get("deployment", "gateway-deployment", "-n", NAMESPACE)
        container = found["spec"]["template"]["spec"]["containers"][0]
        self.write_certificate()
        given = [each.replace(TLS, str(self.folder / "tls")) for each in container["args"]]
        account = found["spec"]["template"]["spec"]["serviceAccountName"]
        twistd = str(Path(sys.executable).with_name("twistd"))
        given += [f"--bind-address={self.address}", "--shutdown-grace=1", "--access-log=none"]
        given += ["--kubeconfig", self.account_kubeconfig(NAMESPACE, account)]
        gateway = Program("gateway", [twistd, "-n", "--pidfile=", "cluster-gateway", *given], self.folder)
        self._ends.append(gateway.kill)
        eventually(lambda: "serving on" in gateway.log, "the gateway listens")
        # There is no network of Services here.
        external = {"spec": {"type": "ExternalName", "externalName": self.address, "clusterIP": None}}
        self.must("patch", "service", SERVICE, "-n", NAMESPACE, "--type=merge", "-p", json.dumps(external))
        return gateway

    def write_certificate(self) -> None:
        (self.folder / "tls").mkdir(exist_ok=True)
        secret = self.get("secret", "cluster-gateway-tls-cert", "-n", NAMESPACE)
        for key, value in secret["data"].items():
            (self.folder / "tls" / key).write_bytes(base64.b64decode(value))

    # The agents of a managed cluster.

    def on_managed(self, method: str, path: str, body: Any = None) -> Any:
        caller = Caller(
            self.managed.url, self.managed.ca, self.pair(self.managed, "admin", "system:masters"), self.folder
        )
        try:
            code, answer = caller.call(method, path, None, body)
        finally:
            caller.close()
        if code >= 300 and code != 409:
            raise AssertionError(f"{method} {path}: {code} {answer}")
        return answer

    def join(self, name: str) -> None:
        """Register the managed cluster and enable the add-on on it."""
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        client = {"url": self.managed.url, "caBundle": base64.b64encode(self.managed.ca).decode()}
        spec = {"hubAcceptsClient": True, "managedClusterClientConfigs": [client]}
        group = "cluster.open-cluster-management.io/v1"
        self.apply({"apiVersion": group, "kind": "ManagedCluster", "metadata": {"name": name}, "spec": spec})
        conditions = [{"type": "ManagedClusterConditionAvailable", "status": "True"}]
        status = json.dumps({"status": {"conditions": conditions}})
        self.must("patch", "managedcluster", name, "--subresource=status", "--type=merge", "-p", status)
        metadata = {"name": "cluster-gateway", "namespace": name}
        addon = {"apiVersion": "addon.open-cluster-management.io/v1alpha1", "kind": "ManagedClusterAddOn"}
        self.apply({**addon, "metadata": metadata, "spec": {}})

    def do_work(self, name: str) -> None:
        """The work agent: what the ManifestWork says is put into the cluster."""
        work = ("manifestwork", "cluster-gateway-permissions", "-n", name)
        eventually(lambda: self.kubectl("get", *work).code == 0, f"{name} has its ManifestWork")
        for each in self.get(*work)["spec"]["workload"]["manifests"]:
            path = f"/apis/{each['apiVersion']}/{each['kind'].lower()}s"
            self.on_managed("POST", path, each)

    def send_token(self, name: str) -> str:
        """The agent of managed-serviceaccount: a token of the account goes to the hub."""
        eventually(
            lambda: self.kubectl("get", "managedserviceaccount", "cluster-gateway", "-n", name).code == 0,
            f"{name} has its ManagedServiceAccount",
        )
        accounts = f"/api/v1/namespaces/{AGENTS}/serviceaccounts"
        self.on_managed("POST", "/api/v1/namespaces", {"metadata": {"name": AGENTS}})
        self.on_managed("POST", accounts, {"metadata": {"name": "cluster-gateway"}})
        answer = self.on_managed("POST", f"{accounts}/cluster-gateway/token", {"spec": {"expirationSeconds": 3600}})
        token: str = answer["status"]["token"]
        data = {
            "ca.crt": base64.b64encode(self.managed.ca).decode(),
            "token": base64.b64encode(token.encode()).decode(),
        }
        metadata = {"name": "cluster-gateway", "namespace": name}
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})
        return token

    def leave(self, name: str) -> None:
        self.must("delete", "managedclusteraddon", "cluster-gateway", "-n", name)
        self.must("delete", "managedcluster", name)
