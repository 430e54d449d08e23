"""The process C{twistd cluster-gateway}: how it starts, what it refuses, how it ends."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from .world import Process, World, shared_world

TWISTD = (str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile=", "cluster-gateway")


class ProcessTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cluster-gateway-process-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "clusters").mkdir()

    def start(self, *arguments: str) -> Process:
        return Process([*TWISTD, *self.standalone(), *arguments], "serving on", self.folder)

    def standalone(self) -> list[str]:
        return ["--clusters-dir=clusters", "--secure-port=0", "--bind-address=127.0.0.1", "--cert-dir=certificates"]

    def refuse(self, *arguments: str) -> str:
        command = [*TWISTD, *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=60, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertNotIn("Traceback", done.stderr)
        return done.stderr + done.stdout

    def test_sigterm_and_sigint_end_it_with_status_0(self) -> None:
        for number in (SIGTERM, SIGINT):
            self.assertEqual(self.start().end(number), 0)

    def test_nobody_can_be_told_from_another_on_every_interface(self) -> None:
        text = self.refuse("--clusters-dir=clusters", "--secure-port=0", "--bind-address=0.0.0.0")
        self.assertIn("--client-ca-file", text)

    def test_no_clusters_at_all(self) -> None:
        self.assertIn("--clusters-dir", self.refuse("--secure-port=0"))

    def test_a_folder_that_is_not_there(self) -> None:
        self.assertIn("no-such", self.refuse("--clusters-dir=no-such", "--bind-address=127.0.0.1", "--secure-port=0"))

    def test_an_unknown_flag(self) -> None:
        self.assertIn("no-such-flag", self.refuse("--no-such-flag"))

    def test_a_port_that_is_taken(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.assertIn(str(port), self.refuse(*self.standalone(), f"--secure-port={port}"))

    def test_what_the_original_takes_is_taken_with_a_warning(self) -> None:
        process = self.start("--feature-gates=APIPriorityAndFairness=false", "--logtostderr", "-v=2")
        self.assertEqual(process.end(), 0)
        self.assertIn("APIPriorityAndFairness", process.output)


class EndingTests(SynchronousTestCase):
    def test_what_is_in_flight_is_finished(self) -> None:
        """A request whose body is still coming when SIGTERM arrives gets its answer; a new one is not taken."""
        world = World()
        self.addCleanup(world.close)
        connection, _ = connect(world)
        body = json.dumps(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late", "namespace": "default"}}
        ).encode()
        path = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/east/proxy/api/v1/namespaces/default/configmaps"
        head = f"POST {path} HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        self.assertTrue(connection.recv(1000).startswith(b"HTTP/1.1 100 "))
        world.process.send(SIGTERM)
        connection.sendall(body)
        answer = b""
        while data := connection.recv(65536):
            answer += data
        self.assertTrue(answer.startswith(b"HTTP/1.1 201 "), answer[:200])
        connection.close()
        self.assertEqual(world.process.wait(), 0)


class FolderTests(SynchronousTestCase):
    def test_a_cluster_added_while_it_runs_and_a_broken_one_hides_no_other(self) -> None:
        world = World()
        self.addCleanup(world.close)
        folder = world.folder / "s" / "clusters"
        secret = yaml.safe_load((folder / "east.yaml").read_text())
        secret["metadata"]["name"] = "north"
        watching = world.start_kubectl("get", "clustergateways", "-w", "-o", "name", context="cluster-gateway")
        assert watching.stdout is not None
        self.addCleanup(watching.communicate)
        self.addCleanup(watching.kill)
        seen = [watching.stdout.readline() for _ in range(2)]
        (folder / "broken.yaml").write_text("kind: Secret\nmetadata: [")
        (folder / "north.yaml").write_text(yaml.safe_dump(secret))
        seen.append(watching.stdout.readline())
        self.assertEqual([line.strip().rpartition("/")[2] for line in seen], ["east", "west", "north"])
        path = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways/north/proxy/healthz"
        self.assertEqual(world.kubectl("get", "--raw", path, context="cluster-gateway").stdout, "ok")
        ready = world.kubectl("get", "--raw", "/readyz?verbose", context="cluster-gateway").stdout
        self.assertIn("broken.yaml", ready)
        self.assertIn("readyz check passed", ready)


def connect(world: World) -> tuple[ssl.SSLSocket, str]:
    """
    @return: a connection to the gateway as its administrator, and the gateway's URL.
    """
    config = json.loads(world.kubeconfig.read_text())
    user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
    certificate, key, ca = (world.folder / name for name in ("c.pem", "k.pem", "ca.pem"))
    certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
    key.write_bytes(base64.b64decode(user["client-key-data"]))
    ca.write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    context = ssl.create_default_context(cafile=str(ca))
    context.load_cert_chain(certificate, key)
    host, _, port = cluster["server"].removeprefix("https://").partition("/")[0].rpartition(":")
    plain = socket.create_connection((host, int(port)), 20)
    return context.wrap_socket(plain, server_hostname=host), cluster["server"]


class PythonClientTests(SynchronousTestCase):
    """The official client, pointed at a cluster behind the gateway."""

    def test_list_watch_and_exec(self) -> None:
        from kubernetes import client, watch
        from kubernetes.stream import stream

        from clustergateway.client import api_client, cluster_names

        world = shared_world()
        file = str(world.kubeconfig)
        self.assertEqual(sorted(cluster_names(file, "cluster-gateway")), ["east", "west"])
        core: Any = client.CoreV1Api(api_client("east", file, "cluster-gateway"))
        self.assertIn("box", [pod.metadata.name for pod in core.list_namespaced_pod("default").items])
        for event in watch.Watch().stream(core.list_namespaced_config_map, "default", timeout_seconds=20):
            if event["object"].metadata.name == "about":
                self.assertEqual(event["object"].data["cluster"], "east")
                break
        else:
            self.fail("the watch ended")
        said = stream(
            core.connect_get_namespaced_pod_exec, "box", "default", command=["echo", "hello"],
            stdout=True, stderr=True, stdin=False, tty=False,
        )  # fmt: skip
        self.assertEqual(said, "hello\n")
