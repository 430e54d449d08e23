"""What a command sees of the container it runs in."""

from __future__ import annotations

import posixpath
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ..pipe import CHUNK, Discard, Empty, Sink, Source
from ..terminal import Terminal
from .filesystem import File, FileSystem

BREATH = 1e-6  # seconds: the reactor's next turn, and on a clock that stands still not at once


class UsageError(Exception):
    """A command was called wrongly, or failed. The message goes to its error output behind its name; exit code 1."""


@dataclass(slots=True)
class Container:
    """
    One container's insides.

    @ivar cluster: the name of the cluster it runs in.
    @ivar environment: that programs start with.
    """

    clock: IReactorTime
    hostname: str
    cluster: str
    files: FileSystem
    environment: dict[str, str]

    def now(self) -> int:
        """Seconds since the epoch."""
        return int(self.clock.seconds())


@dataclass(slots=True)
class Process:
    """
    One running command.

    @ivar arguments: behind its name.
    """

    container: Container
    name: str
    arguments: list[str]
    stdin: Source
    stdout: Sink
    stderr: Sink
    directory: str = "/"
    environment: dict[str, str] = field(default_factory=dict)
    terminal: Terminal | None = None

    def path(self, name: str) -> str:
        """The absolute path that this name means here."""
        return posixpath.normpath(posixpath.join(self.directory, name))

    async def say(self, text: str) -> None:
        """Write text to the output."""
        await self.stdout.write(encoded(text))

    async def complain(self, text: str) -> None:
        """Write a line to the error output, behind the command's name."""
        await self.stderr.write(encoded(f"{self.name}: {text}\n"))

    async def breathe(self) -> None:
        """Let everybody else do something: for commands that could otherwise go on for ever at once."""
        await deferLater(self.container.clock, BREATH)

    def open(self, name: str) -> Source:
        """
        A file to read; C{-} is the standard input.

        @raise FileError: there is none.
        """
        if name == "-":
            return self.stdin
        return reader(self, self.path(name))


Program = Callable[[Process], Awaitable[int]]


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def decoded(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


class Chunked:
    """A source made from something that gives one chunk after another, C{b""} at the end."""

    def __init__(self, chunk: Callable[[int], Awaitable[bytes]]) -> None:
        self._chunk = chunk
        self._rest = b""

    async def read(self, limit: int = CHUNK) -> bytes:
        data = self._rest or await self._chunk(limit)
        self._rest = data[limit:]
        return data[:limit]

    async def read_line(self) -> bytes:
        line = bytearray()
        while data := await self.read():
            head, newline, self._rest = data.partition(b"\n")
            line += head + newline
            if newline:
                break
        return bytes(line)


class FileSink:
    """Appends to a file."""

    def __init__(self, files: FileSystem, file: File) -> None:
        self._files = files
        self._file = file

    async def write(self, data: bytes) -> None:
        self._files.append(self._file, data)


def reader(process: Process, path: str) -> Source:
    """
    Read what is at a path.

    @raise FileError: nothing can be.
    """
    if path == "/dev/null":
        return Empty()
    if path == "/dev/zero":
        return Chunked(lambda limit: _zeros(process, limit))
    file = process.container.files.file(path)
    at = 0

    async def chunk(limit: int) -> bytes:
        nonlocal at
        data = bytes(memoryview(file.data)[at : at + limit])
        at += len(data)
        return data

    return Chunked(chunk)


def writer(process: Process, path: str, *, append: bool = False) -> Sink:
    """
    Write to a path.

    @raise FileError: it cannot be.
    """
    files = process.container.files
    if path == "/dev/null":
        return Discard()
    if append and files.exists(path):
        return FileSink(files, files.file(path))
    return FileSink(files, files.create(path, process.container.now()))


async def _zeros(process: Process, limit: int) -> bytes:
    await process.breathe()
    return bytes(limit)


async def copy(source: Source, sink: Sink) -> None:
    """Everything from one to the other."""
    while data := await source.read():
        await sink.write(data)
