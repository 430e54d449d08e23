"""
Request heads of HTTP/1.1 and HTTP/1.0 (RFC 9112), read strictly: what two readers could understand differently is
refused, because the second reader is an apiserver that trusts this gateway.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from ..errors import (
    BadRequest,
    HeadersTooLarge,
    HttpVersionNotSupported,
    NotImplementedMethod,
    UriTooLong,
)
from ..settings import Limits
from . import headers
from .headers import FieldTable

METHODS = frozenset((b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"))
HTTP11: Final = b"HTTP/1.1"
HTTP10: Final = b"HTTP/1.0"

BEARER_PROTOCOL: Final = b"base64url.bearer.authorization.k8s.io."
"""Start of a WebSocket subprotocol that holds a bearer token: it is a credential, not a protocol."""

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VERSION = re.compile(rb"HTTP/[0-9]\.[0-9]")
# Visible ASCII without "#": RFC 9112 section 3.2 has no fragments in targets.
_ORIGIN = re.compile(rb"/(?!/)[!\"$-~]*")
_ABSOLUTE = re.compile(rb"https?://([A-Za-z0-9\-._~:\[\]%!$&'()*+,;=]+)(/(?!/)[!\"$-~]*|\?[!\"$-~]*|)", re.IGNORECASE)
_HOST = re.compile(rb"[A-Za-z0-9\-._~:\[\]%!$&'()*+,;=]*")
_DIGITS = re.compile(rb"[0-9]{1,18}")

Field = tuple[bytes, bytes]

TABLE = headers.request_table(BadRequest)


@dataclass(slots=True)
class Fields:
    """
    A request's header section, sorted.

    @ivar close: whether C{Connection: close} was there; likewise C{persist} and C{Connection: keep-alive}.
    """

    lines: tuple[bytes, ...] = ()
    block: bytes = b""
    identity: tuple[Field, ...] = ()
    host: bytes = b""
    content_length: int | None = None
    chunked: bool = False
    upgrade: bytes | None = None
    close: bool = False
    persist: bool = False
    expect_continue: bool = False
    user_agent: bytes = b""
    audit_id: bytes = b""
    forwarded: tuple[Field, ...] = ()


@dataclass(slots=True)
class RequestHead:
    """
    One request's head. Nobody changes it.

    @ivar target: origin form (an absolute form was reduced to it), opaque to the byte; or C{*} with OPTIONS.
    @ivar version: C{HTTP/1.1} or C{HTTP/1.0}.
    @ivar lines: header lines to send upstream as they are, in order: framing included; hop-by-hop, identity and
        forwarding fields and C{Host} left out.
    @ivar block: the same as bytes, each line with its CRLF.
    @ivar identity: (lowercased name, value) of the fields from which an identity can be derived.
    @ivar forwarded: (lowercased name, value) of the fields in which a proxy says for whom it asks.
    @ivar content_length: C{None} when not given.
    @ivar upgrade: the protocols asked for by C{Upgrade}, if that was asked for properly. Whoever sends the request
        on says so again in a C{Connection} and an C{Upgrade} of its own.
    @ivar keep_alive: whether the client wants to send another request.
    @ivar size: bytes of the head, up to and including the blank line.
    """

    method: bytes
    target: bytes
    version: bytes
    keep_alive: bool
    size: int
    lines: tuple[bytes, ...]
    block: bytes = field(repr=False)
    identity: tuple[Field, ...] = field(repr=False)
    host: bytes
    content_length: int | None
    chunked: bool
    upgrade: bytes | None
    expect_continue: bool
    user_agent: bytes
    audit_id: bytes
    forwarded: tuple[Field, ...]

    @property
    def has_body(self) -> bool:
        """Whether any byte of body follows, as far as the head can tell."""
        return self.chunked or bool(self.content_length)


class RequestParser:
    """
    Reads the heads of one connection's requests. Clients send the same header section again and again: the last one is
    kept, so that only the request line is read anew.
    """

    __slots__ = ("_fields", "_limits", "_searched", "_section", "_table")

    def __init__(self, limits: Limits, table: FieldTable = TABLE) -> None:
        self._limits = limits
        self._table = table
        self._section = b""
        self._fields = Fields()
        # Where to look for the end of a head that comes in pieces: who sends it a byte at a time must not have all of
        # it looked at for each.
        self._searched = 0

    def parse(self, data: bytes) -> RequestHead | None:
        """
        @param data: everything received since the last request ended.
        @return: C{None} if the head is not complete yet.
        @raise GatewayError: 400, 414, 431, 501 or 505: it never will be a head that is accepted.
        """
        end = data.find(b"\r\n\r\n", self._searched)
        limits = self._limits
        if end < 0 or end > limits.head or data[:2] == b"\r\n":
            return self._unusual(data, end)
        try:
            method, target, section = data[:end].split(b" ", 2)
        except ValueError:
            raise _request_line_error(data[:end]) from None
        if method not in METHODS:
            raise _method_error(method)
        if len(target) > limits.target:
            raise UriTooLong(f"the request target is longer than {limits.target} bytes")
        version = section[:8]
        if section != self._section:
            self._remember(section, version)
        fields = self._fields
        host = fields.host
        if _ORIGIN.fullmatch(target) is None:
            target, host = _unusual_target(method, target, host)
        if (b".." in target or b"%" in target) and climbs(target):
            raise BadRequest("the path of the request target climbs above its root")
        self._searched = 0
        return RequestHead(
            method,
            target,
            version,
            not fields.close if version == HTTP11 else fields.persist and not fields.close,
            end + 4,
            fields.lines,
            fields.block,
            fields.identity,
            host,
            fields.content_length,
            fields.chunked,
            fields.upgrade,
            fields.expect_continue,
            fields.user_agent,
            fields.audit_id,
            fields.forwarded,
        )

    def _remember(self, section: bytes, version: bytes) -> None:
        lines = section.split(b"\r\n")
        if lines[0] != HTTP11 and lines[0] != HTTP10:
            raise _version_error(lines[0])
        if len(lines) - 1 > self._limits.fields:
            raise HeadersTooLarge(f"the request has more than {self._limits.fields} header fields")
        self._fields = sort_fields(lines[1:], version, self._table)
        self._section = section

    def _unusual(self, data: bytes, end: int) -> RequestHead | None:
        """An incomplete or oversized head, or one behind an empty line (RFC 9112 section 2.2 allows for one)."""
        if data[:2] == b"\r\n" and data[2:4] != b"\r\n":
            head = self.parse(data[2:])
            if head is not None:
                head.size += 2
            return head
        if data.startswith(b"\r\n\r\n"):
            raise BadRequest("the request begins with empty lines")
        limits = self._limits
        line_end = data.find(b"\r\n")
        if line_end < 0:
            line_end = len(data)
        if line_end > limits.target + 32:
            raise UriTooLong(f"the request target is longer than {limits.target} bytes")
        if len(data) > limits.head:
            raise HeadersTooLarge(f"the request head is larger than {limits.head} bytes")
        if data.count(b"\n") > limits.fields + 1:
            raise HeadersTooLarge(f"the request has more than {limits.fields} header fields")
        start = self._searched
        if start and data[start] == 10:
            start += 1  # its CR has been seen
        if data.count(b"\n", start) != data.count(b"\r\n", start):
            raise BadRequest("a line of the request head is not ended by CR LF")
        if line_end < len(data):
            _check_request_line(data[:line_end])
        self._searched = max(0, len(data) - 3)
        return None


def parse_request(data: bytes, limits: Limits, table: FieldTable = TABLE) -> RequestHead | None:
    """
    Read one request head, see L{RequestParser.parse}.
    """
    return RequestParser(limits, table).parse(data)


def sort_fields(lines: list[bytes], version: bytes, table: FieldTable = TABLE) -> Fields:
    """
    @param lines: the header lines, without their CRLF.
    @raise BadRequest: one is malformed, or they contradict each other.
    """
    forward: list[bytes] = []
    special: list[tuple[int, bytes]] = []
    known = table.known.get
    for line in lines:
        kind = known(line)
        if kind is None:
            kind = table.classify(line)
        if kind & 1:
            forward.append(line)
        if kind > 1:
            special.append((kind, line))
    return _Sorter(forward, version).sort(special)


class _Sorter:
    """What the fields that matter to a gateway say together."""

    def __init__(self, forward: list[bytes], version: bytes) -> None:
        self._forward = forward
        self._version = version
        self._fields = Fields()
        self._identity: list[Field] = []
        self._hosts: list[bytes] = []
        self._lengths: list[bytes] = []
        self._codings: list[bytes] = []
        self._options: list[bytes] = []
        self._upgrades: list[bytes] = []

    def sort(self, special: list[tuple[int, bytes]]) -> Fields:
        for kind, line in special:
            self._take(kind, line)
        self._check_host()
        self._check_framing()
        self._apply_connection()
        fields = self._fields
        fields.identity = tuple(self._identity)
        fields.lines = tuple(self._forward)
        fields.block = b"".join([line + b"\r\n" for line in self._forward])
        return fields

    def _take(self, kind: int, line: bytes) -> None:
        value = headers.value(line)
        if kind == headers.IDENTITY:
            self._identity.append((headers.name(line), value))
        elif kind == headers.HOST:
            self._hosts.append(value)
        elif kind == headers.CONNECTION:
            self._options += [option.strip(b" \t").lower() for option in value.split(b",")]
        elif kind == headers.UPGRADE:
            self._upgrades.append(value)
        elif kind == headers.CONTENT_LENGTH:
            self._lengths.append(value)
        elif kind == headers.TRANSFER_ENCODING:
            self._codings.append(value)
        elif kind == headers.USER_AGENT:
            self._fields.user_agent = value
        elif kind == headers.AUDIT_ID:
            self._fields.audit_id = value
        elif kind == headers.FORWARDED_FOR:
            self._fields.forwarded += ((headers.name(line), value),)
        elif kind == headers.EXPECT:
            self._expect(line, value)
        else:
            self._protocols(line, value)

    def _expect(self, line: bytes, value: bytes) -> None:
        # RFC 9110 section 10.1.1: an expectation in an HTTP/1.0 request is ignored.
        if self._version == HTTP10:
            self._forward.remove(line)
        elif value.lower() == b"100-continue":
            self._fields.expect_continue = True

    def _protocols(self, line: bytes, value: bytes) -> None:
        """Sec-WebSocket-Protocol: identity if it holds a token, which then does not travel on."""
        protocols = [protocol.strip(b" \t") for protocol in value.split(b",")]
        kept = [protocol for protocol in protocols if not protocol.lower().startswith(BEARER_PROTOCOL)]
        if len(kept) == len(protocols):
            return
        self._identity.append((headers.name(line), value))
        place = self._forward.index(line)
        self._forward[place : place + 1] = [b"Sec-WebSocket-Protocol: " + b", ".join(kept)] if kept else []

    def _check_host(self) -> None:
        if len(self._hosts) > 1:
            raise BadRequest("the request has more than one Host")
        if not self._hosts:
            if self._version == HTTP11:
                raise BadRequest("the request has no Host")
            return
        if _HOST.fullmatch(self._hosts[0]) is None:
            raise BadRequest("the request's Host is malformed")
        self._fields.host = self._hosts[0]

    def _check_framing(self) -> None:
        # RFC 9112 section 6: what is ambiguous here is how requests are smuggled.
        if self._codings:
            if self._lengths:
                raise BadRequest("the request has both Transfer-Encoding and Content-Length")
            if self._version == HTTP10:
                raise BadRequest("an HTTP/1.0 request cannot have a Transfer-Encoding")
            if len(self._codings) > 1 or self._codings[0].lower() != b"chunked":
                raise BadRequest("the request's Transfer-Encoding is not chunked")
            self._fields.chunked = True
        if self._lengths:
            if len(self._lengths) > 1:
                raise BadRequest("the request has more than one Content-Length")
            if _DIGITS.fullmatch(self._lengths[0]) is None:
                raise BadRequest("the request's Content-Length is not a number")
            self._fields.content_length = int(self._lengths[0])

    def _apply_connection(self) -> None:
        fields = self._fields
        options = frozenset(self._options)
        if options & headers.FRAMING_NAMES:
            raise BadRequest("the request's Connection names a field that no hop may drop")
        fields.close = b"close" in options
        fields.persist = b"keep-alive" in options
        named = options - {b"close", b"keep-alive", b"upgrade", b""}
        if named:
            self._forward = [line for line in self._forward if headers.name(line) not in named]
        if b"upgrade" in options and self._upgrades and self._version == HTTP11:
            # An offer to speak HTTP/2 may be ignored (RFC 9113 section 3.1 deprecates it), and is: its requests would
            # reach the cluster unread.
            offers = [offer.strip(b" \t") for line in self._upgrades for offer in line.split(b",")]
            fields.upgrade = b", ".join([offer for offer in offers if offer and offer.lower() != b"h2c"]) or None


_SEPARATOR = re.compile(rb"/|%2f|\\|%5c", re.IGNORECASE)
_DOT = re.compile(rb"%2e", re.IGNORECASE)


def climbs(target: bytes) -> bool:
    """
    Whether the C{..} segments of a target's path lead above its root, in the reading of any server: dots and slashes
    may be percent-encoded, and backslashes count as slashes. For the part of a target that goes to a cluster as well.
    """
    path = _DOT.sub(b".", target.split(b"?", 1)[0])
    if b".." not in path:
        return False
    depth = 0
    for segment in _SEPARATOR.split(path):
        # "..;x" is read as ".." by servers that know path parameters
        plain = segment.split(b";", 1)[0]
        if plain == b"..":
            depth -= 1
            if depth < 0:
                return True
        elif plain not in (b"", b"."):
            depth += 1
    return False


def goes_up(path: bytes) -> bool:
    """
    Whether a C{..} segment (RFC 3986 section 3.3) is in a path, in the reading of any server, as in L{climbs}. What
    such a path names depends on whether a server on the way takes it out.
    """
    plain = _DOT.sub(b".", path)
    return b".." in plain and any(segment.split(b";", 1)[0] == b".." for segment in _SEPARATOR.split(plain))


def _unusual_target(method: bytes, target: bytes, host: bytes) -> tuple[bytes, bytes]:
    """
    @return: target in origin form, and host.
    """
    if target == b"*" and method == b"OPTIONS":
        return target, host
    match = _ABSOLUTE.fullmatch(target)
    if match is None:
        raise BadRequest("the request target is malformed")
    path = match[2]
    # RFC 9112 section 3.2.2: every server accepts the absolute form, and the authority in it counts, not Host.
    return path if path.startswith(b"/") else b"/" + path, match[1]


def _check_request_line(line: bytes) -> None:
    """The line of a head whose rest is still to come: a hopeless one is refused at once."""
    try:
        method, _, version = line.split(b" ")
    except ValueError:
        raise _request_line_error(line) from None
    if method not in METHODS:
        raise _method_error(method)
    if version not in (HTTP11, HTTP10):
        raise _version_error(version)


def _request_line_error(head: bytes) -> BadRequest | HttpVersionNotSupported:
    words = head.split(b"\r\n", 1)[0].split(b" ")
    if len(words) == 2 and words[0] in METHODS:
        return HttpVersionNotSupported("HTTP/0.9 is not supported")
    return BadRequest("the request line is malformed")


def _method_error(method: bytes) -> BadRequest | NotImplementedMethod:
    if method == b"PRI":
        return NotImplementedMethod("HTTP/2 is only spoken if TLS agreed on it")
    if len(method) > 32 or _TOKEN.fullmatch(method) is None:
        return BadRequest("the request line is malformed")
    return NotImplementedMethod(f"the method {method.decode('ascii')} is not implemented")


def _version_error(version: bytes) -> BadRequest | HttpVersionNotSupported:
    if _VERSION.fullmatch(version) is None:
        return BadRequest("the request line is malformed")
    return HttpVersionNotSupported(f"{version.decode('ascii')} is not supported")
