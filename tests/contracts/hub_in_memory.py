"""
The in-memory API server as one of the clusters of the hub's suite: C{python -m tests.contracts.hub_in_memory FOLDER}
is its process, which can go away and come back without forgetting.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from clustergateway.sandbox.bootstrap import FRONT_PROXY_NAME
from clustergateway.sandbox.seed import example
from clustergateway.sandbox.server import ApiServer, SandboxConfig
from clustergateway.sandbox.tls import server_options
from clustergateway.testing.certificates import Authority, Pair
from tests.ports import free_port

from .hub_processes import ROOT, SECONDS, eventually

GO_AWAY, COME_BACK = signal.SIGUSR1, signal.SIGUSR2


class InMemoryCluster:
    """Implements L{tests.contracts.hub.ApiServerProcess}."""

    def __init__(self, name: str, folder: Path, pods: bool = False) -> None:
        """
        @param pods: it has some, and the controllers that keep them.
        """
        self._folder = folder / name
        self._folder.mkdir()
        self._authority, front_proxy_ca = Authority(f"{name}-ca"), Authority(f"{name}-proxy")
        self.ca = self._authority.certificate
        self.front_proxy = front_proxy_ca.client(FRONT_PROXY_NAME)
        serving = self._authority.server("localhost", "127.0.0.1")
        for file, content in {
            "ca.crt": self.ca,
            "proxy-ca.crt": front_proxy_ca.certificate,
            "server.crt": serving.certificate,
            "server.key": serving.key,
            "proxy.crt": self.front_proxy.certificate,
            "proxy.key": self.front_proxy.key,
        }.items():
            (self._folder / file).write_bytes(content)
        port = free_port()
        self.url = f"https://localhost:{port}"
        with open(self._folder / "log", "ab") as log:
            command = [sys.executable, "-m", __name__, str(self._folder), str(port), *(["pods"] if pods else [])]
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        self._await("up")

    def client(self, user: str, *groups: str) -> Pair:
        return self._authority.client(user, groups)

    def go_away(self) -> None:
        self._process.send_signal(GO_AWAY)
        self._await("down")

    def come_back(self) -> None:
        self._process.send_signal(COME_BACK)
        self._await("up")

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def _await(self, state: str) -> None:
        def there() -> bool:
            if self._process.poll() is not None:
                raise AssertionError(f"the API server ended: {(self._folder / 'log').read_text()}")
            try:
                return (self._folder / "state").read_text() == state
            except FileNotFoundError:
                return False

        eventually(there, f"API server {state}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(SECONDS)


class Served:
    """The server's side: listens, and hangs up on everybody when told to."""

    def __init__(self, reactor: Any, folder: Path, port: int, pods: bool) -> None:
        self._reactor = reactor
        self._folder = folder
        self._number = port
        self._tls = server_options(self._pair("server"))
        config = SandboxConfig(
            name=folder.name,
            client_ca=self._read("ca.crt"),
            rbac=True,
            controllers=pods,
            objects=example(folder.name) if pods else (),
            front_proxy=self._pair("proxy"),
            front_proxy_ca=self._read("proxy-ca.crt"),
        )
        self._server = ApiServer(config, reactor)
        self._port: Any = None
        self.come_back()

    def _read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def _pair(self, name: str) -> Pair:
        return Pair(self._read(f"{name}.crt"), self._read(f"{name}.key"))

    def come_back(self) -> None:
        if self._port is None:
            self._port = self._server.listen(self._reactor, self._number, self._tls)
        self._say("up")

    def go_away(self) -> None:
        port, self._port = self._port, None
        if port is not None:
            port.stopListening()
            for connection in self._reactor.getReaders():
                if getattr(connection, "server", None) is port:
                    connection.abortConnection()
        self._say("down")

    def _say(self, state: str) -> None:
        fresh = self._folder / "state.new"
        fresh.write_text(state)
        fresh.rename(self._folder / "state")


def serve(reactor: Any, folder: str, port: str, *pods: str) -> Deferred[None]:
    """Until somebody ends the process."""
    served = Served(reactor, Path(folder), int(port), bool(pods))

    def upon(action: Callable[[], None]) -> Callable[..., None]:
        return lambda *_: reactor.callFromThread(action)

    signal.signal(GO_AWAY, upon(served.go_away))
    signal.signal(COME_BACK, upon(served.come_back))
    return Deferred()


if __name__ == "__main__":
    react(serve, sys.argv[1:])
