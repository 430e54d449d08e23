"""Where audit events go. Every sink says how many it wrote and how many it had to drop; none makes a request wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

_log = Logger()


class Sink(Protocol):
    """
    @ivar name: for metrics.
    @ivar written: events so far.
    @ivar dropped: likewise.
    """

    name: str
    written: int
    dropped: int

    def write(self, events: Sequence[str]) -> None:
        """
        Take some events, JSON without line ends. Returns at once and raises nothing.
        """
        ...

    def close(self) -> None:
        """Write what can be written now; no more comes."""
        ...


class StreamSink:
    """
    Lines to standard output. A reader that does not read holds the process up, as with all of its output: use a file or
    a webhook where that matters.
    """

    name = "stream"

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self.written = 0
        self.dropped = 0

    def write(self, events: Sequence[str]) -> None:
        try:
            self._write("".join([f"{each}\n" for each in events]))
        except OSError:
            self.dropped += len(events)
        else:
            self.written += len(events)

    def close(self) -> None:
        """Nothing is kept back."""


_LIST = '{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":['


class WebhookSink:
    """
    Events to a webhook, in batches (audit.k8s.io/v1 EventList). What waits is bounded: when the webhook is too slow or
    away the newest events are dropped and counted, and a batch is given up after some attempts.
    """

    name = "webhook"

    def __init__(
        self,
        post: Callable[[bytes], Deferred[int]],
        clock: IReactorTime,
        *,
        batch: int = 400,
        waiting: int = 10_000,
        largest: int = 64 << 20,
        wait: float = 1.0,
        attempts: int = 5,
    ) -> None:
        """
        @param post: sends a body; gives the status code of the answer.
        @param batch: most events in one request.
        @param waiting: most events not yet sent.
        @param largest: most characters of them; a batch has an eighth of that, or one event.
        @param wait: seconds for which a batch that is not full waits for more; after a failure twice as long each time.
        """
        self._post = post
        self._clock = clock
        self._batch = batch
        self._most = waiting
        self._largest = largest
        self._size = 0
        self._wait = wait
        self._attempts = attempts
        self._waiting: list[str] = []
        self._failed = 0
        self._busy = False
        self._closed = False
        self._next: IDelayedCall | None = None
        self.written = 0
        self.dropped = 0

    def write(self, events: Sequence[str]) -> None:
        for event in events:
            if len(self._waiting) < self._most and self._size + len(event) <= self._largest:
                self._waiting.append(event)
                self._size += len(event)
            else:
                self.dropped += 1
        if self._failed or self._busy:
            return
        if len(self._waiting) >= self._batch:
            self._send()
        elif self._next is None:
            self._next = self._clock.callLater(self._wait, self._send)

    def close(self) -> None:
        """One more batch is sent; what does not fit in is dropped."""
        self._closed = True
        if self._waiting and not self._busy:
            self._send()

    def _send(self) -> None:
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = None
        self._busy = True
        events = self._waiting[: self._fit()]
        body = f"{_LIST}{','.join(events)}]}}".encode("ascii")
        maybeDeferred(self._post, body).addBoth(self._answered, len(events))

    def _fit(self) -> int:
        """How many events go into one request."""
        size = 0
        for count, event in enumerate(self._waiting[: self._batch]):
            size += len(event)
            if count and size > self._largest // 8:
                return count
        return self._batch

    def _done(self, count: int) -> None:
        self._size -= sum(map(len, self._waiting[:count]))
        del self._waiting[:count]

    def _answered(self, result: int | Failure, count: int) -> None:
        self._busy = False
        if isinstance(result, int) and 200 <= result < 300:
            self.written += count
            self._failed = 0
            self._done(count)
        else:
            why = type(result.value).__name__ if isinstance(result, Failure) else f"it answered {result}"
            _log.error("audit webhook: {why}", why=why)
            self._failed += 1
            if self._failed >= self._attempts:
                self._failed = 0
                self.dropped += count
                self._done(count)
        if self._closed:
            self.dropped += len(self._waiting)
            self._done(len(self._waiting))
        elif self._waiting:
            full = len(self._waiting) >= self._batch and not self._failed
            self._next = self._clock.callLater(0 if full else self._wait * 2**self._failed, self._send)
