"""A copy of a list in an apiserver, kept in memory: what the rest of the gateway answers from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..errors import GatewayError
from ..model.resourcetype import ResourceType
from .client import KubeClient, Object
from .watcher import Watcher

Key = tuple[str, str]
"""Namespace (C{""} for none) and name."""

_NO_ANSWER = "it has not answered yet"


def _nothing(*_: Any) -> None: ...


@dataclass(frozen=True)
class Handlers:
    """
    Whom to tell about changes: once for each object that is there at first, then for each change. What a handler
    raises is logged and stops nobody.
    """

    added: Callable[[Object], None] = _nothing
    updated: Callable[[Object, Object], None] = _nothing
    deleted: Callable[[Object], None] = _nothing


class Informer:
    """
    The objects of one type, as of a moment ago.

    While the apiserver is away the last known state stays.

    @ivar synced: everything there is has been seen at least once.
    @ivar stale_since: when the apiserver was last heard, seconds of the clock, if it is not being heard now; before it
        was ever heard, when the informer was started.
    @ivar problem: why it is not being heard, C{""} if it is.
    @ivar resource_version: how far the copy has come.
    """

    _log = Logger()

    def __init__(
        self,
        client: KubeClient,
        kind: ResourceType,
        clock: IReactorTime,
        chance: Callable[[], float],
        namespace: str = "",
        query: Sequence[tuple[str, str]] = (),
    ) -> None:
        """As those of L{Watcher}."""
        self.kind = kind
        self._client = client
        self.synced = False
        self.stale_since: float | None = None
        self.problem = ""
        self.resource_version = ""
        self._clock = clock
        self._heard = 0.0
        self._objects: dict[Key, Object] = {}
        self._handlers: list[Handlers] = []
        self._waiting: list[Deferred[None]] = []
        self._watcher = Watcher(client, kind, self, clock, chance, namespace, query)

    def start(self) -> None:
        """Begin, once."""
        self.stale_since = self._heard = self._clock.seconds()
        self.problem = _NO_ANSWER
        self._watcher.start()

    def stop(self) -> None:
        """End; the last state stays."""
        self._watcher.stop()

    def when_synced(self) -> Deferred[None]:
        """Fires when everything there is has been seen once."""
        waiting: Deferred[None] = Deferred(self._waiting_gave_up)
        if self.synced:
            waiting.callback(None)
        else:
            self._waiting.append(waiting)
        return waiting

    def get(self, name: str, namespace: str = "") -> Object | None:
        """@return: the object; to be read, not changed."""
        return self._objects.get((namespace, name))

    def all(self) -> Iterator[Object]:
        """Every object, in no order; to be read, not changed."""
        return iter(tuple(self._objects.values()))

    def subscribe(self, handlers: Handlers) -> Callable[[], None]:
        """
        @return: ends the subscription.
        """
        for content in self.all():
            self._tell(handlers.added, content)
        self._handlers.append(handlers)
        return lambda: self._handlers.remove(handlers)

    def problems(self) -> tuple[str, ...]:
        """A sentence for whoever asks how the gateway is, if there is something to say."""
        if self.stale_since is None:
            return ()
        seconds = self._clock.seconds() - self.stale_since
        return (f"{self.kind.resource} of the hub have not been heard of for {seconds:.0f} s: {self.problem}",)

    # What the watcher tells.

    def replaced(self, items: list[Object], resource_version: str) -> None:
        known, self._objects = self._objects, {}
        for content in items:
            key = _key(content)
            if key is not None:
                self._objects[key] = content
        self.resource_version = resource_version
        # As they happened, and what is gone, whose last version nobody knows, at the end: whoever numbers changes by
        # these versions is not ahead of those still to come.
        for key, content in sorted(self._objects.items(), key=lambda item: _number(_version(item[1]))):
            if key not in known:
                self._tell_all("added", content)
            elif _version(content) != _version(known[key]):
                self._tell_all("updated", known[key], content)
        for key, content in known.items():
            if key not in self._objects:
                self._tell_all("deleted", content)
        if not self.synced:
            self.synced = True
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

    def changed(self, type: str, content: Object) -> None:
        key = _key(content)
        if key is None:
            return
        self.resource_version = _version(content) or self.resource_version
        if type == "DELETED":
            if self._objects.pop(key, None) is not None:
                self._tell_all("deleted", content)
            return
        known = self._objects.get(key)
        self._objects[key] = content
        if known is None:
            self._tell_all("added", content)
        else:
            self._tell_all("updated", known, content)

    def reached(self, resource_version: str) -> None:
        self.resource_version = resource_version

    def stale(self, error: GatewayError) -> None:
        first = self.stale_since is None or self.problem == _NO_ANSWER
        self.problem = error.message
        if self.stale_since is None:
            self.stale_since = max(self._heard, self._client.pulse.heard)
        if first:
            for sentence in self.problems():
                self._log.warn("{problem}", problem=sentence)

    def fresh(self) -> None:
        if self.stale_since is not None:
            seconds = self._clock.seconds() - self.stale_since
            self._log.info(
                "{resource} of the hub are up to date, after {seconds} s",
                resource=self.kind.resource,
                seconds=round(seconds),
            )
        self.stale_since, self.problem = None, ""
        self._heard = self._clock.seconds()

    def _tell_all(self, what: str, *contents: Object) -> None:
        for handlers in tuple(self._handlers):
            self._tell(getattr(handlers, what), *contents)

    def _tell(self, handler: Callable[..., None], *contents: Object) -> None:
        try:
            handler(*contents)
        except Exception:
            self._log.failure("somebody who follows {resource} failed", resource=self.kind.resource)

    def _waiting_gave_up(self, waiting: Deferred[None]) -> None:
        self._waiting.remove(waiting)


def _key(content: Object) -> Key | None:
    metadata = content.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(name := metadata.get("name"), str):
        return None
    return (str(metadata.get("namespace", "")), name)


def _number(version: str) -> int:
    return int(version) if version.isdecimal() else 0


def _version(content: Object) -> str:
    return str(content["metadata"].get("resourceVersion", ""))
