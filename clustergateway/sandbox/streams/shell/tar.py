"""C{tar}, as C{kubectl cp} calls it on the other side: create to and extract from a stream."""

from __future__ import annotations

import posixpath
import tarfile
from dataclasses import dataclass, field

from ..pipe import CHUNK, Sink
from .filesystem import Directory, File, FileError, Link, Node
from .process import Process, Program, UsageError, encoded, writer
from .tarstream import BLOCK, END, Member, TarError, TarReader

_IGNORED = {"--no-same-permissions", "--no-same-owner", "--warning=no-unknown-keyword"}


@dataclass(slots=True)
class _Call:
    """
    @ivar mode: C{c}, C{x} or C{t}.
    """

    mode: str = ""
    archive: str = "-"
    directory: str = "."
    verbose: bool = False
    touch: bool = False
    operands: list[str] = field(default_factory=list)


async def tar(process: Process) -> int:
    call = _understood(process.arguments)
    directory = process.path(call.directory)
    process.container.files.directory(directory)
    if call.mode == "c":
        return await _create(process, call, directory)
    return await _extract(process, call, directory)


def _understood(arguments: list[str]) -> _Call:
    call = _Call()
    words = list(arguments)
    if words and words[0][:1] != "-":
        words[0] = "-" + words[0]
    while words:
        word = words.pop(0)
        if word in _IGNORED:
            continue
        if word[:1] != "-" or word == "-":
            call.operands.append(word)
            continue
        if word.startswith("--"):
            raise UsageError(f"unrecognized option '{word}'")
        for letter in word[1:]:
            _flag(call, letter, words)
    if not call.mode:
        raise UsageError("must specify one of -c, -x, -t")
    return call


def _flag(call: _Call, letter: str, words: list[str]) -> None:
    if letter in "cxt":
        call.mode = letter
    elif letter in "fC":
        if not words:
            raise UsageError(f"option requires an argument: {letter}")
        value = words.pop(0)
        if letter == "f":
            call.archive = value
        else:
            call.directory = value
    elif letter == "m":
        call.touch = True
    elif letter == "v":
        call.verbose = True
    elif letter not in "phok":
        raise UsageError(f"unrecognized option: {letter}")


async def _create(process: Process, call: _Call, directory: str) -> int:
    sink = process.stdout if call.archive == "-" else writer(process, process.path(call.archive))
    code = 0
    for operand in call.operands:
        path = posixpath.normpath(posixpath.join(directory, operand))
        if operand.startswith("/"):
            await process.complain("removing leading '/' from member names")
        try:
            for found, node in process.container.files.walk(path):
                name = (operand + found[len(path) :]).lstrip("/") or "."
                if call.verbose:
                    await process.stderr.write(encoded(name + "\n"))
                await _store(sink, name, node)
        except FileError as error:
            await process.complain(f"{operand}: {error}")
            code = 1
    await sink.write(END)
    return code


async def _store(sink: Sink, name: str, node: Node) -> None:
    info = tarfile.TarInfo(name)
    info.mtime, info.uname, info.gname = node.mtime, "root", "root"
    if isinstance(node, Directory):
        info.type, info.mode, info.name = tarfile.DIRTYPE, node.mode, name.rstrip("/") + "/"
    elif isinstance(node, Link):
        info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, node.target
    else:
        info.mode, info.size = node.mode, len(node.data)
    await sink.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
    if isinstance(node, File):
        # The file may be written to meanwhile; the archive holds as much of it as its header says.
        for at in range(0, info.size, CHUNK):
            size = min(CHUNK, info.size - at)
            await sink.write(bytes(node.data[at : at + size]).ljust(size, b"\0"))
        await sink.write(bytes(-info.size % BLOCK))


async def _extract(process: Process, call: _Call, directory: str) -> int:
    source = process.open(call.archive)
    archive = TarReader()
    extraction = _Extraction(process, call, directory)
    try:
        while data := await source.read():
            for item in archive.feed(data):
                if isinstance(item, Member):
                    await extraction.member(item)
                else:
                    extraction.content(item)
    except TarError as error:
        raise UsageError(str(error)) from None
    if not archive.whole:
        raise UsageError("short read")
    return 0


class _Extraction:
    def __init__(self, process: Process, call: _Call, directory: str) -> None:
        self._process = process
        self._call = call
        self._directory = directory
        self._file: File | None = None

    async def member(self, member: Member) -> None:
        self._file = None
        if self._call.mode == "t" or self._call.verbose:
            await self._process.say(member.name + "\n")
        if self._call.mode == "t":
            return
        files = self._process.container.files
        now = self._process.container.now()
        path = posixpath.normpath(posixpath.join(self._directory, member.name.lstrip("/")))
        mtime = now if self._call.touch else member.mtime
        files.make_directories(posixpath.dirname(path), now)
        if member.kind == "directory":
            made = files.make_directories(path, mtime)
            made.mode, made.mtime = member.mode, mtime
        elif member.kind == "link":
            files.put(path, Link(member.target, mtime))
        elif member.kind == "file":
            if files.exists(path):
                files.file(path)  # a directory in the way is not replaced
            self._file = File(mode=member.mode, mtime=mtime)
            files.put(path, self._file)

    def content(self, data: bytes) -> None:
        if self._file is not None:
            self._process.container.files.append(self._file, data)


PROGRAMS: dict[str, Program] = {"tar": tar}
