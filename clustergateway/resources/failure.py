"""How a request fails: every error becomes a metav1.Status, and an unexpected one says nothing about our insides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import Request

from ..errors import GatewayError
from ..model.status import status_bytes, status_headers
from .answer import send

log = Logger()


def serve(request: Request, work: Callable[[Request], Any]) -> None:
    """
    Have a request answered, at once or later. If the client goes away meanwhile, what was begun is cancelled.

    @param work: answers the request, and returns or fires when it has done so; C{GatewayError}s become answers.
    """
    client_is_there = True
    working = maybeDeferred(work, request)

    def gone(_: Failure) -> None:
        nonlocal client_is_there
        client_is_there = False
        working.cancel()

    def failed(failure: Failure) -> None:
        if client_is_there:
            fail(request, failure)

    if not request.finished:
        request.notifyFinish().addErrback(gone)
    working.addErrback(failed)


def fail(request: Request, failure: Failure) -> None:
    """Answer with what went wrong. If an answer has begun, it is broken off, so that nobody takes it for whole."""
    error = failure.value
    record = getattr(request, "record", None)
    if not isinstance(error, GatewayError):
        log.failure("a request could not be answered", failure)
        error = GatewayError("the gateway failed on this request; its log says how")
        if record is not None:
            record.outcome = "panic"
    if record is not None:
        record.failed_with(error, answered=not request.startedWriting)
    if request.startedWriting:
        request.loseConnection()
        return
    send(request, status_bytes(error), headers=status_headers(error), code=error.code)
