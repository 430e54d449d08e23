"""One run of a credential plugin: a process that is given a time limit and little room, and leaves no children."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IDelayedCall, IProcessTransport, IReactorProcess, IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

LARGEST_OUTPUT = 1 << 20
"""Bytes of standard output; a credential has a few thousand."""
LARGEST_COMPLAINT = 8192
"""Bytes kept of the end of standard error."""

# A session of its own, so that its children can be ended with it; Twisted starts none. It costs 15 ms. The interpreter
# ignores two signals, which is inherited.
_LAUNCH = """\
import os, signal, sys
os.setsid()
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
try:
    os.execv(sys.argv[1], sys.argv[2:])
except OSError as error:
    sys.exit(error.strerror)
"""
LAUNCHER = (sys.executable, "-I", "-S", "-c", _LAUNCH)
"""The beginning of the command line of every plugin; behind it are its file and its arguments."""


def end_group(group: int) -> None:
    """
    End the processes of a group at once, if there are any.

    @param group: the process id of the one that leads it.
    """
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)


class PluginFailed(Exception):
    """
    The process gave nothing usable.

    @ivar why: a clause without secrets, to stand behind the plugin's name: C{"ended with code 1"}.
    @ivar stderr: the end of what it complained of, as it is: may hold secrets.
    """

    def __init__(self, why: str, stderr: bytes = b"") -> None:
        super().__init__(why)
        self.why = why
        self.stderr = stderr


@dataclass(frozen=True, slots=True)
class Output:
    """What a process that ended well has written."""

    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)


def run_plugin(
    processes: IReactorProcess,
    clock: IReactorTime,
    executable: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    time_limit: float,
    end_group: Callable[[int], None] = end_group,
) -> Deferred[Output]:
    """
    Run it to its end, with nothing on its standard input. What it started ends with it, unless it left its session.

    @param arguments: with the name of the command in front.
    @param time_limit: seconds after which it is killed.
    @return: fails with L{PluginFailed}. To cancel it kills the process.
    """
    run = _Run(clock, time_limit, end_group)
    command_line = [*LAUNCHER, executable, *arguments]
    try:
        processes.spawnProcess(run, LAUNCHER[0], command_line, env=dict(environment))
    except (OSError, ValueError) as error:
        run.fail((isinstance(error, OSError) and error.strerror) or "could not be started")
    return run.done


class _Run(ProcessProtocol):
    transport: IProcessTransport

    def __init__(self, clock: IReactorTime, time_limit: float, end_group: Callable[[int], None]) -> None:
        self.done: Deferred[Output] = Deferred(lambda _: self._kill("was stopped"))
        self._clock = clock
        self._time_limit = time_limit
        self._end_group = end_group
        self._group: int | None = None
        self._timer: IDelayedCall | None = None
        self._stdout = bytearray()
        self._stderr = b""
        self._over = False

    def connectionMade(self) -> None:
        self._group = self.transport.pid
        self._timer = self._clock.callLater(self._time_limit, self._timed_out)
        self.transport.closeStdin()

    def outReceived(self, data: bytes) -> None:
        if self._over:
            return
        self._stdout += data
        if len(self._stdout) > LARGEST_OUTPUT:
            self._kill(f"wrote more than {LARGEST_OUTPUT} bytes")

    def errReceived(self, data: bytes) -> None:
        if not self._over:
            self._stderr = (self._stderr + data)[-LARGEST_COMPLAINT:]

    def processExited(self, reason: Failure) -> None:
        # Now, while nothing else can have its number; the pipes that its children hold are closed by it too.
        self._end_children()

    def processEnded(self, reason: Failure) -> None:
        if self._over:
            return
        if reason.check(ProcessDone):
            self._end()
            self.done.callback(Output(bytes(self._stdout), self._stderr))
            return
        ended = reason.value
        signal = ended.signal if isinstance(ended, ProcessTerminated) else None
        code = ended.exitCode if isinstance(ended, ProcessTerminated) else None
        self.fail(f"was ended by signal {signal}" if signal is not None else f"ended with code {code}")

    def fail(self, why: str) -> None:
        self._end()
        self.done.errback(PluginFailed(why, self._stderr))

    def _timed_out(self) -> None:
        self._timer = None
        self._kill(f"did not end within {self._time_limit:g} seconds")

    def _kill(self, why: str) -> None:
        self._end_children()
        # It leads no group in its first moments. Or it is gone, and a child in another session holds the pipes open.
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess("KILL")
        self.transport.loseConnection()
        self.fail(why)

    def _end_children(self) -> None:
        group, self._group = self._group, None
        if group is not None:
            self._end_group(group)

    def _end(self) -> None:
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
