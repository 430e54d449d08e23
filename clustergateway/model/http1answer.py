"""Response heads of HTTP/1.1 and HTTP/1.0 (RFC 9112): read from an upstream, and written to a client."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..errors import UpstreamMalformed
from ..settings import Limits
from . import headers
from .http1 import HTTP11

CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2

TABLE = headers.response_table(UpstreamMalformed)

# RFC 9112 section 4; the space before an absent reason phrase is often left out.
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
_DIGITS = re.compile(rb"[0-9]{1,18}")

# The usual head in one go: HTTP/1.1, no line that stays behind, at most one that says how long the body is. Whatever
# does not match is read line by line.
_NAME = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_VALUE = rb"[\t\x20-\x7e\x80-\xff]*"
_SPECIAL = rb"(?i:connection|keep[-_]|proxy[-_]|te:|upgrade|http2[-_]|transfer[-_]|content[-_]l)"
_PLAIN = rb"(?:(?:[^CcKkPpTtUuHh\W]|(?=[CcKkPpTtUuHh])(?!%s))%s:%s\r\n)*" % (_SPECIAL, _NAME, _VALUE)
_LENGTH = rb"(?:[Cc]ontent-[Ll]ength: ?([0-9]{1,18})|([Tt]ransfer-[Ee]ncoding: ?chunked))\r\n"
_USUAL = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9])(?: %s)?\r\n%s(?:%s%s)?\r\n" % (_VALUE, _PLAIN, _LENGTH, _PLAIN))


@dataclass(slots=True)
class ResponseHead:
    """
    One answer's head.

    @ivar verbatim: whether the head as received is an HTTP/1.1 status line and C{lines} and nothing else.
    @ivar keep_alive: whether the upstream's connection can be used again afterwards.
    @ivar upgrade: the protocol that a 101 switches to.
    @ivar size: bytes of the head, up to and including the blank line.
    @ivar received: the head, and perhaps more behind it.
    @ivar kept: C{lines}, if they are not simply all lines.
    """

    code: int
    verbatim: bool
    content_length: int | None
    chunked: bool
    keep_alive: bool
    upgrade: bytes
    size: int
    received: bytes
    kept: list[bytes] | None = None

    @property
    def status(self) -> bytes:
        """The status line, with HTTP/1.1 as its version whatever the upstream's was."""
        return HTTP11 + self.received[len(HTTP11) : self.received.index(b"\r\n")]

    @property
    def lines(self) -> list[bytes]:
        """Header lines that travel on, in order, framing included."""
        return self.received[: self.size - 4].split(b"\r\n")[1:] if self.kept is None else self.kept


def parse_response(data: bytes, limits: Limits) -> ResponseHead | None:
    """
    @param data: everything received since the last answer ended.
    @return: C{None} if the head is not complete yet.
    @raise UpstreamMalformed: it never will be one that can be forwarded safely.
    """
    match = _USUAL.match(data)
    if match is not None:
        size = match.end()
        if size <= limits.head:
            code, length, chunked = match.groups()
            content_length = None if length is None else int(length)
            return ResponseHead(int(code), True, content_length, chunked is not None, True, b"", size, data)
    return _parse_lines(data, limits)


def _parse_lines(data: bytes, limits: Limits) -> ResponseHead | None:
    end = data.find(b"\r\n\r\n")
    if end < 0 or end > limits.head:
        if len(data) > limits.head:
            raise UpstreamMalformed(f"the head of the answer is larger than {limits.head} bytes")
        if not b"HTTP/1."[: len(data)].startswith(data[:7]):
            raise UpstreamMalformed("the answer is not HTTP/1.1")
        return None
    status, *lines = data[:end].split(b"\r\n")
    match = _STATUS.fullmatch(status)
    if match is None:
        raise UpstreamMalformed("the status line of the answer is malformed")
    kept: list[bytes] = []
    special: list[tuple[int, bytes]] = []
    for line in lines:
        kind = TABLE.known.get(line)
        if kind is None:
            kind = TABLE.classify(line)
        if kind & 1:
            kept.append(line)
        if kind > 1:
            special.append((kind, line))
    http11 = match[1] == b"1"
    verbatim = http11 and len(kept) == len(lines)
    head = ResponseHead(int(match[2]), verbatim, None, False, http11, b"", end + 4, data, kept)
    if special:
        _apply(head, special, http11)
    return head


def _apply(head: ResponseHead, special: list[tuple[int, bytes]], http11: bool) -> None:
    options: list[bytes] = []
    for kind, line in special:
        value = headers.value(line)
        if kind == headers.CONTENT_LENGTH:
            if head.content_length is not None or _DIGITS.fullmatch(value) is None:
                raise UpstreamMalformed("the answer's Content-Length is not one number")
            head.content_length = int(value)
        elif kind == headers.TRANSFER_ENCODING:
            if head.chunked or value.lower() != b"chunked" or not http11:
                raise UpstreamMalformed("the answer's Transfer-Encoding is not chunked")
            head.chunked = True
        elif kind == headers.UPGRADE:
            head.upgrade = value
        else:
            options += [option.strip(b" \t").lower() for option in value.split(b",")]
    if head.chunked and head.content_length is not None:
        raise UpstreamMalformed("the answer has both Transfer-Encoding and Content-Length")
    _apply_options(head, frozenset(options), http11)


def _apply_options(head: ResponseHead, options: frozenset[bytes], http11: bool) -> None:
    head.keep_alive = b"close" not in options if http11 else b"keep-alive" in options and b"close" not in options
    named = options - {b"close", b"keep-alive", b"upgrade", b""}
    if named & headers.FRAMING_NAMES:
        raise UpstreamMalformed("the answer's Connection names a field that no hop may drop")
    if named:
        head.kept = [line for line in head.lines if headers.name(line) not in named]
    if b"upgrade" not in options:
        head.upgrade = b""


def body_length(method: bytes, head: ResponseHead) -> int:
    """
    How the body of this answer to a request of this method ends (RFC 9112 section 6.3).

    @return: a number of bytes, or C{CHUNKED}, or C{UNTIL_CLOSE}.
    """
    code = head.code
    if method == b"HEAD" or code < 200 or code == 204 or code == 304:
        return 0
    if head.chunked:
        return CHUNKED
    return UNTIL_CLOSE if head.content_length is None else head.content_length


def render(head: ResponseHead, *lines: bytes, without: bytes = b"") -> bytes:
    """
    @param lines: added behind those of the head.
    @param without: lowercased name of a field that is left out.
    @return: the head as bytes, up to and including the blank line.
    """
    kept = [line for line in head.lines if headers.name(line) != without] if without else head.lines
    return b"\r\n".join([head.status, *kept, *lines, b"", b""])
