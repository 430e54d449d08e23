"""The answer to a watch: one JSON object after the other, a line each. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..errors import HubUnavailable
from .kubefault import event_fault

TYPES = ("ADDED", "MODIFIED", "DELETED", "BOOKMARK")

# An object in etcd is at most 1.5 MiB; as JSON it can be a few times that.
LONGEST_EVENT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """
    @ivar type: one of L{TYPES}.
    @ivar object: with C{metadata.resourceVersion}; a bookmark's has little else.
    """

    type: str
    object: dict[str, Any]

    @property
    def resource_version(self) -> str:
        """Where a watch that follows goes on."""
        return str(self.object["metadata"]["resourceVersion"])


class WatchDecoder:
    """Bytes in, events out."""

    def __init__(self, longest: int = LONGEST_EVENT) -> None:
        """
        @param longest: bytes that one event may have.
        """
        self._longest = longest
        self._parts: list[bytes] = []
        self._held = 0

    def feed(self, data: bytes) -> list[Event]:
        """
        @return: the events that are complete now.
        @raise GatewayError: an ERROR event as the error it names (L{Expired<clustergateway.errors.Expired>} means: list
            again), or L{HubUnavailable} for what is no event. Events before it are lost with it: what follows is a
            new watch from the last version seen, or a list.
        """
        *lines, rest = data.split(b"\n")
        events: list[Event] = []
        for line in lines:
            whole = b"".join((*self._parts, line)) if self._parts else line
            self._parts.clear()
            self._held = 0
            if whole.strip():
                events.append(self._event(whole))
        if rest:
            self._parts.append(rest)
            self._held += len(rest)
            if self._held > self._longest:
                raise HubUnavailable("The hub sends a watch event without end.", hop="hub")
        return events

    def finish(self) -> None:
        """
        The stream is over.

        @raise HubUnavailable: in the middle of an event.
        """
        if b"".join(self._parts).strip():
            raise HubUnavailable("The hub's watch broke off in the middle of an event.", hop="hub")

    def _event(self, line: bytes) -> Event:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            raise HubUnavailable("The hub's watch sends what is not JSON.", hop="hub") from None
        if not isinstance(value, dict) or not isinstance(content := value.get("object"), dict):
            raise HubUnavailable("The hub's watch sends what is not an event.", hop="hub")
        if value.get("type") == "ERROR":
            raise event_fault(content)
        metadata = content.get("metadata")
        if (
            value.get("type") not in TYPES
            or not isinstance(metadata, dict)
            or not isinstance(version := metadata.get("resourceVersion"), str)
            or not version
        ):
            raise HubUnavailable("The hub's watch sends an event of no known kind.", hop="hub")
        return Event(value["type"], content)
