"""Follows the chunked coding (RFC 9112 section 7.1) of a body that passes through unchanged."""

from __future__ import annotations

import re
from enum import Enum

from ..errors import GatewayError
from .headers import FORWARDED, FieldTable

# One chunk-size line: at most 15 digits (a size below 2**60), then extensions without control characters.
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})([ \t]*;[\t\x20-\x7e\x80-\xff]*|[ \t]*)")
_LONGEST_LINE = 4096


class _Next(Enum):
    SIZE = 0
    DATA = 1
    DATA_END = 2
    TRAILER = 3


class ChunkTracker:
    """
    Finds where a chunked body ends, and that it is well-formed up to there.

    Costs are bounded: a line is at most 4096 bytes, all chunk extensions of one body together and its trailer section
    at most C{allowance} bytes each.
    """

    __slots__ = ("_allowance", "_extensions", "_left", "_line", "_malformed", "_next", "_table", "_trailers")

    def __init__(self, allowance: int, malformed: type[GatewayError], table: FieldTable) -> None:
        """
        @param malformed: what is raised when the body is not well-formed.
        @param table: judges trailer fields; only such as would be forwarded as header fields are accepted.
        """
        self._allowance = allowance
        self._malformed = malformed
        self._table = table
        self._next = _Next.SIZE
        self._left = 0
        self._line = b""
        self._extensions = 0
        self._trailers = 0

    def feed(self, data: bytes, start: int = 0, payload: list[bytes] | None = None) -> int:
        """
        @param data: the next piece of the body, from C{start} on.
        @param payload: gets the decoded content appended, if that is wanted.
        @return: where in C{data} the body ended, or -1 if it did not.
        """
        size = len(data)
        while start < size:
            if self._next is _Next.DATA:
                take = min(self._left, size - start)
                if payload is not None:
                    payload.append(data[start : start + take])
                start += take
                self._left -= take
                if self._left:
                    return -1
                self._next = _Next.DATA_END
                continue
            end = data.find(b"\n", start)
            if end < 0:
                self._keep(data[start:])
                return -1
            line = self._line + data[start : end + 1] if self._line else data[start : end + 1]
            self._line = b""
            start = end + 1
            if self._take_line(line):
                return start
        return -1

    def _keep(self, part: bytes) -> None:
        self._line += part
        if len(self._line) > _LONGEST_LINE:
            raise self._malformed("a line of the chunked body is too long")

    def _take_line(self, line: bytes) -> bool:
        """
        @return: whether this was the last line of the body.
        """
        if line[-2:] != b"\r\n":
            raise self._malformed("a line of the chunked body is not ended by CR LF")
        if self._next is _Next.SIZE:
            self._take_size(line)
        elif self._next is _Next.DATA_END:
            if len(line) > 2:
                raise self._malformed("a chunk is longer than its size")
            self._next = _Next.SIZE
        elif len(line) == 2:
            return True
        else:
            self._take_trailer(line)
        return False

    def _take_size(self, line: bytes) -> None:
        match = _SIZE.fullmatch(line, 0, len(line) - 2)
        if match is None:
            raise self._malformed("a chunk size is malformed")
        self._extensions += len(match[2])
        if self._extensions > self._allowance or len(line) > _LONGEST_LINE:
            raise self._malformed("the chunk extensions are too long")
        self._left = int(match[1], 16)
        self._next = _Next.DATA if self._left else _Next.TRAILER

    def _take_trailer(self, line: bytes) -> None:
        self._trailers += len(line)
        if self._trailers > self._allowance:
            raise self._malformed("the trailer section is too long")
        # RFC 9110 section 6.5.1: framing, routing and authentication have no business in a trailer.
        if self._table.classify(line[:-2]) != FORWARDED:
            raise self._malformed("a trailer field is not allowed")
