"""What the pipeline decides for one proxied request: where it goes, and the head that goes there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from ..interfaces import Tap, Upstream
    from ..model.record import Record


@dataclass(frozen=True, slots=True)
class Forward:
    """
    Send this request there.

    @ivar upstream: gives a connection to the cluster, for plain requests or (C{upgrade}) one kept out of the pool.
    @ivar head: the complete request head to send, from the request line to the blank line.
    @ivar record: told what happens.
    @ivar rejected: called once if the cluster answers 401, that is: our credential is bad. Gives (perhaps later) a
        L{Forward} to try instead when the request can be replayed, or C{None}; then the client gets a 502 that says so.
    @ivar tap: sees the bytes of both bodies as they pass (audit, session recording), C{None} for nobody.
    """

    upstream: Upstream
    head: bytes = field(repr=False)
    record: Record
    rejected: Callable[[], Forward | Deferred[Forward | None] | None] | None = None
    tap: Tap | None = None
