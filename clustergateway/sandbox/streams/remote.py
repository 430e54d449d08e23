"""One exec or attach: a program in the sandbox, and the client at the other end of some wire."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ...model.channels import Channel, ChannelError, decode_size, exit_status, failure_status
from .pipe import CHUNK, BrokenPipe, Discard, Gate, Pipe, Sink
from .terminal import Screen, Terminal

INTERRUPTED = 130
KILLED = 137

_log = Logger()


class CannotStart(Exception):
    """There is no such program. The message is the container runtime's."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the client asked to be connected to."""

    stdin: bool = False
    stdout: bool = False
    stderr: bool = False
    tty: bool = False

    def channels(self) -> set[Channel]:
        """The channels that carry bytes, the error channel included."""
        wanted = {Channel.ERROR}
        for channel, asked in (
            (Channel.STDIN, self.stdin),
            (Channel.STDOUT, self.stdout),
            (Channel.STDERR, self.stderr and not self.tty),
            (Channel.RESIZE, self.tty),
        ):
            if asked:
                wanted.add(channel)
        return wanted


@dataclass(frozen=True, slots=True)
class Streams:
    """
    What a program is connected to.

    @ivar terminal: C{None} when it is not one.
    """

    stdin: Pipe
    stdout: Sink
    stderr: Sink
    terminal: Terminal | None = None


Program = Callable[[Streams], Coroutine[Any, Any, int]]
"""Runs to its exit code; raises L{CannotStart}."""


class Wire(Protocol):
    """How the client is spoken to."""

    gate: Gate

    def send(self, channel: Channel, data: bytes) -> None: ...

    def hold(self, held: bool) -> None:
        """Stop reading from the client, or go on."""
        ...

    def finish(self, status: bytes) -> None:
        """Send the final Status; everything is over."""
        ...


class ChannelSink:
    """A program's output on its way to the client."""

    def __init__(self, wire: Wire, channel: Channel) -> None:
        self._wire = wire
        self._channel = channel

    async def write(self, data: bytes) -> None:
        for at in range(0, len(data), CHUNK):
            await self._wire.gate.passable()
            self._wire.send(self._channel, data[at : at + CHUNK])


class RemoteCommand:
    """A running program and its wire."""

    def __init__(self, wire: Wire, options: Options, program: Program) -> None:
        self._wire = wire
        self._options = options
        self._program = program
        self._stdin = Pipe(wire.hold)
        self._terminal = Terminal(self._stdin, self._echo) if options.tty else None
        self._running: Deferred[int] | None = None
        self._killed = 0
        self._over = False

    def start(self) -> None:
        if not self._options.stdin:
            self._stdin.end()
        streams = Streams(self._stdin, self._sink(Channel.STDOUT), self._sink(Channel.STDERR), self._terminal)
        if self._terminal is not None:
            self._terminal.interrupt = lambda: self.kill(INTERRUPTED)
        self._running = Deferred.fromCoroutine(self._program(streams))
        self._running.addCallbacks(self._exited, self._failed).addCallback(self._finish)

    def received(self, channel: Channel, data: bytes) -> None:
        """The client sent this."""
        if channel is Channel.STDIN and self._options.stdin and not self._over:
            if self._terminal is not None:
                self._terminal.typed(data)
            elif data:
                self._stdin.put(data)
        elif channel is Channel.RESIZE and self._terminal is not None:
            try:
                self._terminal.size = decode_size(data)
            except ChannelError:
                pass  # a kubelet goes on with the old size, too

    def received_end(self, channel: Channel) -> None:
        """The client will send no more of this channel."""
        if channel is Channel.STDIN:
            self._stdin.end()

    def kill(self, code: int) -> None:
        """End the program; it exits with this code."""
        if self._running is not None and not self._over:
            self._killed = code
            self._stdin.break_off()
            self._running.cancel()

    def lost(self) -> None:
        """The client is gone: reading ends, writing fails, and the program with them."""
        self._stdin.break_off()
        self.kill(KILLED)

    def _sink(self, channel: Channel) -> Sink:
        if self._options.tty:
            channel = Channel.STDOUT
        if not (self._options.stdout if channel is Channel.STDOUT else self._options.stderr):
            return Discard()
        sink = ChannelSink(self._wire, channel)
        return Screen(sink) if self._options.tty else sink

    def _echo(self, data: bytes) -> None:
        # While the client does not read, what it types is not echoed: echoes would pile up.
        if self._options.stdout and self._wire.gate.is_open:
            self._wire.send(Channel.STDOUT, data)

    def _exited(self, code: int) -> dict[str, Any]:
        return exit_status(self._killed or code)

    def _failed(self, failure: Failure) -> dict[str, Any]:
        if failure.check(CancelledError) and self._killed:
            return exit_status(self._killed)
        if failure.check(BrokenPipe):
            return exit_status(141)  # 128 + SIGPIPE
        if failure.check(CannotStart):
            return failure_status(failure.getErrorMessage())
        _log.failure("a sandbox program crashed", failure)
        return failure_status("the sandbox's program crashed")

    def _finish(self, status: dict[str, Any]) -> None:
        self._over = True
        self._stdin.break_off()
        self._wire.finish(json.dumps(status).encode())
