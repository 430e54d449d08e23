"""
Reading a tar archive as it arrives: headers and pieces of files, never a whole archive. USTAR, with the extensions of
pax (POSIX.1-2001) and GNU for long names.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass

BLOCK = tarfile.BLOCKSIZE
END = bytes(2 * BLOCK)
MAX_EXTENSION = 1024 * 1024
MAX_TIME = 1 << 33  # eleven octal digits of seconds


class TarError(Exception):
    """This is no tar archive; the message says it as C{tar} does."""


@dataclass(frozen=True, slots=True)
class Member:
    """
    What comes next.

    @ivar kind: C{"file"}, C{"directory"}, C{"link"} (symbolic) or C{"other"}.
    @ivar size: bytes of a file's content, which follows.
    """

    name: str
    kind: str
    size: int = 0
    mode: int = 0o644
    mtime: int = 0
    target: str = ""


class TarReader:
    """Bytes in; members and their contents out."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._content = 0  # bytes of the current member still to come
        self._padding = 0
        self._extension = b""  # type of the extension header being read
        self._extended: dict[str, str] = {}
        self.ended = False

    def feed(self, data: bytes) -> list[Member | bytes]:
        """
        @return: members, each followed by pieces of its content.
        @raise TarError: it is no archive.
        """
        self._buffer += data
        found: list[Member | bytes] = []
        while not self.ended and self._step(found):
            pass
        if self.ended:
            self._buffer.clear()
        return found

    @property
    def whole(self) -> bool:
        """Whether the archive may end here."""
        return self.ended or not (self._buffer or self._content or self._extension)

    def _step(self, found: list[Member | bytes]) -> bool:
        if self._extension:
            return self._extend()
        if self._content:
            piece = bytes(self._buffer[: self._content])
            del self._buffer[: len(piece)]
            self._content -= len(piece)
            if piece:
                found.append(piece)
            return bool(piece)
        if len(self._buffer) < self._padding + BLOCK:
            return False
        del self._buffer[: self._padding]
        block = bytes(self._buffer[:BLOCK])
        del self._buffer[:BLOCK]
        self._padding = 0
        if block.strip(b"\0"):
            self._header(block, found)
        else:
            self.ended = True
        return True

    def _header(self, block: bytes, found: list[Member | bytes]) -> None:
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
            size = int(self._extended.get("size", info.size))
        except (tarfile.HeaderError, ValueError):
            raise TarError("invalid tar magic") from None
        if size < 0:
            raise TarError("invalid tar magic")
        self._padding = -size % BLOCK
        if info.type in (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
            if size > MAX_EXTENSION:
                raise TarError("an extended header is too large")
            self._extension, self._content = info.type, size
            return
        extended, self._extended = self._extended, {}
        kinds = {tarfile.DIRTYPE: "directory", tarfile.SYMTYPE: "link"}
        kind = "file" if info.isreg() else kinds.get(info.type, "other")
        # Only files have content, whatever the header of a directory says (POSIX.1-2001, pax, ustar "size").
        self._content = size if kind == "file" else 0
        self._padding = self._padding if kind == "file" else 0
        name, target = extended.get("path", info.name), extended.get("linkpath", info.linkname)
        found.append(
            Member(name, kind, self._content, info.mode & 0o7777, min(max(0, int(info.mtime)), MAX_TIME), target)
        )

    def _extend(self) -> bool:
        if len(self._buffer) < self._content:
            return False
        body = bytes(self._buffer[: self._content])
        del self._buffer[: self._content]
        kind, self._extension, self._content = self._extension, b"", 0
        text = body.rstrip(b"\0").decode("utf-8", "surrogateescape")
        if kind == tarfile.GNUTYPE_LONGNAME:
            self._extended["path"] = text
        elif kind == tarfile.GNUTYPE_LONGLINK:
            self._extended["linkpath"] = text
        elif kind == tarfile.XHDTYPE:
            self._extended.update(_records(body))
        return True


def _records(body: bytes) -> dict[str, str]:
    """The records of a pax header: C{LENGTH KEY=VALUE\\n}, where the length counts itself."""
    records = {}
    while body:
        length, blank, _ = body.partition(b" ")
        if not blank or not length.isdigit() or len(length) > 9 or not len(length) < int(length) <= len(body):
            raise TarError("invalid pax header")
        record, body = body[len(length) + 1 : int(length)], body[int(length) :]
        key, _, value = record.removesuffix(b"\n").partition(b"=")
        records[key.decode("utf-8", "replace")] = value.decode("utf-8", "surrogateescape")
    return records
