"""kube-apiserver and etcd as one of the clusters of the hub's suite."""

from __future__ import annotations

import signal
import subprocess
from http.client import HTTPException
from pathlib import Path

from clustergateway.testing.certificates import Pair

from .hub_processes import Caller, eventually
from .real import spawn


class RealCluster:
    """Implements L{tests.contracts.hub.ApiServerProcess}."""

    def __init__(self, name: str, folder: Path) -> None:
        """
        @raise SkipTest: the programs are not there.
        """
        self._server = spawn()
        self._etcd, self._apiserver = self._server.processes
        self._folder = folder
        self.url = self._server.url
        self.ca = self._server.authority.certificate
        proxy = [(self._server.directory / f"proxy.{kind}").read_bytes() for kind in ("crt", "key")]
        self.front_proxy = Pair(*proxy)

    def client(self, user: str, *groups: str) -> Pair:
        return self._server.authority.client(user, groups)

    def go_away(self) -> None:
        self._apiserver.kill()
        self._apiserver.wait()

    def come_back(self) -> None:
        if self._apiserver.poll() is not None:
            with open(self._server.directory / "kube-apiserver.log", "ab") as log:
                self._apiserver = subprocess.Popen(
                    self._apiserver.args, cwd=self._server.directory, stdout=log, stderr=log
                )
        caller = Caller(self.url, self.ca, self._server.admin, self._folder)

        def ready() -> bool:
            try:
                return caller.call("GET", "/readyz")[0] == 200
            except (OSError, HTTPException):
                return False

        eventually(ready, f"kube-apiserver is ready: {self._server.directory}")
        caller.close()

    def freeze(self) -> None:
        self._apiserver.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._apiserver.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.go_away()
        self._server.kill()
