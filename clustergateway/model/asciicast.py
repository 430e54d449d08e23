"""
Recordings of terminal sessions: asciicast version 2 (docs.asciinema.org, "asciicast v2"), written and read. Pure.

One JSON value a line: a header, then events C{[seconds, code, text]} with code C{o} (shown), C{i} (typed) or C{r}
(resized, C{"80x24"}); or C{m} (a marker), with which this gateway says how the command ended.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ConfigurationError
from .channels import TerminalSize

DEFAULT_SIZE = TerminalSize(80, 24)
OWN_KEY = "clustergateway"
"""The header's key under which this gateway says whose session it was; players ignore what they do not know."""


_EXIT = re.compile(r"exit status ([0-9]{1,9})")


class NotACast(ConfigurationError):
    """The file is no asciicast of version 2."""


@dataclass(frozen=True, slots=True)
class Header:
    """
    @ivar timestamp: seconds since the epoch, when the session began.
    @ivar command: for people, C{""} if not known.
    @ivar about: whose session it was.
    """

    size: TerminalSize = DEFAULT_SIZE
    timestamp: int = 0
    title: str = ""
    command: str = ""
    about: Mapping[str, str] = field(default_factory=dict)

    def line(self) -> str:
        """With its line end."""
        value: dict[str, Any] = {"version": 2, "width": self.size.width, "height": self.size.height}
        value["timestamp"] = self.timestamp
        value |= {key: text for key, text in (("title", self.title), ("command", self.command)) if text}
        value["env"] = {"TERM": "xterm-256color"}
        value[OWN_KEY] = dict(self.about)
        return json.dumps(value) + "\n"


@dataclass(frozen=True, slots=True)
class Event:
    """@ivar at: seconds since the session began."""

    at: float
    code: str
    text: str

    def line(self) -> str:
        """With its line end."""
        return f"[{self.at:.6f}, {json.dumps(self.code)}, {json.dumps(self.text)}]\n"


def exit_marker(at: float, code: int) -> Event:
    """The event that says with which status the command ended."""
    return Event(at, "m", f"exit status {code}")


def marked_exit(event: Event) -> int | None:
    """What an L{exit_marker} says; C{None} for any other event."""
    match = _EXIT.fullmatch(event.text) if event.code == "m" else None
    return None if match is None else int(match[1])


class Text:
    """Bytes of one stream to text: a character may arrive in two pieces, and not everything shown is UTF-8."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        return self._decoder.decode(data)

    def end(self) -> str:
        """What is left of a character that never was completed."""
        return self._decoder.decode(b"", True)


def parse_header(line: str) -> Header:
    """
    @raise NotACast: it is none.
    """
    value: Any = _json(line)
    if not isinstance(value, dict) or value.get("version") != 2:
        raise NotACast("it is no asciicast of version 2")
    numbers = [value.get("width"), value.get("height"), value.get("timestamp", 0)]
    about = value.get(OWN_KEY, {})
    if not all(type(number) is int for number in numbers) or not isinstance(about, dict):
        raise NotACast("its header is malformed")
    width, height, timestamp = numbers
    return Header(
        TerminalSize(width, height),
        timestamp,
        str(value.get("title", "")),
        str(value.get("command", "")),
        {key: str(text) for key, text in about.items()},
    )


def parse_events(lines: Iterable[str]) -> Iterator[Event]:
    """
    @param lines: what follows the header. A last line that was not completed, as in a session still going on, ends it.
    @raise NotACast: another line is no event.
    """
    for line in lines:
        if not line.endswith("\n"):
            return
        value = _json(line)
        if not isinstance(value, list) or len(value) != 3:
            raise NotACast("one of its lines is no event")
        at, code, text = value
        if type(at) not in (int, float) or not isinstance(code, str) or not isinstance(text, str):
            raise NotACast("one of its lines is no event")
        yield Event(float(at), code, text)


def _json(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise NotACast("one of its lines is not JSON") from None
