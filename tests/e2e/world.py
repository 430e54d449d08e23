"""
The world of the end-to-end tests: what C{make run} starts, as a process of its own, and the real kubectl beside it.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from signal import SIGTERM
from typing import Any

KUBECTL = shutil.which("kubectl") or shutil.which(
    "kubectl", path=os.environ.get("KUBEBUILDER_ASSETS", "/usr/local/kubebuilder/bin")
)
NO_KUBECTL = None if KUBECTL else "there is no kubectl on PATH"
SECONDS = 60
"""A command that takes longer than this hangs."""


class Process:
    """
    A program of this project's, until it is ended.

    @ivar output: what it has written so far, both streams.
    """

    def __init__(self, arguments: Sequence[str], ready: str, folder: Path) -> None:
        """
        @param ready: what it writes when it can be used.
        @raise AssertionError: it ended, or did not get ready in time.
        """
        self._process = subprocess.Popen(
            arguments,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        assert self._process.stdout is not None
        self._pipe = self._process.stdout.fileno()
        self._drain: threading.Thread | None = None
        self.output = ""
        while ready not in self.output:
            if not self._read():
                self.kill()
                raise AssertionError(f"{arguments} did not get ready:\n{self.output}")

    def _read(self) -> bool:
        readable, _, _ = select.select([self._pipe], [], [], SECONDS)
        data = os.read(self._pipe, 65536) if readable else b""
        self.output += data.decode("utf-8", "replace")
        return bool(data)

    @property
    def pid(self) -> int:
        return self._process.pid

    def drain(self) -> None:
        """From now on read its output as it comes, so that it never waits for a reader."""

        def read() -> None:
            while data := os.read(self._pipe, 65536):
                self.output += data.decode("utf-8", "replace")

        self._drain = threading.Thread(target=read, daemon=True)
        self._drain.start()

    def send(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self, number: int = SIGTERM) -> int:
        """
        @return: its exit status.
        """
        self._process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        if self._drain is None:
            while self._read():
                pass
        status = self._process.wait(SECONDS)
        self._close()
        return status

    def kill(self) -> None:
        """Whatever state it is in."""
        self._process.kill()
        self._process.wait(SECONDS)
        self._close()

    def _close(self) -> None:
        assert self._process.stdout is not None
        if self._drain is not None:
            self._drain.join(SECONDS)
        self._process.stdout.close()


@cache
def shared_world(*arguments: str) -> World:
    """
    A world for every test that leaves it as it was; ended with the test run.

    @param arguments: of the sandbox.
    """
    world = World(*arguments)
    world.process.drain()
    atexit.register(world.close)
    return world


class World:
    """Two sandbox clusters and a gateway."""

    def __init__(self, *arguments: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cluster-gateway-e2e-"))
        self.process = Process(
            [
                sys.executable,
                "-m",
                "clustergateway.sandbox",
                "--directory",
                str(self.folder / "s"),
                "--port",
                "0",
                *arguments,
            ],
            "Ctrl-C ends it",
            self.folder,
        )
        self.kubeconfig = self.folder / "s" / "kubeconfig"

    def close(self) -> None:
        self.process.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start_kubectl(self, *arguments: str, context: str = "east", **environment: str) -> subprocess.Popen[str]:
        assert KUBECTL is not None
        return subprocess.Popen(
            [KUBECTL, "--kubeconfig", str(self.kubeconfig), "--context", context, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env={**os.environ, "HOME": str(self.folder), **environment},
        )

    def kubectl(
        self, *arguments: str, context: str = "east", stdin: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl to its end."""
        with self.start_kubectl(*arguments, context=context, **environment) as process:
            try:
                out, err = process.communicate(stdin, SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
            return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def get(self, *arguments: str, context: str = "east") -> Any:
        """
        @return: the object that C{kubectl get -o json} prints.
        """
        done = self.kubectl("get", *arguments, "-o", "json", context=context)
        if done.returncode:
            raise AssertionError(done.stderr)
        return json.loads(done.stdout)
