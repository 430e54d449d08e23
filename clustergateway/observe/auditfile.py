"""Audit events in a file that is set aside when it is full."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from datetime import datetime, timezone
from errno import ENOSPC
from pathlib import Path

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..errors import ConfigurationError

_log = Logger()

_STAMP = "%Y-%m-%dT%H-%M-%S"
_STAMPED = r"-(\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d)(?:\.(\d{1,9}))?"


class FileSink:
    """
    Lines to a file that is set aside when it is full, under its name with the time: C{audit-2026-01-31T23-59-59.log}.
    No other file is ever moved or removed.

    What cannot be written (no space left) is dropped, counted and logged; the next events are tried again. A file that
    somebody else moved away is begun anew. Behind a symbolic link it is the link's target that is set aside. A device
    or pipe (C{/dev/stdout}) never is; one that takes nothing holds the process up, as standard output does.
    """

    name = "file"

    def __init__(self, path: str, clock: IReactorTime, max_bytes: int = 100 << 20, backups: int = 10) -> None:
        """
        @param max_bytes: size at which the file is set aside; 0 for never.
        @param backups: most files kept of those set aside; 0 for all.
        @raise ConfigurationError: the file cannot be opened.
        """
        self._path = path
        self._clock = clock
        self._max_bytes = max_bytes
        self._backups = backups
        self._size = 0
        self._inode = -1
        self._regular = False
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
            if self._regular and self._max_bytes and self._size and self._size + len(data) > self._max_bytes:
                self._set_aside()
            self._write_all(data)
        except OSError as error:
            self.dropped += len(events)
            if not self._failed:
                _log.error("audit events are dropped: {path}: {why}", path=self._path, why=error.strerror)
            self._failed = True
        else:
            self.written += len(events)
            if self._failed:
                _log.info("audit events are written to {path} again", path=self._path)
            self._failed = False

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _open(self) -> None:
        self.close()
        # Not waiting: a fifo that nobody reads would hold up everything.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        self._file = os.open(self._path, flags, 0o600)
        os.set_blocking(self._file, True)
        found = os.fstat(self._file)
        self._size, self._inode, self._regular = found.st_size, found.st_ino, stat.S_ISREG(found.st_mode)

    def _follow(self) -> None:
        try:
            moved = self._file < 0 or os.stat(self._path).st_ino != self._inode
        except FileNotFoundError:
            moved = True
        if moved:
            self._open()

    def _write_all(self, data: bytes) -> None:
        """A part of a line never stays: readers would take the next event for its rest."""
        if not self._regular:
            # A signal, such as that of a process that ends, cuts a write to a pipe short.
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            return
        done = os.write(self._file, data)
        if done < len(data):
            os.ftruncate(self._file, self._size)
            raise OSError(ENOSPC, os.strerror(ENOSPC))
        self._size += done

    def _set_aside(self) -> None:
        path = Path(os.path.realpath(self._path))
        stamp = datetime.fromtimestamp(self._clock.seconds(), timezone.utc).strftime(_STAMP)
        before = [number for when, number, _ in self._aside(path) if when == stamp]
        more = max(before) + 1 if before else 0
        # What bears the name and is no file is somebody else's.
        while os.path.lexists(aside := path.with_name(_name(path, stamp, more))):
            more += 1
        os.rename(path, aside)
        self._open()
        if self._backups:
            try:
                for _, _, old in sorted(self._aside(path))[: -self._backups]:
                    old.unlink(missing_ok=True)
            except OSError as error:
                _log.error("old audit logs beside {path} stay: {why}", path=self._path, why=error.strerror)

    @staticmethod
    def _aside(path: Path) -> list[tuple[str, int, Path]]:
        """The files that were set aside: when, which of that second, and where."""
        named = re.compile(re.escape(path.stem) + _STAMPED + re.escape(path.suffix))
        with os.scandir(path.parent) as entries:
            found = [(named.fullmatch(entry.name), entry) for entry in entries]
            return [
                (match[1], int(match[2] or 0), path.with_name(entry.name))
                for match, entry in found
                if match is not None and entry.is_file(follow_symlinks=False)
            ]


def _name(path: Path, stamp: str, more: int) -> str:
    return f"{path.stem}-{stamp}{f'.{more}' if more else ''}{path.suffix}"
