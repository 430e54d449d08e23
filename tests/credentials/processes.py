"""A reactor that starts no process, but remembers what it was asked to start and plays what the test says happens."""

from __future__ import annotations

from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IProcessTransport, IReactorProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from clustergateway.credentials.process import LAUNCHER


@implementer(IProcessTransport)
class FakeProcess:
    """
    One process, started by the launcher.

    @ivar executable: what the launcher starts.
    @ivar args: with what.
    @ivar happened: what was done to it, in order.
    """

    def __init__(self, protocol: ProcessProtocol, pid: int, args: list[str], env: dict[str, str]) -> None:
        self.protocol = protocol
        self.pid = pid
        self.executable, *self.args = args[len(LAUNCHER) :]
        self.env = env
        self.happened: list[str] = []
        self.exited = False

    def closeStdin(self) -> None:
        self.happened.append("closeStdin")

    def signalProcess(self, signalID: str | int) -> None:
        if self.exited:
            raise ProcessExitedAlready
        self.happened.append(str(signalID))

    def loseConnection(self) -> None:
        self.happened.append("loseConnection")

    def out(self, data: bytes) -> None:
        self.protocol.outReceived(data)

    def err(self, data: bytes) -> None:
        self.protocol.errReceived(data)

    def exit(self, code: int = 0, signal: int | None = None) -> Failure:
        """It is over; its pipes may be held open."""
        self.exited = True
        reason = Failure(ProcessTerminated(code, signal) if code or signal else ProcessDone(0))
        self.protocol.processExited(reason)
        return reason

    def end(self, code: int = 0, signal: int | None = None) -> None:
        self.protocol.processEnded(self.exit(code, signal))

    def closeStdout(self) -> None:
        raise NotImplementedError

    def closeStderr(self) -> None:
        raise NotImplementedError

    def closeChildFD(self, descriptor: int) -> None:
        raise NotImplementedError

    def writeToChild(self, childFD: int, data: bytes) -> None:
        raise NotImplementedError

    def write(self, data: bytes) -> None:
        raise NotImplementedError

    def writeSequence(self, data: Any) -> None:
        raise NotImplementedError

    def getPeer(self) -> Any:
        raise NotImplementedError

    def getHost(self) -> Any:
        raise NotImplementedError


@implementer(IReactorProcess)
class FakeProcesses:
    """
    @ivar started: every process, in order.
    @ivar error: raised instead of starting one.
    """

    def __init__(self) -> None:
        self.started: list[FakeProcess] = []
        self.error: Exception | None = None

    def spawnProcess(
        self,
        processProtocol: Any,
        executable: Any,
        args: Any = (),
        env: Any = None,
        path: Any = None,
        uid: Any = None,
        gid: Any = None,
        usePTY: Any = False,
        childFDs: Any = None,
    ) -> FakeProcess:
        if self.error is not None:
            raise self.error
        assert (executable, *args[: len(LAUNCHER)]) == (LAUNCHER[0], *LAUNCHER)
        process = FakeProcess(processProtocol, 1000 + len(self.started), args, env)
        self.started.append(process)
        processProtocol.makeConnection(process)
        return process

    def end_group(self, group: int) -> None:
        """To be given in the place of what kills a process group."""
        self.started[group - 1000].happened.append("end group")

    @property
    def last(self) -> FakeProcess:
        return self.started[-1]
