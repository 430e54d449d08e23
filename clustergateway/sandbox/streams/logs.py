"""C{pods/log}: what a container printed, and with C{follow} what it prints."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from twisted.internet.defer import CancelledError, Deferred
from twisted.web.http import Request

from .mainprocess import Line, MainProcess
from .pipe import BrokenPipe, Gate


@dataclass(frozen=True, slots=True)
class LogOptions:
    """
    PodLogOptions, as far as they matter here.

    @ivar since: leave out what was printed before, in seconds since the epoch.
    @ivar tail: only so many of the last lines.
    @ivar limit: only so many bytes.
    """

    follow: bool = False
    timestamps: bool = False
    since: float | None = None
    tail: int | None = None
    limit: int | None = None


class LogAnswer:
    """Writes a log to a request, no faster than it is read."""

    def __init__(self, request: Request, options: LogOptions) -> None:
        self._request = request
        self._options = options
        self._left = options.limit
        self._gate = Gate()

    def start(self, process: MainProcess) -> None:
        """Begin; the request is finished when the log is at its end."""
        request = self._request
        request.setHeader(b"Content-Type", b"text/plain")
        request.registerProducer(self._gate, True)
        writing = Deferred.fromCoroutine(self._write(process))

        def gone(_: object) -> None:
            self._gate.stopProducing()
            writing.cancel()

        request.notifyFinish().addErrback(gone)
        writing.addErrback(lambda failure: failure.trap(BrokenPipe, CancelledError))
        writing.addCallback(self._finish)

    async def _write(self, process: MainProcess) -> None:
        options = self._options
        lines = [line for line in process.lines() if options.since is None or line.time >= options.since]
        if options.tail is not None:
            lines = lines[-options.tail :] if options.tail else []
        number = max((line.number + 1 for line in process.lines()), default=0)
        await self._lines(lines)
        while options.follow and not self._is_full():
            following = list(await process.following(number))
            if not following:
                break
            number = following[-1].number + 1
            await self._lines(following)

    async def _lines(self, lines: list[Line]) -> None:
        for line in lines:
            if self._is_full():
                break
            await self._gate.passable()
            self._request.write(self._shown(line))

    def _shown(self, line: Line) -> bytes:
        text = _stamp(line.time) + line.text if self._options.timestamps else line.text
        if self._left is not None:
            text = text[: self._left]
            self._left -= len(text)
        return text

    def _is_full(self) -> bool:
        return self._left is not None and self._left <= 0

    def _finish(self, _: object) -> None:
        if not self._gate.is_gone:
            self._request.unregisterProducer()
            self._request.finish()


def _stamp(time: float) -> bytes:
    """RFC 3339 with nanoseconds, and the blank behind it."""
    whole = int(time)
    date = datetime.fromtimestamp(whole, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{date}.{int((time - whole) * 1e9):09d}Z ".encode()
