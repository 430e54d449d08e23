"""Documents that do not change while the process runs: encoded once, answered with an ETag."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from twisted.web.http import NOT_MODIFIED, Request
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource

from ..model.negotiation import JSON, PLAIN, YAML, Transform, negotiate
from ..model.rendered import encode
from .answer import UNCACHED, Headers, accept_of, content_type, query_of, send, shape, wants_pretty
from .guarded import Guard, Guarded, Missing

IMMUTABLE = (b"Cache-Control", b"private, max-age=31536000, immutable")


@dataclass(frozen=True, slots=True)
class Document:
    """@ivar digest: of the body, in capitals, as kube-apiserver writes the hashes of its documents."""

    body: bytes
    media_type: str
    digest: str

    @classmethod
    def of(cls, content: Any, media_type: str = JSON) -> Document:
        """
        @param content: what the document says, ready for JSON.
        """
        return cls.holding(shape(encode(content), media_type, pretty=False), media_type)

    @classmethod
    def holding(cls, body: bytes, media_type: str) -> Document:
        """One that is encoded already."""
        return cls(body, media_type, hashlib.sha256(body).hexdigest().upper())


class Documents(Guarded):
    """One document, in all the forms it can be had in. A slash behind its path is not minded."""

    def __init__(
        self,
        guard: Guard,
        content: Any,
        others: Mapping[Transform, Any] | None = None,
        encoded: Mapping[str, Document] | None = None,
    ) -> None:
        """
        @param content: the document, answered as JSON or YAML.
        @param others: documents that are answered, as JSON, when their transform is asked for.
        @param encoded: the document in further media types, by what they are called in an C{Accept}.
        """
        super().__init__(guard)
        self._documents = {(media_type, PLAIN): Document.of(content, media_type) for media_type in (JSON, YAML)}
        for transform, other in (others or {}).items():
            kind, group, version = transform
            document = Document.of(other)
            # The parameters in this order: older client-go compares the header as a string.
            named = f"{JSON};g={group};v={version};as={kind}"
            self._documents[JSON, transform] = Document(document.body, named, document.digest)
        self._transforms = tuple(others or ())
        self._documents |= {(media_type, PLAIN): document for media_type, document in (encoded or {}).items()}
        self._media_types = (JSON, YAML, *(encoded or ()))

    @property
    def digest(self) -> str:
        """Of the document as JSON."""
        return self._documents[JSON, PLAIN].digest

    def getChild(self, path: bytes, request: IRequest) -> IResource:
        return Missing(self.guard) if path or request.postpath else self

    def answer(self, request: Request) -> None:
        wanted = negotiate(accept_of(request), self._transforms, self._media_types)
        # Only JSON is transformed; YAML of a transform falls back to the plain document.
        document = (
            self._documents.get((wanted.media_type, wanted.transform)) or self._documents[wanted.media_type, PLAIN]
        )
        values = query_of(request)
        headers = (
            content_type(document.media_type),
            (b"ETag", f'"{document.digest}"'.encode("ascii")),
            (b"Vary", b"Accept"),
            IMMUTABLE if document.digest in values.get("hash", ()) else UNCACHED,
        )
        if _is_known(request, document.digest):
            _send_not_modified(request, headers[1:])
        else:
            pretty = wanted.media_type == JSON and (wanted.pretty or wants_pretty(values))
            send(request, shape(document.body, JSON, pretty) if pretty else document.body, headers)


def _is_known(request: Request, digest: str) -> bool:
    """If-None-Match, RFC 9110 section 13.1.2: weakly compared."""
    for value in request.requestHeaders.getRawHeaders("if-none-match", []):
        known = [each.strip().removeprefix("W/").strip('"') for each in value.split(",")]
        if digest in known or "*" in known:
            return True
    return False


def _send_not_modified(request: Request, headers: Headers) -> None:
    request.setResponseCode(NOT_MODIFIED)
    for name, value in headers:
        request.setHeader(name, value)
    request.finish()
