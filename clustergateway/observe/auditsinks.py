"""Where audit events go. Every sink says how many it wrote and how many it had to drop; none makes a request wait."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Protocol

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import ConfigurationError

_log = Logger()


class Sink(Protocol):
    """
    @ivar name: for metrics.
    @ivar written: events so far.
    @ivar dropped: likewise.
    """

    name: str
    written: int
    dropped: int

    def write(self, events: Sequence[str]) -> None:
        """
        Take some events, JSON without line ends. Returns at once and raises nothing.
        """
        ...

    def close(self) -> None:
        """Write what can be written now; no more comes."""
        ...


class StreamSink:
    """
    Lines to standard output. A reader that does not read holds the process up, as with all of its output: use a file or
    a webhook where that matters.
    """

    name = "stream"

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self.written = 0
        self.dropped = 0

    def write(self, events: Sequence[str]) -> None:
        try:
            self._write("".join([f"{each}\n" for each in events]))
        except OSError:
            self.dropped += len(events)
        else:
            self.written += len(events)

    def close(self) -> None:
        """Nothing is kept back."""


class FileSink:
    """
    Lines to a file that is set aside when it is full, under its name with the time: C{audit-2026-01-31T23-59-59.log}.

    What cannot be written (no space left) is dropped, counted and logged; the next events are tried again. A file that
    somebody else moved away is begun anew.
    """

    name = "file"

    def __init__(self, path: str, clock: IReactorTime, max_bytes: int = 100 << 20, backups: int = 10) -> None:
        """
        @param max_bytes: size at which the file is set aside; 0 for never.
        @param backups: most files kept of those set aside; 0 for all.
        @raise ConfigurationError: the file cannot be opened.
        """
        self._path = Path(path)
        self._clock = clock
        self._max_bytes = max_bytes
        self._backups = backups
        self._size = 0
        self._inode = -1
        self._file = -1
        self._failed = False
        self.written = 0
        self.dropped = 0
        try:
            self._open()
        except OSError as error:
            raise ConfigurationError(f"the audit log {path} cannot be opened: {error.strerror}") from None

    def write(self, events: Sequence[str]) -> None:
        data = "".join([f"{each}\n" for each in events]).encode("ascii")
        try:
            self._follow()
            if self._max_bytes and self._size and self._size + len(data) > self._max_bytes:
                self._set_aside()
            self._write_all(data)
        except OSError as error:
            self.dropped += len(events)
            if not self._failed:
                _log.error("audit events are dropped: {path}: {why}", path=str(self._path), why=error.strerror)
            self._failed = True
        else:
            self.written += len(events)
            if self._failed:
                _log.info("audit events are written to {path} again", path=str(self._path))
            self._failed = False

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> None:
        self.close()
        self._file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        found = os.fstat(self._file)
        self._size, self._inode = found.st_size, found.st_ino

    def _follow(self) -> None:
        try:
            moved = self._file < 0 or os.stat(self._path).st_ino != self._inode
        except FileNotFoundError:
            moved = True
        if moved:
            self._open()

    def _write_all(self, data: bytes) -> None:
        """A part of a line never stays: readers would take the next event for its rest."""
        done = os.write(self._file, data)
        if done < len(data):
            os.ftruncate(self._file, self._size)
            raise OSError(28, "No space left on device")
        self._size += done

    def _set_aside(self) -> None:
        stamp = datetime.fromtimestamp(self._clock.seconds(), timezone.utc).strftime("%Y-%m-%dT%H-%M-%S")
        base, more = f"{self._path.stem}-{stamp}", 0
        while (aside := self._path.with_name(f"{base}{f'.{more}' if more else ''}{self._path.suffix}")).exists():
            more += 1
        os.rename(self._path, aside)
        self._open()
        if self._backups:
            kept = sorted(self._path.parent.glob(f"{self._path.stem}-*{self._path.suffix}"), key=_age)
            for old in kept[: -self._backups]:
                old.unlink(missing_ok=True)


_LIST = '{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":['


def _age(path: Path) -> tuple[int, str]:
    return path.stat().st_mtime_ns, path.name


class WebhookSink:
    """
    Events to a webhook, in batches (audit.k8s.io/v1 EventList). What waits is bounded: when the webhook is too slow or
    away the newest events are dropped and counted, and a batch is given up after some attempts.
    """

    name = "webhook"

    def __init__(
        self,
        post: Callable[[bytes], Deferred[int]],
        clock: IReactorTime,
        *,
        batch: int = 400,
        waiting: int = 10_000,
        wait: float = 1.0,
        attempts: int = 5,
    ) -> None:
        """
        @param post: sends a body; gives the status code of the answer.
        @param batch: most events in one request.
        @param waiting: most events not yet sent.
        @param wait: seconds for which a batch that is not full waits for more; after a failure twice as long each time.
        """
        self._post = post
        self._clock = clock
        self._batch = batch
        self._most = waiting
        self._wait = wait
        self._attempts = attempts
        self._waiting: list[str] = []
        self._failed = 0
        self._busy = False
        self._closed = False
        self._next: IDelayedCall | None = None
        self.written = 0
        self.dropped = 0

    def write(self, events: Sequence[str]) -> None:
        room = self._most - len(self._waiting)
        self._waiting += events[:room]
        self.dropped += max(0, len(events) - room)
        if self._failed or self._busy:
            return
        if len(self._waiting) >= self._batch:
            self._send()
        elif self._next is None:
            self._next = self._clock.callLater(self._wait, self._send)

    def close(self) -> None:
        """One more batch is sent; what does not fit in is dropped."""
        self._closed = True
        if self._waiting and not self._busy:
            self._send()

    def _send(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
        self._busy = True
        events = self._waiting[: self._batch]
        body = f"{_LIST}{','.join(events)}]}}".encode("ascii")
        maybeDeferred(self._post, body).addBoth(self._answered, len(events))

    def _answered(self, result: int | Failure, count: int) -> None:
        self._busy = False
        if isinstance(result, int) and 200 <= result < 300:
            self.written += count
            self._failed = 0
            del self._waiting[:count]
        else:
            why = type(result.value).__name__ if isinstance(result, Failure) else f"it answered {result}"
            _log.error("audit webhook: {why}", why=why)
            self._failed += 1
            if self._failed >= self._attempts:
                self._failed = 0
                self.dropped += count
                del self._waiting[:count]
        if self._closed:
            self.dropped += len(self._waiting)
            self._waiting.clear()
        elif self._waiting:
            full = len(self._waiting) >= self._batch and not self._failed
            self._next = self._clock.callLater(0 if full else self._wait * 2**self._failed, self._send)
