"""The objects of one kind: the list and watch of all of them, and each by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import Request
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource

from ..model.forms import OF_MANY, OF_ONE, form_of
from ..model.listoptions import parse_list_options
from ..model.negotiation import JSON, negotiate
from ..model.paging import list_page
from .answer import accept_of, query_of, send_object
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
        return One(self.guard, self._collection, path.decode("utf-8", "replace"), self._subresources)

    def answer(self, request: Request) -> None:
        values = query_of(request)
        options = parse_list_options(values)
        if options.watch:
            wanted = negotiate(accept_of(request), OF_ONE, (JSON,))
            form = form_of(self._collection.kind, wanted.transform, values)
            Watch(request, self._collection, form, options, self._clock).start()
            return
        wanted = negotiate(accept_of(request), OF_MANY)
        form = form_of(self._collection.kind, wanted.transform, values)
        send_object(request, form.many(list_page(self._collection.cache, options)), wanted)


class One(Guarded):
    """C{/apis/GROUP/VERSION/PLURAL/NAME}."""

    def __init__(
        self, guard: Guard, collection: Collection, name: str, subresources: Subresources | None = None
    ) -> None:
        super().__init__(guard)
        self.collection = collection
        self.name = name
        self._subresources = subresources or {}

    def getChild(self, path: bytes, request: IRequest) -> IResource:
        make = self._subresources.get(path)
        return make(self.name) if make else super().getChild(path, request)

    def answer(self, request: Request) -> Deferred[None] | None:
        wanted = negotiate(accept_of(request), OF_ONE)
        form = form_of(self.collection.kind, wanted.transform, query_of(request))
        send_object(request, form.one(self.collection.get(self.name)), wanted)
        return None
