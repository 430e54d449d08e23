"""A request read once into a frozen value, and what it is answered with."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml

from . import protobuf
from .objects import Object, dumps
from .paths import Query, first
from .status import bad_request, unknown_body_type

if TYPE_CHECKING:
    from twisted.web.http import Request

_PRETTY_AGENTS = ("curl", "Wget", "Mozilla/5.0")
BODY_TYPES = ("application/json", "application/yaml", protobuf.MEDIA_TYPE)


@dataclass(frozen=True, slots=True)
class User:
    """
    Who calls.

    @ivar extra: key to values.
    """

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


ANONYMOUS = User("system:anonymous", ("system:unauthenticated",))


@dataclass(frozen=True, slots=True)
class Call:
    """
    One request.

    @ivar path: percent-encoded, without the query.
    @ivar headers: names in lower case, the values of repeated ones joined by commas.
    """

    method: str
    path: str
    query: Query
    headers: Mapping[str, str]
    body: bytes = b""
    user: User = ANONYMOUS

    @property
    def accept(self) -> str:
        return self.headers.get("accept", "")

    @property
    def pretty(self) -> bool:
        asked = first(self.query, "pretty")
        if asked:
            return asked not in ("0", "false")
        return self.headers.get("user-agent", "").startswith(_PRETTY_AGENTS)

    def media_type(self) -> str:
        """Of the body; C{application/json} where none is said."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower() or "application/json"

    def document(self, kind: str) -> Object:
        """
        The body as an object.

        @param kind: what it should be, for messages.
        @raise ApiError: 400 or 415.
        """
        media_type = self.media_type()
        if media_type not in BODY_TYPES:
            raise unknown_body_type(BODY_TYPES)
        if media_type == protobuf.MEDIA_TYPE:
            return protobuf.decoded(self.body)
        return parsed(self.body, media_type == "application/yaml", kind)


def parsed(body: bytes, as_yaml: bool, kind: str) -> Object:
    """
    @raise ApiError: 400, it is no object.
    """
    wrong = f"the object provided is unrecognized (must be of type {kind}): couldn't get version/kind; json parse error"
    try:
        found = yaml.load(body, _YAML) if as_yaml else json.loads(body)  # noqa: S506 (it is a safe loader)
    except (ValueError, yaml.YAMLError):
        shown = body[:256].decode("utf-8", "replace") or "<empty>"
        why = "unexpected end of JSON input" if not as_yaml else "invalid YAML"
        raise bad_request(f"{wrong}: {why} ({shown})") from None
    if not isinstance(found, dict):
        raise bad_request(f"{wrong}: json: cannot unmarshal into Go value of type struct")
    return found


_YAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is complete."""

    code: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


Stream = Callable[["Request"], None]
"""Takes over a request and answers it in its own time."""


def answered(call: Call, value: Any, code: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """An answer of JSON."""
    if call.pretty:
        text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        return Answer(code, text.encode(), headers=headers)
    return Answer(code, dumps(value) + b"\n", headers=headers)


def warnings(texts: list[str]) -> tuple[tuple[str, str], ...]:
    """C{Warning} headers, RFC 7234."""
    quoted = (text.replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return tuple(("Warning", f'299 - "{text}"') for text in quoted)
