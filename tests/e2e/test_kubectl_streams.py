"""
The real kubectl, and the official Python client, on the streams of a pod: exec, cp, attach, port-forward, logs; over
WebSocket and over SPDY.

L{Exec}, L{Copy}, L{Forward}, L{PythonClient} and L{Logs} are the conversations; what they are had with is up to the
subclasses of L{StreamsTestCase} that they are mixed into.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any, ClassVar, cast
from unittest import skipIf

from kubernetes import client, config
from kubernetes.stream import portforward, stream
from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from clustergateway.sandbox.call import User
from clustergateway.sandbox.seed import example
from clustergateway.sandbox.server import ApiServer, SandboxConfig
from clustergateway.sandbox.streams import PodStreams
from clustergateway.sandbox.tls import server_options
from clustergateway.testing.certificates import Authority

from .kubectl import KUBECTL, Kubectl, talk

CLOCK = cast(IReactorTime, _reactor)
BLOB = hashlib.shake_128(b"blob").digest(3_000_000)
SPDY = {"KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false", "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false"}
POD = "box"


@skipIf(KUBECTL is None, "kubectl is not installed")
class StreamsTestCase(TestCase):
    """
    @cvar environment: given to kubectl.
    """

    environment: ClassVar[dict[str, str]] = {}
    timeout = 120

    async def world(self) -> tuple[str, str]:
        """
        Start what is tested, and see to its end with C{addCleanup}.

        @return: path of a kubeconfig, and the context in it that leads to a sandbox cluster.
        """
        raise NotImplementedError

    def setUp(self) -> Deferred[None]:  # type: ignore[override]
        return Deferred.fromCoroutine(self.start())

    async def start(self) -> None:
        self.kubeconfig, self.context = await self.world()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.kubectl = Kubectl(self.kubeconfig, self.context, str(self.folder), self.environment)
        await self.kubectl.run("wait", "--for=condition=Ready", f"pod/{POD}", "--timeout=30s")


class Exec:
    async def test_output_and_exit_code(self: Any) -> None:
        code, out, err = await self.kubectl.run("exec", POD, "--", "sh", "-c", "echo out; echo err >&2; exit 3")
        self.assertEqual((code, out), (3, b"out\n"))
        self.assertIn(b"err\n", err)
        self.assertEqual((await self.kubectl.run("exec", POD, "--", "true"))[0], 0)

    async def test_stdin(self: Any) -> None:
        code, out, _ = await self.kubectl.run("exec", "-i", POD, "--", "cat", stdin=BLOB)
        self.assertEqual((code, out == BLOB), (0, True))
        _, out, _ = await self.kubectl.run("exec", "-i", POD, "--", "md5sum", stdin=BLOB)
        self.assertEqual(out, hashlib.md5(BLOB).hexdigest().encode() + b"  -\n")

    async def test_no_such_command(self: Any) -> None:
        code, _, err = await self.kubectl.run("exec", POD, "--", "nope")
        self.assertEqual(code, 1)
        self.assertIn(b"executable file not found in $PATH", err)

    async def test_no_such_pod(self: Any) -> None:
        code, _, err = await self.kubectl.run("exec", "nope", "--", "true")
        self.assertEqual(code, 1)
        self.assertIn(b'pods "nope" not found', err)

    async def test_terminal(self: Any) -> None:
        kubectl = self.kubectl.start("exec", "-it", POD, "--", "sh", tty=True)
        await kubectl.until(b"/ # ")
        kubectl.resize(33, 101)
        kubectl.write(b"cd /tmp\r")
        await kubectl.until(b"/tmp # ")
        while b"33 101" not in kubectl.out:  # kubectl hears of a size by a signal, later; if not too early
            kubectl.resize(32, 101)
            kubectl.resize(33, 101)
            before = kubectl.out.count(b"/tmp # ")
            kubectl.write(b"stty size\r")
            await kubectl.until(b"/tmp # ", before + 1)
        before = kubectl.out.count(b"/tmp # ")
        kubectl.write(b"sleep 1000\r")
        await kubectl.until(b"sleep 1000\r\n")
        kubectl.write(b"\x03")
        await kubectl.until(b"/tmp # ", before + 1)
        kubectl.write(b"echo code=$?\r")
        await kubectl.until(b"code=130")
        kubectl.write(b"exit 5\r")
        self.assertEqual(await kubectl.ended, 5)

    async def test_attach(self: Any) -> None:
        kubectl = self.kubectl.start("attach", "-i", POD)
        await kubectl.until(f"pod={POD} cluster=".encode())
        kubectl.write(b"hello\n")
        await kubectl.until(b"received: hello")
        await kubectl.stop()


class Copy:
    async def test_both_ways(self: Any) -> None:
        there, back, again = (str(self.folder / name) for name in ("there", "back", "again"))
        Path(there).write_bytes(BLOB)
        self.assertEqual((await self.kubectl.run("cp", there, f"{POD}:/tmp/blob"))[0], 0)
        self.assertEqual((await self.kubectl.run("cp", f"{POD}:/tmp/blob", back))[0], 0)
        self.assertEqual((await self.kubectl.run("cp", "--retries=2", f"{POD}:/tmp/blob", again))[0], 0)
        self.assertEqual(Path(back).read_bytes(), BLOB)
        self.assertEqual(Path(again).read_bytes(), BLOB)

    async def test_folders(self: Any) -> None:
        there, back = self.folder / "there", self.folder / "back"
        files = {"a": b"1", "sub/b": b"2" * 5000, "sub/" + "long" * 40: b"3"}
        for name, data in files.items():
            (there / name).parent.mkdir(parents=True, exist_ok=True)
            (there / name).write_bytes(data)
        for flags in ((), ("--no-preserve",)):
            code, _, err = await self.kubectl.run("cp", *flags, str(there), f"{POD}:/tmp")
            self.assertEqual(code, 0, err)
        self.assertEqual((await self.kubectl.run("cp", f"{POD}:/tmp/there", str(back)))[0], 0)
        self.assertEqual({name: (back / name).read_bytes() for name in files}, files)

    async def test_missing(self: Any) -> None:
        # What of it kubectl tells, and whether it exits with an error, is a race inside it.
        await self.kubectl.run("cp", f"{POD}:/nope", str(self.folder / "x"))
        self.assertFalse((self.folder / "x").exists())
        self.assertEqual((await self.kubectl.run("exec", POD, "--", "tar", "cf", "-", "/nope"))[0], 1)


class Forward:
    async def forwarded(self: Any, *ports: str) -> tuple[Any, list[int]]:
        kubectl = self.kubectl.start("port-forward", POD, *(f":{port}" for port in ports))
        await kubectl.until(b"Forwarding from 127.0.0.1:", len(ports))
        return kubectl, [int(port) for port in re.findall(rb"127.0.0.1:(\d+) ->", kubectl.out)]

    async def test_connections(self: Any) -> None:
        kubectl, [web] = await self.forwarded("8080")
        answers = await gatherResults(
            [Deferred.fromCoroutine(talk(web, b"GET / HTTP/1.0\r\n\r\n")) for _ in range(10)], consumeErrors=True
        )
        self.assertTrue(all(f"\r\n\r\npod {POD} of cluster ".encode() in answer for answer in answers))
        size = b"Content-Length: %d\r\n\r\n" % len(BLOB)
        answer = await talk(web, b"POST / HTTP/1.0\r\n" + size + BLOB)
        self.assertEqual(answer.partition(b"\r\n\r\n")[2] == BLOB, True)
        await kubectl.stop()

    async def test_nothing_listens(self: Any) -> None:
        kubectl, [port] = await self.forwarded("81")
        self.assertEqual(await talk(port, b"x"), b"")
        await kubectl.until(b"connection refused")
        if not kubectl.ended.called:
            await kubectl.stop()


class PythonClient:
    async def test_exec(self: Any) -> None:
        code, out = await deferToThread(self.python_exec)
        self.assertEqual((code, out), (4, "one\ntwo\n"))

    def python_exec(self: Any) -> tuple[int, str]:
        api = client.CoreV1Api(config.new_client_from_config(self.kubeconfig, self.context))
        ends = stream(
            api.connect_get_namespaced_pod_exec,
            POD,
            "default",
            command=["sh"],
            stdin=True,
            stdout=True,
            stderr=True,
            tty=False,
            _preload_content=False,
        )
        ends.write_stdin("echo one\n")
        first = ends.readline_stdout(timeout=20)
        ends.write_stdin("echo two; exit 4\n")
        ends.run_forever(timeout=20)
        code, rest = ends.returncode, ends.read_stdout()
        ends.sock.shutdown()  # close() leaves the socket open when the server has closed first
        return code, f"{first}\n{rest}"

    async def test_port_forward(self: Any) -> None:
        self.assertIn(f"pod {POD} of cluster ".encode(), await deferToThread(self.python_forward))

    def python_forward(self: Any) -> bytes:
        api = client.CoreV1Api(config.new_client_from_config(self.kubeconfig, self.context))
        forward = portforward(api.connect_get_namespaced_pod_portforward, POD, "default", ports="8080")
        socket = forward.socket(8080)
        socket.settimeout(20)
        socket.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while b"cluster" not in answer:
            answer += socket.recv(4096)
        forward.close()
        return answer


class Logs:
    async def test_follow(self: Any) -> None:
        kubectl = self.kubectl.start("logs", "-f", "--tail=1", POD)
        await kubectl.until(b"tick ", 3)
        await kubectl.stop()

    async def test_options(self: Any) -> None:
        await deferLater(CLOCK, 1.5)
        _, out, _ = await self.kubectl.run("logs", "--tail=1", "--timestamps", POD)
        self.assertRegex(out, rb"\A\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z tick \d+ pod=box cluster=\w+\n\Z")
        _, out, _ = await self.kubectl.run("logs", "--limit-bytes=4", POD)
        self.assertEqual(out, b"tick")
        code, _, err = await self.kubectl.run("logs", "-p", POD)
        self.assertEqual(code, 1)
        self.assertIn(b"previous terminated container", err)


class Direct(StreamsTestCase):
    """With a sandbox cluster itself."""

    async def world(self) -> tuple[str, str]:
        authority = Authority("CA")
        users = {"secret": User("admin", ("system:masters",))}
        server = ApiServer(SandboxConfig("east", users, objects=example("east")), CLOCK, PodStreams(CLOCK, "east"))
        port: Any = server.listen(_reactor, 0, server_options(authority.server("127.0.0.1")))
        self.addCleanup(server.stop)
        self.addCleanup(port.stopListening)
        # What kubectl left open is seen to be closed in the reactor's next turns.
        self.addCleanup(deferLater, CLOCK, 0.05)
        path = os.path.abspath(self.mktemp())
        where = {"server": f"https://127.0.0.1:{port.getHost().port}", "insecure-skip-tls-verify": True}
        written = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "east", "cluster": where}],
            "users": [{"name": "admin", "user": {"token": "secret"}}],
            "contexts": [{"name": "east", "context": {"cluster": "east", "user": "admin"}}],
        }
        Path(path).write_text(json.dumps(written))
        return path, "east"


class DirectExec(Exec, Direct):
    pass


class DirectExecSpdy(DirectExec):
    environment: ClassVar = SPDY


class DirectCopy(Copy, Direct):
    pass


class DirectCopySpdy(DirectCopy):
    environment: ClassVar = SPDY


class DirectForward(Forward, Direct):
    pass


class DirectForwardSpdy(DirectForward):
    environment: ClassVar = SPDY


class DirectLogs(Logs, Direct):
    pass


class DirectPythonClient(PythonClient, Direct):
    pass
