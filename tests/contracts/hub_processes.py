"""The processes around a hub: what runs, what calls it, and how to wait for either."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from clustergateway.testing.certificates import Pair

ASSETS = os.environ.get("KUBEBUILDER_ASSETS", "/usr/local/kubebuilder/bin")
KUBECTL = shutil.which("kubectl") or shutil.which("kubectl", path=ASSETS)
ROOT = Path(__file__).resolve().parents[2]
SECONDS = 20
NAMESPACE = "vela-system"
SERVICE = "cluster-gateway"
HOST = f"{SERVICE}.{NAMESPACE}.svc"
GROUP = "cluster.core.oam.dev"
PATH = f"/apis/{GROUP}/v1alpha1"
APISERVICE = f"v1alpha1.{GROUP}"


class ApiServerProcess(Protocol):
    """
    A Kubernetes API server as a process.

    @ivar ca: PEM, of its certificate and of its clients'.
    @ivar front_proxy: with what it presents itself to aggregated servers.
    """

    url: str
    ca: bytes
    front_proxy: Pair

    def client(self, user: str, *groups: str) -> Pair:
        """A certificate by which it knows this user."""
        ...

    def go_away(self) -> None:
        """Hang up on everybody and answer nobody."""
        ...

    def come_back(self) -> None:
        """Be as before; returns when it answers."""
        ...

    def freeze(self) -> None:
        """Say nothing more, and hang up on nobody."""
        ...

    def thaw(self) -> None:
        """Go on."""
        ...

    def kill(self) -> None: ...


def eventually(true: Callable[[], object], what: str, seconds: float = SECONDS) -> None:
    """Look again and again until it is true."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.1)


@dataclass(frozen=True, slots=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


class Following:
    """A command that goes on, and what it has printed so far, both streams."""

    def __init__(self, arguments: Sequence[str], folder: Path) -> None:
        self.output = ""
        self._command = " ".join(arguments)
        self._process = subprocess.Popen(
            arguments, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment(folder)
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.output += line

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def until(self, text: str, times: int = 1) -> None:
        """Wait until this was printed so many times."""

        def printed() -> bool:
            return self.output.count(text) >= times

        eventually(lambda: printed() or not self.running, f"{text!r} from {self._command}: {self.output}")
        self._process.poll()
        if not printed():
            raise AssertionError(f"{self._command} ended before {text!r}: {self.output}")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(SECONDS)
        self._reader.join(SECONDS)
        assert self._process.stdout is not None
        self._process.stdout.close()


def environment(folder: Path) -> dict[str, str]:
    return {**os.environ, "HOME": str(folder), "PYTHONUNBUFFERED": "1"}


@dataclass(slots=True)
class Gateway:
    """
    A gateway as a process.

    @ivar port: the same over restarts.
    """

    name: str
    port: int
    arguments: tuple[str, ...]
    folder: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self, ready: bool = False) -> None:
        """
        @param ready: wait until it says that it can serve, not only until it listens.
        @raise AssertionError: it does not in time.
        """
        with open(self.folder / f"{self.name}.log", "ab") as log:
            self._process = subprocess.Popen(
                (*self.arguments, "--secure-port", str(self.port)), cwd=self.folder, stdout=log, stderr=log
            )
        eventually(self._listens, f"gateway {self.name} listens: {self.folder}")
        if ready:
            eventually(self._serves, f"gateway {self.name} is ready: {self.folder}")

    def _listens(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"gateway {self.name} ended: {self.log}")
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _serves(self) -> bool:
        probe = Caller(f"https://127.0.0.1:{self.port}", (self.folder / "ca.crt").read_bytes(), None, self.folder, HOST)
        try:
            return probe.call("GET", "/readyz")[0] == 200
        finally:
            probe.close()

    @property
    def log(self) -> str:
        return (self.folder / f"{self.name}.log").read_text()

    def stop(self) -> int:
        """
        Ask it to end.

        @return: its exit status.
        """
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(SECONDS)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(SECONDS)


class Caller:
    """
    A keep-alive HTTPS client of one server.

    @param server_name: that the certificate must carry; the host of the URL if not given.
    """

    def __init__(self, url: str, ca: bytes, pair: Pair | None, folder: Path, server_name: str = "") -> None:
        self._where = urlsplit(url)
        self._context = ssl.create_default_context(cadata=ca.decode("ascii"))
        self._server_name = server_name or self._where.hostname or ""
        if pair is not None:
            with tempfile.NamedTemporaryFile(dir=folder) as file:
                file.write(pair.certificate + pair.key)
                file.flush()
                self._context.load_cert_chain(file.name)
        self._connection: http.client.HTTPConnection | None = None

    def call(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> tuple[int, Any]:
        """
        @return: code, and the body; parsed if it is JSON.
        """
        data = None if body is None else json.dumps(body)
        sent = {**(headers or {}), **({"Content-Type": "application/json"} if data else {})}
        kept = self._connection is not None
        try:
            return self._once(method, path, data, sent)
        except (http.client.RemoteDisconnected, ConnectionError):
            if not kept:  # a connection that is kept may be closed at any time
                raise
        return self._once(method, path, data, sent)

    def _once(self, method: str, path: str, data: str | None, headers: Mapping[str, str]) -> tuple[int, Any]:
        connection = self._connection = self._connection or self._connect()
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        return answer.status, _parsed(content)

    def _connect(self) -> http.client.HTTPConnection:
        plain = socket.create_connection((self._where.hostname or "", self._where.port or 443), timeout=SECONDS)
        connection = http.client.HTTPConnection(self._where.hostname or "", self._where.port)
        connection.sock = self._context.wrap_socket(plain, server_hostname=self._server_name)
        return connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")


class Load(threading.Thread):
    """
    Somebody who asks the same, one request after the other.

    @ivar codes: of the answers; C{0} for none.
    """

    def __init__(self, caller: Caller, path: str) -> None:
        super().__init__(daemon=True)
        self._caller = caller
        self._path = path
        self._enough = threading.Event()
        self.codes: list[int] = []

    def run(self) -> None:
        while not self._enough.is_set():
            try:
                code, _ = self._caller.call("GET", self._path)
            except (OSError, http.client.HTTPException):
                code = 0
            self.codes.append(code)
        self._caller.close()

    def stop(self) -> list[int]:
        self._enough.set()
        self.join(SECONDS)
        return self.codes
