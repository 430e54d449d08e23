"""Running the real kubectl against a reactor that keeps running."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import termios
from collections.abc import Callable
from typing import Any, cast

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.interfaces import IReactorProcess, IReactorTCP
from twisted.internet.protocol import ProcessProtocol, Protocol, connectionDone
from twisted.python.failure import Failure

KUBECTL = shutil.which("kubectl")


class Running(ProcessProtocol):
    """
    A kubectl that runs.

    @ivar out: what it has printed, C{err} what it has complained about; on a terminal all of it is C{out}.
    @ivar ended: fires with its exit code, -1 if a signal ended it.
    """

    transport: Any

    def __init__(self) -> None:
        self.out = b""
        self.err = b""
        self.ended: Deferred[int] = Deferred()
        self._awaited: list[tuple[Callable[[], bool], Deferred[None]]] = []

    def outReceived(self, data: bytes) -> None:
        self.out += data
        self._check()

    def errReceived(self, data: bytes) -> None:
        self.err += data
        self._check()

    def until(self, text: bytes, times: int = 1) -> Deferred[None]:
        """Fires once this has been printed or complained so many times; fails if kubectl ends before."""
        deferred: Deferred[None] = Deferred()
        self._awaited.append((lambda: (self.out + self.err).count(text) >= times, deferred))
        self._check()
        return deferred

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def end_input(self) -> None:
        self.transport.closeStdin()

    def resize(self, rows: int, columns: int) -> None:
        """Of its terminal."""
        fcntl.ioctl(self.transport.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def stop(self) -> Deferred[int]:
        """Interrupt it."""
        self.transport.signalProcess("INT")
        return self.ended

    def processEnded(self, reason: Failure) -> None:
        awaited, self._awaited = self._awaited, []
        for _, deferred in awaited:
            deferred.errback(AssertionError(f"kubectl ended: {self.out!r} {self.err!r}"))
        code = cast(Any, reason.value).exitCode
        self.ended.callback(-1 if code is None else code)

    def _check(self) -> None:
        met = [deferred for condition, deferred in self._awaited if condition()]
        self._awaited = [item for item in self._awaited if item[1] not in met]
        for deferred in met:
            deferred.callback(None)


class Kubectl:
    """kubectl with a kubeconfig and a context."""

    def __init__(self, kubeconfig: str, context: str, home: str, environment: dict[str, str]) -> None:
        """
        @param home: a folder where it may write its caches.
        @param environment: added to what there is.
        """
        self._options = ("--kubeconfig", kubeconfig, "--context", context)
        self._environment = dict(os.environ) | {"HOME": home} | environment

    def start(self, *arguments: str, tty: bool = False) -> Running:
        """Start it; whatever happens to it is in what is returned."""
        assert KUBECTL is not None
        running = Running()
        command = [KUBECTL, *self._options, *arguments]
        cast(IReactorProcess, _reactor).spawnProcess(running, KUBECTL, command, self._environment, usePTY=tty)
        return running

    async def run(self, *arguments: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        """Run it to its end: exit code, output, complaints."""
        running = self.start(*arguments)
        if stdin:
            running.write(stdin)
        running.end_input()
        return await running.ended, running.out, running.err


class _Talk(Protocol):
    transport: Any

    def __init__(self, question: bytes) -> None:
        self._question = question
        self._answer = b""
        self.answered: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(self._question)

    def dataReceived(self, data: bytes) -> None:
        self._answer += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.answered.callback(self._answer)


async def talk(port: int, question: bytes) -> bytes:
    """Connect to a port of this machine, say something, and give what comes until the other side closes."""
    endpoint = TCP4ClientEndpoint(cast(IReactorTCP, _reactor), "127.0.0.1", port)
    protocol = await connectProtocol(endpoint, _Talk(question))
    answer: bytes = await protocol.answered
    return answer
