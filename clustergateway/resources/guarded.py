"""A resource that answers only those who may ask. Everything but the health pages is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.web.http import Request
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from ..errors import MethodNotAllowed, NotFound
from ..model.identity import Attributes, Identity
from ..model.requestinfo import parse_request_info
from .failure import serve

Guard = Callable[[Request, Attributes], "Identity | Deferred[Identity]"]
"""
Says who asks, if they may ask for this; else it raises a C{GatewayError}, or its Deferred fails with one.
"""


def attributes_of(request: Request) -> Attributes:
    """
    @raise BadRequest: the path cannot be understood.
    """
    path, _, query = request.uri.decode("latin-1").partition("?")
    return parse_request_info(request.method.decode("latin-1"), path, query)


class Guarded(Resource):
    """
    Asks the guard, then answers; whatever has no child of that name is a page that is not found, for whoever may know.

    @ivar methods: what it answers to; others are told so.
    """

    methods: tuple[bytes, ...] = (b"GET", b"HEAD")

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self.guard = guard

    def getChild(self, path: bytes, request: IRequest) -> IResource:
        return Missing(self.guard)

    def render(self, request: Request) -> int:
        serve(request, self._admit)
        return NOT_DONE_YET

    def _admit(self, request: Request) -> Any:
        admitted = self.guard(request, attributes_of(request))
        if isinstance(admitted, Deferred):
            return admitted.addCallback(lambda _: self._dispatch(request))
        return self._dispatch(request)

    def _dispatch(self, request: Request) -> Any:
        if request.method not in self.methods:
            request.setHeader(b"Allow", b", ".join(self.methods))
            raise MethodNotAllowed("the server does not allow this method on the requested resource")
        return self.answer(request)

    def answer(self, request: Request) -> Deferred[None] | None:
        """
        Answer a request that the guard has let pass.

        @return: C{None} if that is done, or goes on by itself.
        """
        raise NotImplementedError


class Missing(Guarded):
    """There is nothing here."""

    isLeaf = True
    methods = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS")

    def answer(self, request: Request) -> Deferred[None] | None:
        raise NotFound("the server could not find the requested resource")
