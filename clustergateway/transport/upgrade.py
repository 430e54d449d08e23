"""What an exchange becomes after 101 (Switching Protocols): bytes in both directions, not looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from .tls import can_half_close

if TYPE_CHECKING:
    from ..interfaces import Tap
    from ..model.record import Record
    from .inbound import Inbound
    from .outbound import Outbound


class Splice:
    """
    Two connections, each writing what the other reads. Backpressure is that of the exchange it came from.

    One direction may end before the other (half-close) if both transports can say so: TLS can, with close_notify.
    """

    __slots__ = ("_client_ended", "_inbound", "_outbound", "_record", "_tap", "_upstream_ended")

    def __init__(self, inbound: Inbound, outbound: Outbound, record: Record, tap: Tap | None) -> None:
        self._inbound = inbound
        self._outbound = outbound
        self._record = record
        self._tap = tap
        self._client_ended = False
        self._upstream_ended = False

    def from_client(self, data: bytes) -> None:
        self._record.bytes_in += len(data)
        if self._tap is not None:
            self._tap.request_data(data)
        transport: Any = self._outbound.transport
        transport.write(data)

    def from_upstream(self, data: bytes) -> None:
        self._record.bytes_out += len(data)
        if self._tap is not None:
            self._tap.response_data(data)
        self._inbound.write(data)

    def client_ended(self) -> bool:
        """
        The client sends no more.

        @return: whether that is the end of both directions.
        """
        self._client_ended = True
        return self._upstream_ended or not _end(self._outbound.transport)

    def upstream_ended(self) -> bool:
        """Likewise the endpoint."""
        self._upstream_ended = True
        return self._client_ended or not _end(self._inbound.transport)


def _end(transport: object) -> bool:
    """
    Tell the other side that no more comes.

    @return: whether this transport can do that and stay open for reading.
    """
    if not can_half_close(transport):
        return False
    cast("Any", transport).loseWriteConnection()
    return True
