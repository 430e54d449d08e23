"""A container with collected output."""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.streams.pipe import Pipe
from clustergateway.sandbox.streams.remote import Streams
from clustergateway.sandbox.streams.shell.container import new_container, run_command


class Collected:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.data = b""

    async def write(self, data: bytes) -> None:
        self.data += data


class ContainerTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.container = new_container(self.clock, "web", "10.0.0.9", "east", {"COLOR": "blue"})
        self.files = self.container.files
        self.out = Collected()
        self.err = Collected()

    def start(self, *command: str, stdin: Pipe | None = None) -> Deferred[int]:
        """Run a command; without C{stdin} that is at its end."""
        if stdin is None:
            stdin = Pipe()
            stdin.end()
        running = partial(run_command, self.container, list(command), Streams(stdin, self.out, self.err))
        return Deferred.fromCoroutine(running())

    def run_to_end(self, *command: str, stdin: bytes = b"") -> int:
        pipe = Pipe()
        pipe.put(stdin or b"")
        pipe.end()
        running = self.start(*command, stdin=pipe)
        self.clock.pump([2e-6] * 100)
        return self.successResultOf(running)

    def script(self, text: str, stdin: bytes = b"") -> tuple[bytes, int]:
        """Run a script: what it prints, its exit code. Complaints are in C{err}."""
        self.out.data = self.err.data = b""
        code = self.run_to_end("sh", "-c", text, stdin=stdin)
        return self.out.data, code
