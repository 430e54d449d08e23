"""A container's file system, in memory, with a bound on what it holds."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field

QUOTA = 256 * 1024 * 1024
MAX_LINKS = 40
MAX_PATH = 4096


class FileError(Exception):
    """An operation failed; the message is the C library's."""


NOT_FOUND = "No such file or directory"
NOT_A_DIRECTORY = "Not a directory"
IS_A_DIRECTORY = "Is a directory"


@dataclass(slots=True)
class File:
    data: bytearray = field(default_factory=bytearray)
    mode: int = 0o644
    mtime: int = 0


@dataclass(slots=True)
class Link:
    target: str
    mtime: int = 0


@dataclass(slots=True)
class Directory:
    entries: dict[str, Node] = field(default_factory=dict)
    mode: int = 0o755
    mtime: int = 0


Node = File | Link | Directory


class FileSystem:
    """
    Paths are absolute and of text; times are whole seconds. Names that cannot be decoded use surrogate escapes.

    @ivar used: bytes in files.
    """

    def __init__(self, quota: int = QUOTA) -> None:
        self.root = Directory()
        self.used = 0
        self._quota = quota

    def find(self, path: str, *, follow: bool = True) -> Node:
        """
        @param follow: when the last component is a link, give what it points to.
        @raise FileError: there is none.
        """
        trail: list[Node] = [self.root]
        pending = path.split("/")[::-1]
        links = 0
        while pending:
            part = pending.pop()
            here = trail[-1]
            if not isinstance(here, Directory):
                raise FileError(NOT_A_DIRECTORY)
            if part == "..":
                del trail[max(1, len(trail) - 1) :]
            elif part not in ("", "."):
                node = here.entries.get(part)
                if node is None:
                    raise FileError(NOT_FOUND)
                if not isinstance(node, Link) or not (follow or any(pending)):
                    trail.append(node)
                    continue
                links += 1
                if links > MAX_LINKS:
                    raise FileError("Too many levels of symbolic links")
                if node.target.startswith("/"):
                    del trail[1:]
                pending += node.target.split("/")[::-1]
        return trail[-1]

    def exists(self, path: str) -> bool:
        try:
            self.find(path)
        except FileError:
            return False
        return True

    def directory(self, path: str) -> Directory:
        """
        @raise FileError: there is none.
        """
        node = self.find(path)
        if not isinstance(node, Directory):
            raise FileError(NOT_A_DIRECTORY)
        return node

    def file(self, path: str) -> File:
        """
        @raise FileError: there is none.
        """
        node = self.find(path)
        if not isinstance(node, File):
            raise FileError(IS_A_DIRECTORY)
        return node

    def make_directories(self, path: str, mtime: int = 0) -> Directory:
        """This directory and those above it, as far as missing."""
        if len(path) > MAX_PATH:
            raise FileError("File name too long")
        current, parent = "/", self.root
        for part in _parts(path):
            current = posixpath.join(current, part)
            if part not in parent.entries:
                parent.entries[part] = Directory(mtime=mtime)
            found = parent.entries[part]
            parent = found if isinstance(found, Directory) else self.directory(current)
        return parent

    def create(self, path: str, mtime: int = 0) -> File:
        """An empty file; one that is there is emptied."""
        if self.exists(path):
            file = self.file(path)
            self.truncate(file)
            file.mtime = mtime
            return file
        file = File(mtime=mtime)
        self.put(path, file)
        return file

    def put(self, path: str, node: Node) -> None:
        """Enter a node under a name; what was there before goes."""
        parent, name = posixpath.split(_normal(path))
        if not name:
            raise FileError(IS_A_DIRECTORY)
        entries = self.directory(parent).entries
        if name in entries:
            self._forget(entries[name])
        entries[name] = node

    def append(self, file: File, data: bytes) -> None:
        """
        @raise FileError: the file system is full.
        """
        if self.used + len(data) > self._quota:
            raise FileError("No space left on device")
        self.used += len(data)
        file.data += data

    def truncate(self, file: File) -> None:
        self.used -= len(file.data)
        file.data = bytearray()

    def remove(self, path: str) -> None:
        """With everything in it."""
        parent, name = posixpath.split(_normal(path))
        entries = self.directory(parent).entries
        if name not in entries:
            raise FileError(NOT_FOUND)
        self._forget(entries.pop(name))

    def walk(self, path: str) -> Iterator[tuple[str, Node]]:
        """This node and all below it, parents first, names sorted; links are not followed."""
        pending = [(path, self.find(path, follow=False))]
        while pending:
            path, node = pending.pop()
            yield path, node
            if isinstance(node, Directory):
                pending += [
                    (posixpath.join(path, name), node.entries[name]) for name in sorted(node.entries, reverse=True)
                ]

    def _forget(self, node: Node) -> None:
        pending = [node]
        while pending:
            node = pending.pop()
            if isinstance(node, File):
                self.truncate(node)
            elif isinstance(node, Directory):
                pending += node.entries.values()


def _normal(path: str) -> str:
    return posixpath.normpath("/" + path.lstrip("/"))


def _parts(path: str) -> list[str]:
    return [part for part in _normal(path).split("/") if part]
