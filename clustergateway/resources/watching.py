"""
A watch: each change of a collection as a line of JSON, for as long as client and server like.

A watch keeps no queue. It remembers how far it has come, and reads on from the history that all watches share whenever
its client can take more. One that falls so far behind that the history has gone is told to list again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from twisted.internet.interfaces import IDelayedCall, IPushProducer, IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import Request
from zope.interface import implementer

from ..errors import Expired, GatewayError
from ..model.forms import Form, event_line
from ..model.listoptions import ListOptions
from ..model.negotiation import JSON
from ..model.paging import selects
from ..model.rendered import Rendered
from ..model.status import status_bytes
from ..model.watchcache import Change
from .answer import UNCACHED, content_type
from .view import Collection

BATCH = 65536
"""Bytes after which a write is made; what a client that stops reading costs us at most, beside its socket's buffer."""
BOOKMARK_INTERVAL = 60.0
SHORTEST = 1800.0
"""Seconds that a watch lasts if the client does not say how long, as in kube-apiserver up to twice that."""

_serial = count()


@implementer(IPushProducer)
class Watch:
    """
    One client's watch. It ends itself: when the client goes, when time is up, when it fell behind, or when the gateway
    is about to go.

    @ivar position: all changes up to this version are sent, or need not be.
    """

    def __init__(
        self, request: Request, collection: Collection, form: Form, options: ListOptions, clock: IReactorTime
    ) -> None:
        self._request = request
        self._collection = collection
        self._form = form
        self._options = options
        self._clock = clock
        self._paused = False
        self._ended = False
        self._headers = True
        self._lines: Iterator[bytes] = iter(())
        self._timers: list[IDelayedCall] = []
        self.position = 0

    def start(self) -> None:
        """Send the head of the answer and whatever there is to send."""
        request = self._request
        self._head()
        if request.method == b"HEAD":
            request.finish()
            return
        self._place()
        self._unsubscribe = self._collection.subscribe(self._pump, self._end)
        request.notifyFinish().addErrback(self._gone)
        lasts = self._options.timeout or SHORTEST + next(_serial) * 61.0 % SHORTEST
        self._timers.append(self._clock.callLater(lasts, self._end))
        if self._options.bookmarks:
            self._timers.append(self._clock.callLater(BOOKMARK_INTERVAL, self._bookmark_now_and_then))
        request.registerProducer(self, True)
        self._pump()
        if self._collection.closed:
            self._end()

    def refuse(self, error: GatewayError) -> None:
        """A watch that cannot begin, for a reason that kube-apiserver tells as the only event of one."""
        self._head()
        if self._request.method != b"HEAD":
            self._request.write(event_line("ERROR", status_bytes(error)))
        self._request.finish()

    def _head(self) -> None:
        for name, value in (content_type(JSON), UNCACHED):
            self._request.setHeader(name, value)
        self._request.write(b"")  # sends the head: the client waits for it even if nothing ever happens

    def pauseProducing(self) -> None:
        self._paused = True

    def resumeProducing(self) -> None:
        self._paused = False
        self._pump()

    def stopProducing(self) -> None:
        self._stop()

    def _place(self) -> None:
        """
        Where to begin. Without a version that is the present, after what there is; with one it is there. One that is
        yet to come was given out by another replica that is ahead of this one.
        """
        options = self._options
        self.position = self._collection.cache.version
        version = options.version or 0
        initial = version == 0 if options.send_initial_events is None else options.send_initial_events
        if initial:
            self._lines = self._initial(self._collection.cache.list(), self.position)
        elif version:
            self.position = version

    def _initial(self, items: Sequence[Rendered], version: int) -> Iterator[bytes]:
        for item in items:
            if selects(self._options, item):
                yield self._event("ADDED", item)
        if self._options.send_initial_events and self._options.bookmarks:
            yield self._event("BOOKMARK", self._form.bookmark(version, initial_events_end=True))

    def _changes(self, changes: Iterable[Change[Rendered]]) -> Iterator[bytes]:
        """What a change means to one who sees only what is selected."""
        for change in changes:
            now = change.type != "DELETED" and selects(self._options, change.value)
            before = change.previous is not None and selects(self._options, change.previous)
            if now or before:
                kind = "DELETED" if not now else "MODIFIED" if before else "ADDED"
                yield self._event(kind, change.value)

    def _event(self, kind: str, item: Rendered) -> bytes:
        headers, self._headers = self._headers, False
        return self._form.event(kind, item, headers)

    def _pump(self) -> None:
        """Send what is there, until it is sent or the client needs a pause."""
        try:
            while not self._paused and not self._ended:
                batch = self._batch()
                if not batch:
                    return
                self._request.write(batch)
        except Expired as error:
            self._request.write(event_line("ERROR", status_bytes(error)))
            self._finish()

    def _batch(self) -> bytes:
        """
        @raise Expired: the changes to be sent next are forgotten.
        """
        lines: list[bytes] = []
        size = 0
        while size < BATCH:
            line = next(self._lines, b"")
            if line:
                lines.append(line)
                size += len(line)
                continue
            changes = self._collection.cache.since(self.position)
            if not changes:
                break
            self._lines = self._changes(changes)
            self.position = changes[-1].version
        return b"".join(lines)

    def _bookmark_now_and_then(self) -> None:
        self._timers[-1] = self._clock.callLater(BOOKMARK_INTERVAL, self._bookmark_now_and_then)
        self._bookmark()

    def _bookmark(self) -> None:
        """Not to a client that is behind: it has not seen what the bookmark would vouch for."""
        if not self._paused:
            self._request.write(self._event("BOOKMARK", self._form.bookmark(self.position, initial_events_end=False)))

    def _end(self) -> None:
        """In an orderly way, at a point where the client can go on with another watch."""
        if not self._ended and self._options.bookmarks:
            self._bookmark()
        self._finish()

    def _finish(self) -> None:
        if not self._ended:
            self._stop()
            self._request.unregisterProducer()
            self._request.finish()

    def _gone(self, _: Failure) -> None:
        self._stop()

    def _stop(self) -> None:
        self._ended = True
        self._unsubscribe()
        for timer in self._timers:
            if timer.active():
                timer.cancel()
