"""
For tests of a gateway among enemies: clusters that answer whatever a test wants, clients that send whatever it wants,
and the real gateway process between them, over TLS.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import queue
import select
import shutil
import socket
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.run import secret
from clustergateway.testing.certificates import Authority, Pair

from .world import Process

SECONDS = 30
"""What takes longer than this hangs."""
CLIENT_TOKEN = "client-token-5eCr3t"
CLUSTER_TOKEN = "cluster-token-5eCr3t"
PREFIX = "/apis/cluster.core.oam.dev/v1alpha1/clustergateways"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OK_ONCE = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


class Conversation:
    """
    The cluster's end of one connection.

    @ivar socket: what a script may write to; L{Conversation.request} reads from it.
    """

    def __init__(self, connection: Any) -> None:
        self.socket = connection
        self._buffer = b""

    def request(self) -> bytes:
        """
        @return: the next head with its Content-Length or chunked body, all as received; C{b""} when no more comes.
        """
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                return b""
        end = self._buffer.index(b"\r\n\r\n") + 4
        head = self._buffer[:end].lower()
        if b"\r\ntransfer-encoding: chunked" in head:
            while b"0\r\n\r\n" not in self._buffer[end:]:
                if not self._more():
                    break
            end = self._buffer.find(b"0\r\n\r\n", end) + 5
        elif b"\r\ncontent-length:" in head:
            end += int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
            while len(self._buffer) < end:
                if not self._more():
                    break
        found, self._buffer = self._buffer[:end], self._buffer[end:]
        return found

    def ended(self) -> bool:
        """Wait until the other side is gone, reading what still comes."""
        while self._more():
            self._buffer = b""
        return True

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reset(self) -> None:
        """Close it as no end of anything."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def _more(self) -> bool:
        try:
            data = self.socket.recv(65536)
        except OSError:
            return False
        self._buffer += data
        return bool(data)


Script = Callable[[Conversation], None]
Answer = tuple[int, dict[str, str], bytes]
"""Code, fields (names lowercased) and body."""


class Upstream:
    """
    A cluster whose every connection runs a script in a thread of its own. Without one it answers C{ok} to everything.

    @ivar script: for connections from now on.
    @ivar requests: what the default script was asked.
    @ivar connections: how many there were.
    """

    def __init__(self, pair: Pair | None, folder: Path) -> None:
        """
        @param pair: to serve with, C{None} for no TLS at all.
        """
        self._context: ssl.SSLContext | None = None
        if pair is not None:
            file = folder / f"upstream-{id(self)}.pem"
            file.write_bytes(pair.certificate + pair.key)
            self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._context.load_cert_chain(file)
        self.script: Script = self.answer
        self.requests: queue.Queue[bytes] = queue.Queue()
        self.connections = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def answer(self, conversation: Conversation) -> None:
        """The default script: one request, so that the next connection runs the script of the next test."""
        if request := conversation.request():
            self.requests.put(request)
            conversation.send(OK_ONCE)

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            plain.settimeout(SECONDS)
            with self._lock:
                self.connections += 1
                self._open.add(plain)
            threading.Thread(target=self._serve, args=(plain, self.script), daemon=True).start()

    def _serve(self, plain: socket.socket, script: Script) -> None:
        connection: socket.socket = plain
        try:
            if self._context is not None:
                connection = self._context.wrap_socket(plain, server_side=True, suppress_ragged_eofs=False)
            with self._lock:
                self._open.add(connection)
            script(Conversation(connection))
            if isinstance(connection, ssl.SSLSocket) and connection.fileno() >= 0:
                connection.unwrap().close()
        except (OSError, ValueError):
            pass  # the other side ended it in another way
        finally:
            connection.close()
            with self._lock:
                self._open -= {plain, connection}

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        # close() alone would leave it listening for as long as a thread waits in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class Client:
    """A connection to the gateway, byte by byte."""

    def __init__(self, connection: Any) -> None:
        self.socket = connection
        self._buffer = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def pour(self, piece: bytes) -> None:
        """Send this over and over until something is answered. One thread: a TLS connection does not bear two."""
        limit = time.monotonic() + SECONDS
        self.socket.setblocking(False)
        try:
            while time.monotonic() < limit:
                with contextlib.suppress(ssl.SSLWantReadError):
                    return self._more()
                with contextlib.suppress(ssl.SSLWantWriteError):
                    self.socket.send(piece)
                    continue
                select.select([self.socket], [self.socket], [], SECONDS)
        finally:
            self.socket.settimeout(SECONDS)
        raise TimeoutError("nothing was answered")

    def head(self) -> tuple[int, dict[str, str]]:
        """
        @return: code and fields (names lowercased) of the next answer's head.
        """
        while b"\r\n\r\n" not in self._buffer:
            self._more()
        raw, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        line, *lines = raw.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        return int(line.split(" ")[1]), fields

    def answer(self, *, head_only: bool = False) -> Answer:
        """The next one."""
        code, fields = self.head()
        if head_only or code in (204, 304) or code < 200:
            return code, fields, b""
        if fields.get("transfer-encoding") == "chunked":
            return code, fields, self._chunked()
        return code, fields, self.take(int(fields["content-length"]))

    def take(self, size: int) -> bytes:
        """So many bytes."""
        while len(self._buffer) < size:
            self._more()
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    def _chunked(self) -> bytes:
        body = b""
        while True:
            while b"\r\n" not in self._buffer:
                self._more()
            line, _, self._buffer = self._buffer.partition(b"\r\n")
            data = self.take(int(line, 16) + 2)
            if len(data) == 2:
                return body
            body += data[:-2]

    def rest(self) -> bytes:
        """Whatever comes until the connection ends in an orderly way. @raise OSError: it is cut instead."""
        while data := self.socket.recv(65536):
            self._buffer += data
        found, self._buffer = self._buffer, b""
        return found

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(f"the connection ended; before that came {self._buffer[-200:]!r}")
        self._buffer += data

    def close(self) -> None:
        self.socket.close()


