"""An answer's body, read to its end, but not without end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IResponse

from ..errors import HubUnavailable


class _Whole(Protocol):
    def __init__(self, most: int, progress: Callable[[], object]) -> None:
        self._most = most
        self._progress = progress
        self._parts: list[bytes] = []
        self._held = 0
        self._left = False
        self.finished: Deferred[bytes] = Deferred(self._leave)

    def _leave(self, _: Deferred[bytes]) -> None:
        self._left = True  # what hanging up causes is not the answer's fault
        hang_up(self.transport)

    def dataReceived(self, data: bytes) -> None:
        if self.finished.called:
            return
        self._progress()
        self._parts.append(data)
        self._held += len(data)
        if self._held > self._most:
            self.finished.errback(HubUnavailable("The hub's answer is too large.", hop="hub"))
            hang_up(self.transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.finished.called or self._left:
            return
        # An answer that neither says its length nor is chunked may be whole or not; a JSON document shows it.
        if reason.check(ResponseDone, PotentialDataLoss):
            self.finished.callback(b"".join(self._parts))
        else:
            self.finished.errback(HubUnavailable("The hub's answer broke off.", hop="hub", retry_after=1))


def read_body(response: IResponse, most: int, progress: Callable[[], object] = lambda: None) -> Deferred[bytes]:
    """
    @param most: bytes.
    @param progress: called for each piece of it.
    @return: fires with the body; cancelling it closes the connection.
    @raise HubUnavailable: (the Deferred fails with it) it broke off, or is larger.
    """
    receiver = _Whole(most, progress)
    response.deliverBody(receiver)
    return receiver.finished


def hang_up(transport: Any) -> None:
    """
    Close the connection that a body comes over, whether or not its other end is still alive.

    C{loseConnection} would have TLS say goodbye and wait for the answer, which from a dead end never comes.
    """
    if transport is not None:
        cast("IPushProducer", transport).stopProducing()
