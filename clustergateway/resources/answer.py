"""Writing an answer that is complete."""

from __future__ import annotations

import json
from collections.abc import Iterable

import yaml
from twisted.web.http import Request

from ..model.negotiation import JSON, YAML, Wanted
from ..model.query import Values, decode_query

Headers = Iterable[tuple[bytes, bytes]]

# As kube-apiserver: what needs authorization is not for caches that do not ask.
UNCACHED = (b"Cache-Control", b"no-cache, private")


def send(request: Request, body: bytes, headers: Headers, code: int = 200) -> None:
    """The whole answer; of one to a HEAD request everything but the body."""
    request.setResponseCode(code)
    for name, value in headers:
        request.setHeader(name, value)
    request.setHeader(b"Content-Length", b"%d" % len(body))
    request.write(body)
    request.finish()


def send_object(request: Request, encoded: bytes, wanted: Wanted) -> None:
    """
    An object in the form that was negotiated.

    @param encoded: the object as JSON.
    """
    pretty = wanted.pretty or wants_pretty(query_of(request))
    send(request, shape(encoded, wanted.media_type, pretty), (content_type(wanted.media_type), UNCACHED))


def shape(encoded: bytes, media_type: str, pretty: bool) -> bytes:
    """JSON as YAML, or indented for people, or as it is."""
    if media_type == YAML:
        return yaml.safe_dump(json.loads(encoded), allow_unicode=True).encode()
    if pretty:
        return json.dumps(json.loads(encoded), indent=2, ensure_ascii=False).encode() + b"\n"
    return encoded


def content_type(media_type: str = JSON) -> tuple[bytes, bytes]:
    return b"Content-Type", media_type.encode("ascii")


def query_of(request: Request) -> Values:
    return decode_query(request.uri.partition(b"?")[2].decode("latin-1"))


def accept_of(request: Request) -> str:
    """All Accept headers of a request as one."""
    return ",".join(request.requestHeaders.getRawHeaders("accept", []))


def wants_pretty(values: Values) -> bool:
    return values.get("pretty", [""])[0].lower() in ("1", "t", "true")
