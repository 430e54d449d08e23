"""The objects of one kind: the list and watch of all of them, and each by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource

from ..errors import BadRequest, ResourceVersionTooLarge
from ..model.forms import OF_MANY, OF_ONE, form_of
from ..model.listoptions import ListOptions, parse_list_options, parse_wanted_version
from ..model.negotiation import JSON, negotiate
from ..model.paging import list_page
from ..model.query import Values
from .answer import accept_of, query_of, send_object
from .freshness import when_reached
from .guarded import Guard, Guarded, Missing
from .view import Collection
from .watching import Watch

Subresources = Mapping[bytes, Callable[[str], IResource]]
"""What is below an object, made for the object's name."""


class Many(Guarded):
    """C{/apis/GROUP/VERSION/PLURAL}: list and watch."""

    def __init__(
        self, guard: Guard, collection: Collection, clock: IReactorTime, subresources: Subresources | None = None
    ) -> None:
        super().__init__(guard)
        self._collection = collection
        self._clock = clock
        self._subresources = subresources or {}

    def getChild(self, path: bytes, request: IRequest) -> IResource:
        if not path:
            return Missing(self.guard)
        return One(self.guard, self._collection, path.decode("utf-8", "replace"), self._clock, self._subresources)

    def answer(self, request: Request) -> Deferred[None] | None:
        values = query_of(request)
        options = parse_list_options(values)
        return self._watch(request, values, options) if options.watch else self._list(request, values, options)

    def _list(self, request: Request, values: Values, options: ListOptions) -> Deferred[None] | None:
        wanted = negotiate(accept_of(request), OF_MANY)
        form = form_of(self._collection.kind, wanted.transform, values)

        def send() -> None:
            send_object(request, form.many(list_page(self._collection.cache, options)), wanted)

        return when_reached(self._collection, options.version or 0, self._clock, send)

    def _watch(self, request: Request, values: Values, options: ListOptions) -> Deferred[None] | None:
        if (request.getHeader(b"upgrade") or b"").lower() == b"websocket":
            raise BadRequest("watches over WebSocket are not served here; watch without Upgrade")
        wanted = negotiate(accept_of(request), OF_ONE, (JSON,))
        form = form_of(self._collection.kind, wanted.transform, values)
        watch = Watch(request, self._collection, form, options, self._clock)

        def refuse(failure: Failure) -> None:
            if not isinstance(failure.value, ResourceVersionTooLarge):
                failure.raiseException()
            watch.refuse(failure.value)

        # Without initial events there is nothing that could be too old: what comes is newer.
        version = options.version or 0 if options.send_initial_events else 0
        waiting = when_reached(self._collection, version, self._clock, watch.start)
        return waiting and waiting.addErrback(refuse)


class One(Guarded):
    """C{/apis/GROUP/VERSION/PLURAL/NAME}."""

    def __init__(
        self,
        guard: Guard,
        collection: Collection,
        name: str,
        clock: IReactorTime,
        subresources: Subresources | None = None,
    ) -> None:
        super().__init__(guard)
        self.collection = collection
        self.name = name
        self._clock = clock
        self._subresources = subresources or {}

    def getChild(self, path: bytes, request: IRequest) -> IResource:
        make = self._subresources.get(path)
        return make(self.name) if make else super().getChild(path, request)

    def answer(self, request: Request) -> Deferred[None] | None:
        wanted = negotiate(accept_of(request), OF_ONE)
        values = query_of(request)
        form = form_of(self.collection.kind, wanted.transform, values)

        def send() -> None:
            send_object(request, form.one(self.collection.get(self.name)), wanted)

        return when_reached(self.collection, parse_wanted_version(values) or 0, self._clock, send)
