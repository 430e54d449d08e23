"""One HTTP/1.1 connection to an endpoint, used for one request after the other."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from ..errors import GatewayError, UpstreamMalformed
from ..model import http1answer
from ..model.chunks import ChunkTracker
from ..model.http1answer import CHUNKED, UNTIL_CLOSE, ResponseHead, body_length, parse_response
from .failures import lost_error, orderly
from .tls import hang_up

if TYPE_CHECKING:
    from .exchange import Exchange
    from .pool import Pool


class Reading(IntEnum):
    """What the connection expects next from the endpoint."""

    NOTHING = 0
    HEAD = 1
    LENGTH = 2
    CHUNKS = 3
    REST = 4
    RAW = 5


MOST_INTERIM = 32
"""Answers of 1xx to one request that are passed on."""

_RECOGNISED = len(b"HTTP/1.")
"""Bytes of an answer by which it can be told from what is none."""

# Plain numbers for the hot path.
_NOTHING, _HEAD, _LENGTH, _CHUNKS, _REST, _RAW = (int(state) for state in Reading)


@implementer(IPushProducer, IHalfCloseableProtocol)
class Outbound(Protocol):
    """
    Reads answers, finds where each ends, and passes them to its exchange as they come.

    @ivar exchange: whose request this connection works on, C{None} while it is idle.
    @ivar reused: whether it has answered a request before.
    @ivar heard: whether any byte of the present answer has come.
    @ivar idle_since: when it was put into the pool.
    @ivar address: of the endpoint, for the record.
    """

    exchange: Exchange | None = None
    reused = False
    heard = False
    alive = False
    idle_since = 0.0
    address = ""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._limits = pool.limits
        self._reading = _NOTHING
        self._buffer = b""
        self._left = 0
        self._chunks: ChunkTracker | None = None
        self._interims = 0
        self._keep = True
        self._held = False

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.registerProducer(self, True)
        if hasattr(transport, "setTcpNoDelay"):
            transport.setTcpNoDelay(True)
        self.alive = True
        self.address = _address(transport.getPeer()) or self._pool.name

    def send(self, exchange: Exchange, request: bytes, *, held: bool) -> None:
        """
        Begin a request.

        @param request: its head, and as much of its body as there is.
        @param held: whether the client is too slow for an answer at the moment.
        """
        self.exchange = exchange
        self.heard = False
        self._interims = 0
        self._reading = _HEAD
        if held:
            self.hold()
        cast("Any", self.transport).write(request)

    def dataReceived(self, data: bytes) -> None:
        exchange = self.exchange
        reading = self._reading
        if exchange is None:
            # Nobody asked.
            self.discard()
            return
        try:
            if reading == _HEAD:
                self.heard = True
                self._read_head(data, exchange)
            elif reading == _LENGTH:
                self._read_length(data, exchange)
            elif reading == _CHUNKS:
                self._read_chunks(data, exchange)
            elif reading == _REST:
                exchange.answer_data(data, data)
            else:
                exchange.upgraded_data(data)
        except GatewayError as error:
            self.exchange = None
            self.discard()
            exchange.upstream_failed(error)

    def _read_head(self, data: bytes, exchange: Exchange) -> None:
        if self._buffer:
            before = len(self._buffer)
            data = self._buffer + data
            self._buffer = b""
            if before >= _RECOGNISED and len(data) <= self._limits.head and data.find(b"\r\n\r\n", before - 3) < 0:
                # A head that comes a byte at a time is not looked at as a whole for each.
                self._buffer = data
                return
        head = parse_response(data, self._limits)
        if head is None:
            self._buffer = data
            return
        if head.code < 200:
            self._interim(head, data, exchange)
            return
        if head.code == 401 and exchange.rejected(data[head.size :]):
            self.exchange = None
            self.discard()
            exchange.retry_rejected()
            return
        length = body_length(exchange.head.method, head)
        self._keep = head.keep_alive and length != UNTIL_CLOSE
        lead = exchange.answer_head(head, length)
        if length >= 0:
            self._begin_length(data, head.size, length, lead, exchange)
            return
        if lead is None:
            lead = data[: head.size]
        rest = data[head.size :]
        exchange.answer_lead(lead)
        if length == CHUNKED:
            self._reading = _CHUNKS
            self._chunks = ChunkTracker(self._limits.trailers, UpstreamMalformed, http1answer.TABLE)
            if rest:
                self._read_chunks(rest, exchange)
        else:
            self._reading = _REST
            if rest:
                exchange.answer_data(rest, rest)

    def _interim(self, head: ResponseHead, data: bytes, exchange: Exchange) -> None:
        rest = data[head.size :]
        if head.code == 101:
            if not exchange.head.upgrade or not exchange.request_done:
                raise UpstreamMalformed("the endpoint switched protocols without being asked to", hop="upstream")
            self._reading = _RAW
            exchange.switched(head)
            if rest:
                exchange.upgraded_data(rest)
            return
        self._interims += 1
        if self._interims > MOST_INTERIM:
            raise UpstreamMalformed("the endpoint answers nothing but 1xx", hop="upstream")
        exchange.interim(head)
        if rest:
            self._read_head(rest, exchange)

    def _begin_length(self, data: bytes, size: int, length: int, lead: bytes | None, exchange: Exchange) -> None:
        """The usual case: head and perhaps all of the body in one piece, which goes out in one piece."""
        end = size + length
        have = len(data)
        if have > end:
            # More than was asked for: the connection cannot be trusted with another request.
            data = data[:end]
            have = end
            self._keep = False
        exchange.answer_first(data if lead is None else lead + data[size:], have - size, data, size)
        if have < end:
            self._left = end - have
            self._reading = _LENGTH
        else:
            self._complete(exchange)

    def _read_length(self, data: bytes, exchange: Exchange) -> None:
        left = self._left - len(data)
        if left < 0:
            data = data[:left]
            left = 0
            self._keep = False
        self._left = left
        exchange.answer_data(data, data)
        if not left:
            self._complete(exchange)

    def _read_chunks(self, data: bytes, exchange: Exchange) -> None:
        assert self._chunks is not None
        payload: list[bytes] | None = [] if exchange.wants_payload else None
        end = self._chunks.feed(data, 0, payload)
        if 0 <= end < len(data):
            data = data[:end]
            self._keep = False
        exchange.answer_data(data, b"" if payload is None else b"".join(payload))
        if end >= 0:
            self._chunks = None
            self._complete(exchange)

    def _complete(self, exchange: Exchange) -> None:
        """The answer is over: first this connection is free again, then the client may send its next request."""
        self.exchange = None
        self._reading = _NOTHING
        if self._held:
            self.release()
        if self._keep and exchange.request_done and self.alive:
            self.reused = True
            self._pool.put_back(self)
        elif exchange.request_done:
            self.close()
        else:
            self.discard()
        exchange.complete()

    # Backpressure: this connection's socket is full, or its client's is.

    def pauseProducing(self) -> None:
        if self.exchange is not None:
            self.exchange.upstream_full()

    def resumeProducing(self) -> None:
        if self.exchange is not None:
            self.exchange.upstream_drained()

    def stopProducing(self) -> None:
        pass

    def hold(self) -> None:
        """Read no more: the client is slow."""
        self._held = True
        if self.alive:
            cast("Any", self.transport).pauseProducing()

    def release(self) -> None:
        """Read on."""
        self._held = False
        if self.alive:
            cast("Any", self.transport).resumeProducing()

    # Ends.

    def discard(self) -> None:
        """Close it now; it is not used again."""
        if self.alive:
            self.alive = False
            self._pool.gone(self)
            cast("Any", self.transport).abortConnection()

    def close(self) -> None:
        """Close it in an orderly way."""
        if self.alive:
            self.alive = False
            self._pool.gone(self)
            transport: Any = self.transport
            transport.unregisterProducer()
            hang_up(transport)

    def readConnectionLost(self) -> None:
        """The endpoint will send no more, but may still read."""
        if self._reading == _RAW and self.exchange is not None:
            self.exchange.upstream_ended()
        else:
            self.close()
            self._lost(connectionDone)

    def writeConnectionLost(self) -> None:
        pass

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.alive:
            self.alive = False
            self._pool.gone(self)
        self._lost(reason)

    def _lost(self, reason: Failure) -> None:
        exchange, self.exchange = self.exchange, None
        reading, self._reading = self._reading, _NOTHING
        if exchange is None:
            return
        if reading == _REST and orderly(reason):
            exchange.complete()
        elif reading == _RAW:
            exchange.upstream_closed(reason)
        elif reading == _HEAD:
            exchange.upstream_lost(self, lost_error(reason, self._pool.name))
        else:
            exchange.upstream_failed(lost_error(reason, self._pool.name))


def _address(peer: Any) -> str:
    """HOST:PORT of the other end, C{""} if it has none. A tunnel's is a name, every other an IP address."""
    host = getattr(peer, "host", "") or getattr(peer, "hostname", b"").decode("ascii", "replace")
    if not host:
        return ""
    return f"[{host}]:{peer.port}" if ":" in host else f"{host}:{peer.port}"
