"""Bearer tokens: where a request carries one, and the file that lists the ones to accept. Pure."""

from __future__ import annotations

import base64
import binascii
import csv
import io
from collections.abc import Iterable, Mapping
from hashlib import sha256

from ..errors import ConfigurationError, Unauthenticated
from .identity import Identity

# Browsers cannot set Authorization on a WebSocket; Kubernetes takes the token as one of the subprotocols offered
# (k8s.io/apiserver, authentication/request/websocket).
SUBPROTOCOL = b"base64url.bearer.authorization.k8s.io."


def bearer_token(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """
    @param headers: names lowercased, values stripped.
    @return: the bearer token these header fields carry, or C{None} if none of them is about one.
    @raise Unauthenticated: there is more than one, or it cannot be read.
    """
    found: list[bytes] = []
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.partition(b" ")
            if scheme.lower() == b"bearer" and (words := token.split()):
                found.append(words[0])
        elif name == b"sec-websocket-protocol" and SUBPROTOCOL in value:
            found.append(_from_subprotocols(value))
    if not found:
        return None
    if len(found) > 1:
        raise Unauthenticated("The request carries more than one bearer token.")
    try:
        return found[0].decode("ascii")
    except UnicodeDecodeError:
        raise Unauthenticated("The bearer token is not ASCII.") from None


def _from_subprotocols(value: bytes) -> bytes:
    offered = [part.strip() for part in value.split(b",")]
    tokens = [part[len(SUBPROTOCOL) :] for part in offered if part.startswith(SUBPROTOCOL)]
    if len(tokens) != 1:
        raise Unauthenticated("The WebSocket subprotocols must name exactly one bearer token.")
    if len(offered) < 2:
        # The server answers with one of the other subprotocols: the token must never be echoed.
        raise Unauthenticated("The WebSocket subprotocols name a bearer token and no protocol to speak.")
    encoded = tokens[0]
    try:
        token = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise Unauthenticated("The bearer token among the WebSocket subprotocols is not base64url.") from None
    if not token:
        raise Unauthenticated("The bearer token among the WebSocket subprotocols is empty.")
    return token


def digest(token: str) -> bytes:
    """What a token is looked up by: comparing digests takes a time that says nothing about the token."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def parse_token_file(text: str) -> Mapping[bytes, Identity]:
    """
    Read a token file as kube-apiserver's C{--token-auth-file} takes it: CSV without a heading line,
    C{token,user,uid} and optionally a fourth, quoted column of groups, C{"group1,group2"}.

    @return: identities by L{digest} of their token. Blank lines are skipped.
    @raise ConfigurationError: a line has fewer columns, no token or no user, or repeats a token; names the line.
    """
    table: dict[bytes, Identity] = {}
    reader = csv.reader(io.StringIO(text), strict=True)
    try:
        for row in reader:
            if not any(row):
                continue
            if len(row) < 3:
                raise ConfigurationError(
                    f"Token file, line {reader.line_num}: expected token,user,uid[,groups], found {len(row)} columns."
                )
            token, user, uid = row[0], row[1], row[2]
            if not token or not user:
                raise ConfigurationError(f"Token file, line {reader.line_num}: token and user must not be empty.")
            key = digest(token)
            if key in table:
                raise ConfigurationError(
                    f"Token file, line {reader.line_num}: this token is already on an earlier line."
                )
            groups = tuple(dict.fromkeys(group for group in row[3].split(",") if group)) if len(row) > 3 else ()
            table[key] = Identity(user, groups, uid, source="tokenfile")
    except csv.Error as error:
        raise ConfigurationError(f"Token file, line {reader.line_num}: {error}.") from None
    return table
