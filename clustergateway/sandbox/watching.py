"""Watches: changes written to the client as they happen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .objects import Object, dumps, metadata
from .selectors import Matcher
from .status import ApiError
from .store import Change, Store

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime
    from twisted.web.http import Request

BOOKMARK_SECONDS = 60.0
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Watched:
    """
    What is watched.

    @ivar start: revision after which changes are wanted, C{None} to begin with what there is now.
    @ivar matches: labels, fields and namespace.
    @ivar shape: makes of an object what the client asked to see.
    @ivar bookmark: an object to carry a bookmark's resourceVersion.
    @ivar marked: a bookmark says when the initial events are over.
    """

    group: str
    resource: str
    namespace: str
    start: int | None
    matches: Matcher
    shape: Callable[[Object], Object]
    bookmark: Callable[[], Object]
    bookmarks: bool
    marked: bool
    seconds: float


class Watch:
    """One running watch."""

    def __init__(self, watched: Watched, store: Store, clock: IReactorTime, running: set[Watch]) -> None:
        """
        @param running: holds this watch while it runs.
        """
        self._running = running
        self._watched = watched
        self._store = store
        self._clock = clock
        self._cancel: Callable[[], None] | None = None
        self._calls: dict[str, IDelayedCall] = {}
        self._seen = 0

    def begin(self, request: Request) -> None:
        """Answer the request; it ends after its time, or when the client goes away."""
        self._request = request
        self._running.add(self)
        request.setHeader("Transfer-Encoding", "chunked")
        request.setHeader("Content-Type", "application/json")
        request.write(b"")
        request.notifyFinish().addErrback(lambda _: self._stop())
        watched = self._watched
        try:
            self._begin_events()
        except ApiError as error:
            self._event("ERROR", error.status())
            self.finish()
            return
        self._cancel = self._store.subscribe(self._changed, (watched.group, watched.resource))
        self._calls["end"] = self._clock.callLater(watched.seconds, self.finish)
        if watched.bookmarks:
            self._calls["bookmark"] = self._clock.callLater(BOOKMARK_SECONDS, self._bookmark)

    def _begin_events(self) -> None:
        watched = self._watched
        if watched.start is not None:
            self._seen = watched.start
            for change in self._store.since(watched.start, watched.group, watched.resource):
                self._changed(change)
            return
        self._seen = self._store.revision
        for obj in self._store.listed(watched.group, watched.resource, watched.namespace):
            if watched.matches(obj):
                self._event("ADDED", watched.shape(obj))
        if watched.marked:
            mark = self._watched.bookmark()
            annotations = {INITIAL_EVENTS_END: "true"}
            mark["metadata"] = {"resourceVersion": str(self._store.revision), "annotations": annotations}
            self._event("BOOKMARK", watched.shape(mark))

    def _changed(self, change: Change) -> None:
        watched = self._watched
        if change.revision <= self._seen or watched.namespace not in ("", change.key.namespace):
            return
        self._seen = change.revision
        was = change.before is not None and watched.matches(change.before)
        is_now = not change.deleted and watched.matches(change.after)
        if is_now:
            self._event("MODIFIED" if was else "ADDED", watched.shape(change.after))
        elif was:
            gone = change.after
            if not change.deleted and change.before is not None:
                # It left the selection: the client sees the last state that was in it, at the new version.
                gone = {**change.before, "metadata": {**metadata(change.before)}}
                metadata(gone)["resourceVersion"] = str(change.revision)
            self._event("DELETED", watched.shape(gone))

    def _bookmark(self) -> None:
        mark = self._watched.bookmark()
        mark["metadata"] = {"resourceVersion": str(max(self._seen, self._store.revision))}
        self._event("BOOKMARK", self._watched.shape(mark))
        self._calls["bookmark"] = self._clock.callLater(BOOKMARK_SECONDS, self._bookmark)

    def _event(self, kind: str, obj: Object) -> None:
        self._request.write(dumps({"type": kind, "object": obj}) + b"\n")

    def finish(self) -> None:
        """End it, as after its time."""
        self._stop()
        self._request.finish()

    def _stop(self) -> None:
        self._running.discard(self)
        if self._cancel is not None:
            self._cancel()
            self._cancel = None
        for call in self._calls.values():
            if call.active():
                call.cancel()
        self._calls.clear()
