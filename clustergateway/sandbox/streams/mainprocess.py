"""A container's main process: it prints a line each second, and what it reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from .pipe import BrokenPipe, Pipe, Signal
from .remote import Streams

KEPT = 1000  # lines; older ones are rotated away


@dataclass(frozen=True, slots=True)
class Line:
    """
    @ivar number: counts all lines of a container from 0.
    @ivar time: seconds since the epoch.
    @ivar text: ends in a newline.
    """

    number: int
    time: float
    text: bytes


class MainProcess:
    """
    Prints C{tick N} with the names of pod and cluster each second since it started. The lines of the time when nobody
    looked are made up when somebody does.
    """

    def __init__(self, clock: IReactorTime, pod: str, cluster: str, started: float) -> None:
        self._clock = clock
        self._suffix = f" pod={pod} cluster={cluster}\n".encode()
        # A line a second: of what was printed before now, no more than is kept.
        self._started = max(started, clock.seconds() - KEPT)
        self._skipped = int(self._started - started)
        self._ticks = 0
        self._number = 0
        self._lines: deque[Line] = deque(maxlen=KEPT)
        self._printed = Signal()
        self._timer: IDelayedCall | None = None
        self._stopped = False

    def lines(self, first: int = 0) -> Iterable[Line]:
        """Those still kept, from this number on."""
        self._catch_up()
        return [line for line in self._lines if line.number >= first]

    async def following(self, first: int) -> Iterable[Line]:
        """Like L{lines}, but waits until there is one. Empty once the process has stopped."""
        while not (lines := self.lines(first)) and not self._stopped:
            printed = self._printed.wait()
            self._arm()
            try:
                await printed
            finally:
                if not self._printed:
                    self._disarm()
        return lines

    def say(self, text: bytes) -> None:
        """Print a line."""
        self._catch_up()
        self._print(self._clock.seconds(), text)
        self._printed.fire()

    def stop(self) -> None:
        """The container is gone."""
        self._catch_up()
        self._stopped = True
        self._printed.fire()
        self._disarm()

    async def attach(self, streams: Streams) -> int:
        """Be the program that a client is attached to: it sees what is printed from now on."""
        listening = Deferred.fromCoroutine(self._listen(streams.stdin))
        number = self._number_now()
        try:
            while lines := await self.following(number):
                for line in lines:
                    number = line.number + 1
                    await streams.stdout.write(line.text)
        finally:
            listening.addErrback(lambda _: None)
            listening.cancel()
        return 137

    async def _listen(self, stdin: Pipe) -> None:
        try:
            while line := await stdin.read_line():
                self.say(b"received: " + line.removesuffix(b"\n") + b"\n")
        except BrokenPipe:
            pass

    def _number_now(self) -> int:
        self._catch_up()
        return self._number

    def _catch_up(self) -> None:
        if self._stopped:
            return
        due = int(self._clock.seconds() - self._started)
        self._ticks = max(self._ticks, due - KEPT)
        while self._ticks < due:
            self._ticks += 1
            self._print(self._started + self._ticks, b"tick %d%b" % (self._skipped + self._ticks, self._suffix))

    def _print(self, time: float, text: bytes) -> None:
        self._lines.append(Line(self._number, time, text))
        self._number += 1

    def _arm(self) -> None:
        if self._timer is None or not self._timer.active():
            next_tick = self._started + self._ticks + 1
            self._timer = self._clock.callLater(max(0.0, next_tick - self._clock.seconds()), self._tick)

    def _disarm(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _tick(self) -> None:
        self._printed.fire()
