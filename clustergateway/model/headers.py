"""
The one table of what each header field means to a gateway: which never travel past it, which speak of identity, which
of the way a request came, which of framing.

A name is judged with C{_} read as C{-}: some servers turn one into the other, so that C{X_Remote_User} could arrive as
C{X-Remote-User}. Such a look-alike is dropped.
"""

from __future__ import annotations

import re
from typing import Final

from ..errors import GatewayError

# Kinds. Bit 0 says that the line itself travels on; anything above 1 means that its value matters here as well.
DROPPED: Final = 0
FORWARDED: Final = 1
IDENTITY: Final = 2
HOST: Final = 4
CONNECTION: Final = 6
UPGRADE: Final = 8
CONTENT_LENGTH: Final = 11
TRANSFER_ENCODING: Final = 13
EXPECT: Final = 15
WEBSOCKET_PROTOCOL: Final = 17
USER_AGENT: Final = 19
AUDIT_ID: Final = 20
FORWARDED_FOR: Final = 22

FRAMING_NAMES = frozenset((b"content-length", b"transfer-encoding", b"host"))
"""Fields that decide where a message ends or whom it is for. C{Connection} may not name them."""

IDENTITY_NAMES = frozenset((b"authorization", b"cookie"))
IDENTITY_PREFIXES = (b"x-remote-", b"impersonate-")

FORWARDING_NAMES = frozenset((b"forwarded", b"x-real-ip", b"via"))
FORWARDING_PREFIXES = (b"x-forwarded-",)

# RFC 9110 section 7.6.1, plus RFC 9113 section 3.1 (HTTP2-Settings). Trailer is end-to-end since RFC 9110.
HOP_BY_HOP = frozenset(
    (
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-authorization",
        b"te",
        b"http2-settings",
    )
)

_SPECIAL = {
    b"connection": CONNECTION,
    b"upgrade": UPGRADE,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
}

_SPECIAL_REQUEST = {
    **_SPECIAL,
    b"host": HOST,
    b"expect": EXPECT,
    b"sec-websocket-protocol": WEBSOCKET_PROTOCOL,
    b"user-agent": USER_AGENT,
    b"audit-id": AUDIT_ID,
    b"x-forwarded-for": FORWARDED_FOR,
    b"x-real-ip": FORWARDED_FOR,
}

# Lines of these fields repeat between requests and hold no secret: only they are remembered whole.
_REPEATING = frozenset(
    (
        b"accept",
        b"accept-encoding",
        b"accept-language",
        b"cache-control",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"date",
        b"host",
        b"kubectl-command",
        b"server",
        b"strict-transport-security",
        b"transfer-encoding",
        b"upgrade",
        b"user-agent",
        b"vary",
        b"x-content-type-options",
        b"x-kubernetes-pf-flowschema-uid",
        b"x-kubernetes-pf-prioritylevel-uid",
        b"x-stream-protocol-version",
    )
)

# RFC 9110 sections 5.1 and 5.5: a token, then no control character but tab.
_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[\t\x20-\x7e\x80-\xff]*")

_REMEMBERED_LENGTH = 256
_REMEMBERED_LINES = 4096


class FieldTable:
    """
    Says what kind of field a header line is, and remembers lines that keep coming.

    @ivar known: kinds of remembered lines; bounded, and never one that can hold a credential.
    """

    def __init__(
        self,
        special: dict[bytes, int],
        names: frozenset[bytes] = frozenset(),
        prefixes: tuple[bytes, ...] = (),
        *,
        forwarding: bool = False,
        malformed: type[GatewayError],
    ) -> None:
        """
        @param names: lowercased names of fields that carry identity.
        @param prefixes: likewise, what their names start with.
        @param forwarding: whether fields that tell the way a message came are dropped.
        @param malformed: raised for a line that is no field line.
        """
        self._special = special
        self._names = names
        self._prefixes = prefixes
        self._forwarding = forwarding
        self._malformed = malformed
        self.known: dict[bytes, int] = {}

    def kind(self, name: bytes) -> int:
        """What a field of this (lowercased) name is."""
        plain = name.replace(b"_", b"-")
        kind = self._kind(plain)
        return kind if plain == name or kind == FORWARDED else DROPPED

    def _kind(self, name: bytes) -> int:
        if name in self._names or name.startswith(self._prefixes):
            return IDENTITY
        if name in self._special:
            return self._special[name]
        if name in HOP_BY_HOP:
            return DROPPED
        if self._forwarding and (name in FORWARDING_NAMES or name.startswith(FORWARDING_PREFIXES)):
            return DROPPED
        return FORWARDED

    def classify(self, line: bytes) -> int:
        """
        @return: the kind of this header line (without its CRLF).
        @raise GatewayError: of the class given to C{__init__}: it is not a field line.
        """
        match = _LINE.fullmatch(line)
        if match is None:
            raise self._malformed(complaint(line))
        name = match[1].lower()
        kind = self.kind(name)
        if name in _REPEATING and len(line) < _REMEMBERED_LENGTH:
            if len(self.known) >= _REMEMBERED_LINES:
                self.known.clear()
            self.known[line] = kind
        return kind


def request_table(
    malformed: type[GatewayError], names: frozenset[bytes] = frozenset(), prefixes: tuple[bytes, ...] = ()
) -> FieldTable:
    """
    @param names: lowercased names of further fields that carry identity (C{--requestheader-username-headers}...).
    @param prefixes: likewise, what their names start with.
    """
    return FieldTable(
        _SPECIAL_REQUEST,
        IDENTITY_NAMES | names,
        IDENTITY_PREFIXES + prefixes,
        forwarding=True,
        malformed=malformed,
    )


def response_table(malformed: type[GatewayError]) -> FieldTable:
    """The table for answers: framing and hop-by-hop fields only."""
    return FieldTable(_SPECIAL, malformed=malformed)


def complaint(line: bytes) -> str:
    """Says what is wrong with a header line, without quoting it: it may hold a credential."""
    if line[:1] in (b" ", b"\t"):
        return "a header line begins with white space (obsolete line folding is not accepted)"
    name, colon, _ = line.partition(b":")
    if not colon:
        return "a header line has no colon"
    if name[-1:] in (b" ", b"\t"):
        return "a header name is followed by white space"
    if b"\n" in line or b"\r" in line:
        return "a header line is not ended by CR LF"
    if _LINE.fullmatch(name + b":") is None:
        return "a header name is not a token"
    return "a header value contains a control character"


def value(line: bytes) -> bytes:
    """The value of a well-formed header line, without the white space around it."""
    return line[line.index(b":") + 1 :].strip(b" \t")


def name(line: bytes) -> bytes:
    """The lowercased name of a well-formed header line."""
    return line[: line.index(b":")].lower()
