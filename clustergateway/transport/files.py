"""Files that hold secrets: written whole or not at all, and watched for being replaced."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from ..errors import ConfigurationError

LARGEST = 16 << 20
"""Bytes. No certificate, manifest or kubeconfig is larger; a larger file is a mistake."""

Signature = tuple[int, int, int, int, int]


def signature(path: str) -> Signature | None:
    """
    Changes whenever the content or the permissions do: device, inode, size and the two times of change, in nanoseconds,
    of what the path leads to (so a ConfigMap's switched symbolic link is seen too). C{None} if there is no such regular
    file.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def read_file(path: str) -> bytes:
    """
    @raise OSError: it cannot be read.
    @raise ConfigurationError: it is larger than L{LARGEST}.
    """
    with open(path, "rb") as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ConfigurationError(f"it is larger than {LARGEST >> 20} MiB")
    return content


def cause(error: Exception) -> str:
    """Why a file could not be used, in words and without its path."""
    if isinstance(error, ConfigurationError):
        return error.message
    return (isinstance(error, OSError) and error.strerror) or "its path cannot be used"


class Poll:
    """Looks at files at an interval. A look that raises is logged; the next one comes nevertheless."""

    _log = Logger()

    def __init__(self, look: Callable[[], None], clock: IReactorTime, interval: float) -> None:
        """@param interval: seconds."""
        self._look = look
        self._interval = interval
        self._loop: LoopingCall = LoopingCall(self._once)
        self._loop.clock = clock

    def start(self) -> None:
        """The first look comes after one interval."""
        self._loop.start(self._interval, now=False)

    def stop(self) -> None:
        if self._loop.running:
            self._loop.stop()

    def _once(self) -> None:
        try:
            self._look()
        except Exception:
            self._log.failure("looking at files failed")


def write_private(path: str, content: bytes) -> None:
    """
    Write a file that only its owner can read. A reader sees the old content or the new, never a part; after a crash
    either is there.

    @raise OSError: it cannot be written; nothing changed then.
    """
    directory = os.path.dirname(os.path.abspath(path))
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".new", dir=directory)  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
