"""
"Not older than": a client may have seen, by way of another replica, what this one has yet to hear of. As in
kube-apiserver it waits for a moment.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from ..errors import ResourceVersionTooLarge
from .view import Collection

LONGEST = 3.0
"""Seconds until the client is told to come again."""
INTERVAL = 0.1


def when_reached(
    collection: Collection, version: int, clock: IReactorTime, answer: Callable[[], None]
) -> Deferred[None] | None:
    """
    Have C{answer} called when the collection is as new as C{version}: mostly now.

    @return: C{None} if it was; else to be cancelled if nobody waits any more.
    @raise ResourceVersionTooLarge: (the Deferred fails with it) it did not get there in time.
    @raise HubUnavailable: nobody knows how new it is.
    """
    if not collection.reached(version):
        return Deferred.fromCoroutine(_wait(collection, version, clock)).addCallback(lambda _: answer())
    answer()
    return None


async def _wait(collection: Collection, version: int, clock: IReactorTime) -> None:
    deadline = clock.seconds() + LONGEST
    while not collection.reached(version):
        if clock.seconds() >= deadline:
            raise ResourceVersionTooLarge(version, collection.cache.version)
        await deferLater(clock, INTERVAL)
