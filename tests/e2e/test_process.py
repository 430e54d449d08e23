"""The process C{twistd cluster-gateway}: how it starts, what it refuses, how it ends."""

from __future__ import annotations

import base64
import fcntl
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from signal import SIGINT, SIGTERM
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from .world import SECONDS, Process, World, shared_world

TWISTD = (str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile=", "cluster-gateway")


class ProcessCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cluster-gateway-process-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        (self.folder / "clusters").mkdir()

    def start(self, *arguments: str) -> Process:
        return Process([*TWISTD, *self.standalone(), *arguments], "serving on", self.folder)

    def standalone(self) -> list[str]:
        return ["--clusters-dir=clusters", "--secure-port=0", "--bind-address=127.0.0.1", "--cert-dir=certificates"]


class ProcessTests(ProcessCase):
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

    def test_a_watch_of_its_own_does_not_keep_it(self) -> None:
        process = self.start("--write-kubeconfig=kubeconfig", "--shutdown-grace=300")
        connection, _ = dial(self.folder / "kubeconfig", self.folder)
        path = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways?watch=true&allowWatchBookmarks=true"
        connection.sendall(f"GET {path}&resourceVersion=0 HTTP/1.1\r\nHost: g\r\n\r\n".encode())
        answer = b""
        while b"initial-events-end" not in answer:
            answer += connection.recv(65536)
        process.send(SIGTERM)
        while data := connection.recv(65536):
            answer += data
        connection.close()
        self.assertEqual(process.wait(), 0)
        self.assertTrue(answer.endswith(b"\r\n0\r\n\r\n"), answer)
        self.assertEqual(answer.count(b'"type":"BOOKMARK"'), 2)
        [line] = [line for line in process.output.splitlines() if '"verb":"watch"' in line]
        self.assertEqual((json.loads(line)["code"], json.loads(line)["outcome"]), (200, "complete"))

    def test_what_is_wrong_with_a_cluster_is_said_from_the_start(self) -> None:
        secret = {
            "kind": "Secret",
            "metadata": {
                "name": "east",
                "labels": {"cluster.core.oam.dev/cluster-credential-type": "ServiceAccountToken"},
                "annotations": {"cluster.core.oam.dev/cluster-gateway-proxy-configuration": "rules: 7"},
            },
            "stringData": {"endpoint": "https://east.example:6443", "token": "hunter2"},
        }
        (self.folder / "clusters" / "east.yaml").write_text(yaml.safe_dump(secret))
        process = self.start("--write-kubeconfig=kubeconfig")
        self.assertIn("cluster east: insecure: no CA is given", process.output)
        connection, _ = dial(self.folder / "kubeconfig", self.folder)
        connection.sendall(b"GET /readyz?verbose HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
        answer = b""
        while data := connection.recv(65536):
            answer += data
        connection.close()
        self.assertEqual(process.end(), 0)
        wrong = re.search(r"identity exchange 0: (cluster east: .*)", answer.decode())
        assert wrong is not None, answer
        self.assertIn(wrong[1], process.output)
        self.assertNotIn("hunter2", process.output)

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


class ServerTests(SynchronousTestCase):
    def test_options_of_the_server_itself(self) -> None:
        connection, _ = connect(shared_world())
        connection.sendall(b"OPTIONS * HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
        answer = b""
        while data := connection.recv(65536):
            answer += data
        connection.close()
        self.assertTrue(answer.startswith(b"HTTP/1.1 200 "), answer)

    def test_a_websocket_watch_is_refused(self) -> None:
        connection, _ = connect(shared_world())
        path = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways?watch=true"
        lines = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: abc="
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: g\r\n{lines}\r\n\r\n".encode())
        answer = connection.recv(65536)
        connection.close()
        self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), answer)


class PluginTests(ProcessCase):
    """Exec plugins that hang, each with a child."""

    def setUp(self) -> None:
        super().setUp()
        self.lock = self.folder / "lock"
        self.plugin = str(Path(__file__).with_name("fake_exec_plugin.py"))

    def cluster(self, name: str, what: str = "family", **env: str) -> None:
        config = {
            "apiVersion": "client.authentication.k8s.io/v1",
            "command": sys.executable,
            "args": [self.plugin, str(self.lock), what],
            "env": [{"name": name, "value": value} for name, value in env.items()],
        }
        secret = {
            "kind": "Secret",
            "metadata": {"name": name, "labels": {"cluster.core.oam.dev/cluster-credential-type": "Dynamic"}},
            "stringData": {"endpoint": "https://127.0.0.1:1", "exec": json.dumps(config)},
        }
        (self.folder / "clusters" / f"{name}.yaml").write_text(yaml.safe_dump(secret))

    def ask(self, name: str) -> ssl.SSLSocket:
        connection, _ = dial(self.folder / "kubeconfig", self.folder)
        self.addCleanup(connection.close)
        path = f"/apis/cluster.core.oam.dev/v1alpha1/clustergateways/{name}/proxy/healthz"
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n".encode())
        return connection

    def test_only_what_is_listed(self) -> None:
        self.cluster("listed", "fail", PASSWORD="hunter2")
        self.cluster("bent", "fail", PASSWORD="hunter2", BASH_ENV="hunter2")
        self.cluster("other", "--option")
        listed = f"--exec-plugin-allow=true,{sys.executable} {self.plugin} {self.lock} *"
        process = self.start("--write-kubeconfig=kubeconfig", listed, "--exec-plugin-allow-env=PASSWORD")
        for name, words in (
            ("listed", "ended with code 3; cannot log in with [redacted]"),
            ("bent", "may not be run here with the variable BASH_ENV: it is not among --exec-plugin-allow-env"),
            ("other", "may not be run here with these arguments: --exec-plugin-allow names others"),
        ):
            connection, answer = self.ask(name), b""
            while data := connection.recv(65536):
                answer += data
            self.assertTrue(answer.startswith(b"HTTP/1.1 502 "), answer)
            self.assertIn(words, answer.decode())
            self.assertNotIn("hunter2", answer.decode())
        self.assertEqual(process.end(), 0)
        self.assertEqual(self.lock.stat().st_size, 1)

    def test_so_many_at_a_time_and_none_is_left(self) -> None:
        for number in range(12):
            self.cluster(f"east-{number}")
        process = self.start("--write-kubeconfig=kubeconfig", "--shutdown-grace=1")
        process.drain()
        for number in range(12):
            self.ask(f"east-{number}")
        end = time.monotonic() + SECONDS
        while not self.lock.exists() or self.lock.stat().st_size < 8:
            self.assertLess(time.monotonic(), end, process.output)
            time.sleep(0.01)
        self.assertEqual(process.end(), 0)
        self.assertEqual(self.lock.stat().st_size, 8)
        with self.lock.open() as held:
            fcntl.flock(held, fcntl.LOCK_EX)  # once nobody has it


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
    return dial(world.kubeconfig, world.folder)


def dial(kubeconfig: Path, folder: Path) -> tuple[ssl.SSLSocket, str]:
    """
    @param folder: where the credentials are written.
    @return: as L{connect}.
    """
    config = json.loads(kubeconfig.read_text())
    user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
    certificate, key, ca = (folder / name for name in ("c.pem", "k.pem", "ca.pem"))
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
