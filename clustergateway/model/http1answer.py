"""Response heads of HTTP/1.1 and HTTP/1.0 (RFC 9112): read from an upstream, and written to a client."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ..errors import UpstreamMalformed
from ..settings import Limits
from . import headers

CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2

TABLE = headers.response_table(UpstreamMalformed)

# RFC 9112 section 4; the space before an absent reason phrase is often left out.
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
_DIGITS = re.compile(rb"[0-9]{1,18}")


@dataclass(slots=True)
class ResponseHead:
    """
    One answer's head.

    @ivar status: the status line as received.
    @ivar lines: header lines that travel on, in order, framing included.
    @ivar verbatim: whether the head as received is an HTTP/1.1 status line and C{lines} and nothing else.
    @ivar keep_alive: whether the upstream's connection can be used again afterwards.
    @ivar upgrade: the protocol that a 101 switches to.
    @ivar size: bytes of the head, up to and including the blank line.
    """

    code: int
    status: bytes
    lines: list[bytes]
    verbatim: bool
    content_length: int | None
    chunked: bool
    keep_alive: bool
    upgrade: bytes
    size: int


def parse_response(data: bytes, limits: Limits) -> ResponseHead | None:
    """
    @param data: everything received since the last answer ended.
    @return: C{None} if the head is not complete yet.
    @raise UpstreamMalformed: it never will be one that can be forwarded safely.
    """
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
    forward: list[bytes] = []
    special: list[tuple[int, bytes]] = []
    known = TABLE.known.get
    for line in lines:
        kind = known(line)
        if kind is None:
            kind = TABLE.classify(line)
        if kind & 1:
            forward.append(line)
        if kind > 1:
            special.append((kind, line))
    http11 = match[1] == b"1"
    verbatim = http11 and len(forward) == len(lines)
    head = ResponseHead(int(match[2]), status, forward, verbatim, None, False, http11, b"", end + 4)
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
        head.lines = [line for line in head.lines if headers.name(line) not in named]
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
    return b"\r\n".join([b"HTTP/1.1" + head.status[8:], *kept, *lines, b"", b""])
