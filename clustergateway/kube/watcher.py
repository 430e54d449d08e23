"""Keeps up with a list in an apiserver: the moving parts of L{clustergateway.model.reflector}."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.protocol import Protocol as Receiver
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from ..errors import Expired, GatewayError, HubUnavailable, TooManyRequests
from ..model.reflector import Progress, reflector
from ..model.resourcetype import ResourceType
from ..model.watchstream import Event, WatchDecoder
from .body import hang_up
from .client import TIMEOUT, KubeClient, Object

LIST_TIMEOUT = 600.0
"""Seconds that a whole list may take. That it goes on at all is looked after page by page."""
WATCH_SECONDS = 300
"""The apiserver is asked to end a watch after one to two times this, by chance, so that not all end together."""
SILENCE = 90.0
"""
Seconds without a byte after which a watch is taken for dead. Apiservers send a bookmark about once a minute; where one
sends none, an idle watch is merely begun anew from where it was.
"""
DOUBT = 5.0
"""
Seconds without a byte after which a watch is doubted when a call to the same apiserver is not answered in time. The
call took longer than that; what was heard meanwhile is well.
"""
PROBE = 3.0
"""Seconds within which a watch has to be answered that is begun because the one before is silent."""
SETTLED = 1.0
"""
Seconds after which the beginning of a watch's answer is believed, if nothing comes after it. Whatever answers 200 to
everything shows sooner than that that it is no apiserver.
"""


class Follower(Protocol):
    """Who wants to know."""

    def replaced(self, items: list[Object], resource_version: str) -> None:
        """This is everything there is."""

    def changed(self, type: str, content: Object) -> None:
        """An object was C{ADDED}, C{MODIFIED} or C{DELETED}; in the last case this is how it was."""

    def reached(self, resource_version: str) -> None:
        """Nothing else changed up to this version."""

    def stale(self, error: GatewayError) -> None:
        """What was told before may be out of date; the reason may be another one each time."""

    def fresh(self) -> None:
        """The apiserver is being heard, perhaps again; what was missed is told. Called each time."""


class Watcher:
    """
    Tells a L{Follower} what there is, and every change of it, whatever happens to the apiserver or the way there.

    It never gives up. Its pauses grow to half a minute and are different each time.
    """

    _log = Logger()

    def __init__(
        self,
        client: KubeClient,
        kind: ResourceType,
        follower: Follower,
        clock: IReactorTime,
        chance: Callable[[], float],
        namespace: str = "",
        query: Sequence[tuple[str, str]] = (),
    ) -> None:
        """
        @param chance: draws from 0 to 1.
        @param namespace: C{""} for all.
        @param query: C{labelSelector} or C{fieldSelector}.
        """
        self._client = client
        self._kind = kind
        self._follower = follower
        self._clock = clock
        self._chance = chance
        self._namespace = namespace
        self._query = tuple(query)
        self._call: Deferred[None] | None = None
        self._body: _WatchBody | None = None
        self._timer: IDelayedCall | None = None
        self._probing = False
        self._believe: Callable[[], None] = _nothing
        self._machine = reflector(Progress(self, chance))

    def start(self) -> None:
        """Begin, once."""
        self._believe = self._client.pulse.on_missed(self._doubt)
        self._machine.start()

    def stop(self) -> None:
        """End; the follower hears no more."""
        self._believe()
        self._believe = _nothing
        self._machine.stop()

    def _doubt(self) -> None:
        """The apiserver leaves others without an answer. Is it there?"""
        if self._body is not None and self._body.doubtful:
            self._probe()

    def _probe(self) -> None:
        """Watch anew from where it was: no harm if all is well, and the quickest way to find out."""
        self._probing = True
        self._machine.silent()

    # What the machine has done.

    def list(self) -> None:
        self._begin(self._list())

    def watch(self, resource_version: str) -> None:
        self._begin(self._watch(resource_version))

    def wait(self, seconds: float) -> None:
        self._timer = self._clock.callLater(seconds, self._due)

    def abandon(self) -> None:
        body, self._body = self._body, None
        if body is not None:
            body.leave()
        if self._call is not None:
            self._call.cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self, work: Any) -> None:
        call: Deferred[None] = Deferred.fromCoroutine(work)
        if not call.called:
            self._call = call
            call.addBoth(self._over, call)
        call.addErrback(self._wrong)

    def _over(self, result: object, call: Deferred[None]) -> object:
        if self._call is call:  # the end of a list comes when its watch has begun
            self._call = None
        return result

    def _wrong(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("watching {resource} went wrong", failure, resource=self._kind.resource)

    def _due(self) -> None:
        self._timer = None
        self._machine.due()

    # List and watch.

    async def _list(self) -> None:
        call = Deferred.fromCoroutine(self._client.list(self._kind, self._namespace, self._query))
        call.addTimeout(LIST_TIMEOUT, self._clock, _too_slow)
        try:
            items, version = await call
            if not version:
                raise HubUnavailable("The hub's list has no resourceVersion.", hop="hub")
        except GatewayError as error:
            self._call = None
            self._fail(error)
            return
        self._call = None
        self._follower.fresh()
        self._follower.replaced(items, version)
        self._machine.listed(version)

    async def _watch(self, resource_version: str) -> None:
        query = (
            *self._query,
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("resourceVersion", resource_version),
            ("timeoutSeconds", str(int(WATCH_SECONDS * (1 + self._chance())))),
        )
        body = self._body = _WatchBody(self, self._clock)
        timeout, self._probing = (PROBE if self._probing else TIMEOUT), False
        try:
            await self._client.stream(self._kind.path(namespace=self._namespace), query, body, timeout)
        except (HubUnavailable, TooManyRequests) as error:
            self._fail(error)
        except GatewayError as error:
            # Any other answer means that going on from here is not possible: 410 above all.
            self._expire(error)

    def _fail(self, error: GatewayError) -> None:
        self._body = None
        self._follower.stale(error)
        self._machine.failed(float(error.retry_after or 0))

    def _expire(self, error: GatewayError) -> None:
        self._body = None
        if not isinstance(error, Expired):
            self._follower.stale(error)
        self._machine.expired()

    # What the body of a watch tells.

    def heard(self, body: _WatchBody) -> None:
        """The apiserver answers."""
        if body is self._body:
            self._follower.fresh()

    def event(self, body: _WatchBody, event: Event) -> None:
        """One event of it."""
        if body is not self._body:
            return
        if event.type == "BOOKMARK":
            self._follower.reached(event.resource_version)
        else:
            self._follower.changed(event.type, event.object)
        self._machine.progress(event.resource_version)

    def ended(self, body: _WatchBody, error: GatewayError | None) -> None:
        """It is over, and C{error} says why if it should not be."""
        if body is not self._body:
            return
        self._body = None
        if error is None:
            self._machine.ended()
        elif isinstance(error, (HubUnavailable, TooManyRequests)):
            self._fail(error)
        else:
            self._expire(error)

    def silent(self, body: _WatchBody) -> None:
        """Nothing came for too long."""
        if body is self._body:
            self._probe()


class _WatchBody(Receiver):
    """One watch's bytes: decoded, and timed."""

    def __init__(self, watcher: Watcher, clock: IReactorTime) -> None:
        self._watcher = watcher
        self._clock = clock
        self._decoder = WatchDecoder()
        self._silence: IDelayedCall | None = None
        self._settling: IDelayedCall | None = None
        self._last = 0.0
        self._left = False

    @property
    def doubtful(self) -> bool:
        """It has been answered, and been silent since, for some time."""
        return self._silence is not None and self._clock.seconds() - self._last >= DOUBT

    def leave(self) -> None:
        """Nobody listens any more."""
        self._left = True
        self._quiet()
        hang_up(self.transport)

    def connectionMade(self) -> None:
        if self._left:
            hang_up(self.transport)
            return
        self._last = self._clock.seconds()
        self._silence = self._clock.callLater(SILENCE, self._silent)
        self._settling = self._clock.callLater(SETTLED, self._settled)

    def dataReceived(self, data: bytes) -> None:
        if self._left:
            return
        self._last = self._clock.seconds()
        if self._silence is not None:
            self._silence.reset(SILENCE)
        _cancel(self._settling)
        self._settling = None  # from now on it is what comes that shows it
        try:
            events = self._decoder.feed(data)
            if events:
                self._watcher.heard(self)
            for event in events:
                self._watcher.event(self, event)
        except GatewayError as error:
            self._end(error)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._left:
            return
        self.transport = None  # there is nothing left to hang up
        if not reason.check(ResponseDone, PotentialDataLoss):
            self._end(HubUnavailable("The hub's watch broke off.", hop="hub"))
            return
        try:
            self._decoder.finish()
        except GatewayError as error:
            self._end(error)
        else:
            self._end(None)

    def _end(self, error: GatewayError | None) -> None:
        self.leave()
        self._watcher.ended(self, error)

    def _silent(self) -> None:
        self._silence = None
        self._watcher.silent(self)

    def _settled(self) -> None:
        self._settling = None
        self._watcher.heard(self)

    def _quiet(self) -> None:
        _cancel(self._silence)
        _cancel(self._settling)
        self._silence = self._settling = None


def _nothing() -> None: ...


def _cancel(timer: IDelayedCall | None) -> None:
    if timer is not None:
        timer.cancel()


def _too_slow(_: object, seconds: float) -> Any:
    raise HubUnavailable(f"The hub's list took longer than {seconds:g} s.", hop="hub")