class Gateway:
    """
    C{twistd cluster-gateway} with clusters of its own and clients that have a token.

    @ivar authority: whose certificates clusters have.
    """

    def __init__(self, *flags: str, prepare: Callable[[Gateway], None] = lambda gateway: None) -> None:
        """
        @param prepare: adds clusters beside C{east} and C{west}, before it starts.
        """
        self.folder = Path(tempfile.mkdtemp(prefix="cluster-gateway-hostile-"))
        self.authority = Authority("clusters")
        self._upstreams: dict[str, Upstream] = {}
        (self.folder / "clusters").mkdir()
        (self.folder / "tokens.csv").write_text(f'{CLIENT_TOKEN},mallory,,"wheel"\n')
        for name in ("east", "west"):
            self.add(name)
        prepare(self)
        self.log = self.folder / "access.log"
        self.process = Process(
            [
                str(Path(sys.executable).with_name("twistd")),
                "--nodaemon",
                "--pidfile=",
                "cluster-gateway",
                "--clusters-dir=clusters",
                "--secure-port=0",
                "--bind-address=127.0.0.1",
                "--cert-dir=certificates",
                "--token-auth-file=tokens.csv",
                "--write-kubeconfig=kubeconfig",
                f"--access-log={self.log}",
                *flags,
            ],
            "serving on https://127.0.0.1:",
            self.folder,
        )
        self.process.drain()
        config = json.loads((self.folder / "kubeconfig").read_text())
        self.port = int(config["clusters"][0]["cluster"]["server"].split("/")[2].rpartition(":")[2])
        self._tls = ssl.create_default_context(cafile=str(self.folder / "certificates" / "serving-ca.crt"))

    def __getitem__(self, name: str) -> Upstream:
        return self._upstreams[name]

    def add(self, name: str, pair: Pair | None = None, tls: bool = True) -> Upstream:
        """A cluster, and an upstream for it that serves with this certificate, or a good one."""
        served = pair or self.authority.server("127.0.0.1", "localhost")
        upstream = self._upstreams[name] = Upstream(served if tls else None, self.folder)
        self.declare(name, f"https://127.0.0.1:{upstream.port}")
        return upstream

    def declare(self, name: str, endpoint: str, **data: str) -> None:
        """A cluster at this URL."""
        given = {"token": CLUSTER_TOKEN, "ca.crt": self.authority.certificate.decode(), "endpoint": endpoint} | data
        text = json.dumps(secret(name, "ServiceAccountToken", given))
        temporary = self.folder / f"{name}.new"
        temporary.write_text(text)
        os.replace(temporary, self.folder / "clusters" / f"{name}.json")

    def plain(self) -> socket.socket:
        """A TCP connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), SECONDS)

    def client(self) -> Client:
        """A TLS connection to it."""
        return Client(self._tls.wrap_socket(self.plain(), server_hostname="127.0.0.1", suppress_ragged_eofs=False))

    def ask(self, target: str, *lines: str, method: str = "GET", body: bytes = b"") -> Answer:
        """One request on a connection of its own."""
        client = self.client()
        try:
            client.send(request(target, *lines, method=method, body=body))
            return client.answer(head_only=method == "HEAD")
        finally:
            client.close()

    def metrics(self) -> str:
        return self.ask("/metrics")[2].decode()

    def gauge(self, name: str) -> float:
        """The value of the series that begins so."""
        for line in self.metrics().splitlines():
            if line.startswith(name):
                return float(line.rpartition(" ")[2])
        return 0.0

    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident(self) -> int:
        """How many bytes of memory it uses."""
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def close(self) -> None:
        self.process.kill()
        for upstream in self._upstreams.values():
            upstream.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def request(target: str, *lines: str, method: str = "GET", body: bytes = b"", token: str = CLIENT_TOKEN) -> bytes:
    """A request of the client's, as bytes. A target that does not begin with a slash is one inside C{east}."""
    where = target if target.startswith("/") else f"{PREFIX}/east/proxy/{target}"
    head = [f"{method} {where} HTTP/1.1", "Host: gateway", f"Authorization: Bearer {token}", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def said(body: bytes) -> dict[str, Any]:
    """A metav1.Status, as a dictionary."""
    status: dict[str, Any] = json.loads(body)
    assert status["kind"] == "Status" and status["status"] == "Failure", status
    return status


@cache
def shared_gateway(*flags: str) -> Gateway:
    """A gateway for every test that leaves it as it was; ended with the test run."""
    gateway = Gateway(*flags)
    atexit.register(gateway.close)
    return gateway


class ScriptedTestCase(SynchronousTestCase):
    """
    Of a gateway that may serve other tests too.

    @ivar east: a cluster of it; it has forgotten what other tests told it and asked of it.
    """

    def find_gateway(self) -> Gateway:
        raise NotImplementedError

    def setUp(self) -> None:
        self.gateway = self.find_gateway()
        self.east = self.gateway["east"]
        self.east.script = self.east.answer
        self.east.requests = queue.Queue()

    def client(self) -> Client:
        """A TLS connection to the gateway, for the time of this test."""
        client = self.gateway.client()
        self.addCleanup(client.close)
        return client
