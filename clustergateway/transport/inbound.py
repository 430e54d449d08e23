"""One client's connection: reads heads strictly, one request at a time, and passes each to who serves it."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any
from typing import Protocol as Seam

from ..errors import BadRequest, GatewayError, RequestTimeout
from ..model.chunks import ChunkTracker
from ..model.http1 import HTTP10, RequestHead, RequestParser
from ..model.identity import Claims
from ..model.record import Record
from ..model.status import status_answer
from .exchange import Exchange
from .tls import can_half_close, certificates, is_broken, is_tls

if TYPE_CHECKING:
    from .channel import Gateway, GatewayChannel
    from .upgrade import Splice

LINGER = 5.0
"""Seconds for which what a client still sends is read and thrown away, so that it gets to read its answer."""

PARTING = 1.0
"""Seconds for an orderly end after that: stock TLS would wait for the other side's for as long as data comes."""


AT_A_TIME = 16
"""Pipelined requests of one connection that are served before others get their turn."""


class Phase(IntEnum):
    """Where a connection is in its life."""

    HANDSHAKE = 0
    READY = 1
    DECIDING = 2
    BODY = 3
    BUSY = 4
    RAW = 5
    LINGER = 6
    CLOSED = 7


# Plain numbers for the hot path.
_HANDSHAKE, _READY, _DECIDING, _BODY, _BUSY, _RAW, _LINGER, _CLOSED = (int(phase) for phase in Phase)


class Served(Seam):
    """Who serves a request: an L{Exchange}, or Twisted Web."""

    request_done: bool

    def decide(self) -> None: ...

    def launch(self) -> None: ...

    def body(self, data: bytes, payload: bytes) -> None: ...

    def body_done(self) -> None: ...

    def client_gone(self) -> None: ...

    def client_malformed(self, error: GatewayError) -> None: ...

    def client_ended(self) -> None: ...

    def client_slow(self) -> None: ...

    def client_ready(self) -> None: ...

    def check(self, now: float) -> None: ...


class Inbound:
    """
    @ivar slow: whether the client's socket is full.
    @ivar since: when the present phase began, or its last byte came.
    """

    __slots__ = (
        "_address",
        "_begun",
        "_buffer",
        "_certificates",
        "_channel",
        "_chunks",
        "_claims",
        "_head",
        "_held",
        "_left",
        "_parser",
        "_phase",
        "_pumping",
        "_retired",
        "_served",
        "_splice",
        "_table",
        "gateway",
        "since",
        "slow",
        "transport",
    )

    def __init__(self, channel: GatewayChannel, gateway: Gateway, transport: Any) -> None:
        self._channel = channel
        self.gateway = gateway
        self.transport = transport
        self._address: str = getattr(transport.getPeer(), "host", "")
        self._certificates: tuple[bytes | None, tuple[bytes, ...]] | None = None
        self._claims: Claims | None = None
        self._table = gateway.table()
        self._parser = RequestParser(gateway.limits, self._table)
        self._phase = _HANDSHAKE if is_tls(transport) else _READY
        self._buffer = b""
        self._begun = False
        self._head: RequestHead | None = None
        self._left = 0
        self._chunks: ChunkTracker | None = None
        self._served: Served | None = None
        self._splice: Splice | None = None
        self._pumping = False
        self._held = False
        self._retired = False
        self.slow = False
        self.since = gateway.seconds()

    def established(self) -> None:
        """The TLS handshake is over."""
        if self._phase == _HANDSHAKE:
            self._phase = _READY
            self.since = self.gateway.seconds()

    # Bytes from the client.

    def received(self, data: bytes) -> None:
        phase = self._phase
        if phase == _READY:
            if self._buffer:
                data = self._buffer + data
            self._buffer = data
            self._pump()
            # Complete requests that have to wait: for a client that reads no answers, or for others' turn.
            if (self.slow or self._pumping) and len(self._buffer) > self.gateway.limits.high_water:
                self.hold()
        elif phase == _RAW:
            assert self._splice is not None
            self._splice.from_client(data)
        elif phase == _BODY:
            self.since = self.gateway.seconds()
            self._read_body(data)
        elif phase in (_BUSY, _DECIDING):
            # Pipelined, or the rest of a body whose request is not decided yet.
            self._buffer += data
            if len(self._buffer) > self.gateway.limits.high_water:
                self.hold()

    def _pump(self) -> None:
        """
        Serve what the buffer holds, one request after the other, as long as each is over at once; but not so many that
        other clients have to wait.
        """
        if self._pumping:
            return
        self._pumping = True
        left = AT_A_TIME
        try:
            while self._phase == _READY and self._buffer and not self.slow and left:
                left -= 1
                if not self._next():
                    break
        finally:
            self._pumping = False
        if not left and self._buffer and self._phase == _READY:
            self._pumping = True
            self.gateway.later(self._pump_on)

    def _pump_on(self) -> None:
        self._pumping = False
        if self._phase == _READY:
            self._pump()

    def _next(self) -> bool:
        """
        @return: whether there was a complete head.
        """
        data = self._buffer
        gateway = self.gateway
        try:
            head = self._parser.parse(data)
        except GatewayError as error:
            self._refuse(error)
            return True
        if head is None:
            if not self._begun:
                # The first bytes of a head: from here on the clock runs.
                self._begun = True
                self.since = gateway.seconds()
            return False
        self._head = head
        self._begun = False
        size = head.size
        self._buffer = data[size:] if len(data) > size else b""
        self._phase = _DECIDING
        claims = self._claims
        if claims is None or claims.headers != head.identity or claims.forwarded != head.forwarded:
            claims = self._claim(head)
        if gateway.proxy.matches(head.target):
            served: Served = Exchange(self, head, claims)
        else:
            served = self._channel.local(self, head, claims)
        self._served = served
        served.decide()
        return True

    def _claim(self, head: RequestHead) -> Claims:
        if self._certificates is None:
            self._certificates = certificates(self.transport)
        leaf, chain = self._certificates
        self._claims = Claims(leaf, chain, head.identity, self._address, self._retired, head.forwarded)
        return self._claims

    def admitted(self) -> None:
        """The request will be served: its body may come."""
        head, served = self._head, self._served
        assert head is not None and served is not None
        if head.chunked:
            self._chunks = ChunkTracker(self.gateway.limits.trailers, BadRequest, self._table)
        elif head.content_length:
            self._left = head.content_length
        else:
            self._phase = _BUSY
            served.request_done = True
            served.launch()
            return
        self._phase = _BODY
        self.since = self.gateway.seconds()
        data, self._buffer = self._buffer, b""
        if data:
            self._read_body(data)
        if self._served is served:
            served.launch()
        self.go_on()

    def _read_body(self, data: bytes) -> None:
        served = self._served
        assert served is not None
        rest = b""
        done = False
        payload = data
        if self._chunks is not None:
            parts: list[bytes] = []
            try:
                end = self._chunks.feed(data, 0, parts)
            except GatewayError as error:
                served.client_malformed(error)
                return
            payload = b"".join(parts)
            if end >= 0:
                data, rest = data[:end], data[end:]
                self._chunks = None
                done = True
        else:
            left = self._left
            if len(data) >= left:
                data, rest = data[:left], data[left:]
                payload = data
                done = True
            self._left = left - len(data)
        if done:
            self._phase = _BUSY
            self._buffer = rest
        served.body(data, payload)
        if done and self._served is served:
            served.body_done()

    # The end of a request.

    def finished(self, keep: bool, request_done: bool) -> None:
        """
        The answer is written.

        @param keep: whether another request may follow.
        @param request_done: whether the request has been read to its end.
        """
        self._served = None
        self._head = None
        self._chunks = None
        self.since = self.gateway.seconds()
        if self._phase == _CLOSED:
            return
        if not keep or ((self.gateway.closing or self._retired) and not self._buffer):
            if request_done:
                self.close()
            else:
                self._linger()
            return
        self._phase = _READY
        if self._held and len(self._buffer) <= self.gateway.limits.high_water:
            self.go_on()
        if self._buffer:
            self._pump()

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def write_error(self, error: GatewayError, head: RequestHead | None, keep: bool) -> int:
        """
        @return: bytes of the answer's body.
        """
        http10 = head is not None and head.version == HTTP10
        head_only = head is not None and head.method == b"HEAD"
        answer = status_answer(error, keep_alive=keep, http10=http10, head_only=head_only)
        self.write(answer)
        return len(answer) - answer.index(b"\r\n\r\n") - 4

    def _refuse(self, error: GatewayError) -> None:
        """There is no request: what came is none, or none came in time."""
        gateway = self.gateway
        now = gateway.seconds()
        outcome = "timeout" if isinstance(error, RequestTimeout) else "refused"
        record = Record("", "", self.since, self._address, outcome=outcome, ended=now)
        record.failed_with(error, answered=True)
        record.bytes_out = self.write_error(error, None, keep=False)
        gateway.observe(record)
        self._linger()

    def _linger(self) -> None:
        """Say that no more is answered, and let the client finish what it sends: a closed socket would reset it."""
        self._phase = _LINGER
        self._buffer = b""
        self.since = self.gateway.seconds()
        if can_half_close(self.transport):
            self.transport.loseWriteConnection()
        self.go_on()

    def switched(self, splice: Splice) -> None:
        """The exchange has become a splice."""
        self._splice = splice
        self._phase = _RAW
        data, self._buffer = self._buffer, b""
        if data:
            splice.from_client(data)
        self.go_on()

    # Backpressure.

    def hold(self) -> None:
        """Read no more from the client for now."""
        self._held = True
        self.transport.pauseProducing()

    def hold_on(self) -> None:
        """Twisted Web reads on when it has served a request; not if there is enough to serve already."""
        if self._held:
            self.transport.pauseProducing()

    def go_on(self) -> None:
        """Read on."""
        if self._held:
            self._held = False
            self.since = self.gateway.seconds()
            self.transport.resumeProducing()

    def client_slow(self) -> None:
        self.slow = True
        if self._served is not None:
            self._served.client_slow()

    def client_ready(self) -> None:
        self.slow = False
        if self._served is not None:
            self._served.client_ready()
        elif self._buffer and self._phase == _READY:
            self._pump()

    # Ends.

    def check(self, now: float) -> None:
        """Called about once a second."""
        phase = self._phase
        waited = now - self.since
        limits = self.gateway.limits
        if phase == _BUSY:
            if self._served is not None:
                self._served.check(now)
        elif phase == _READY:
            if self._buffer and not self.slow:
                if waited > limits.head_timeout:
                    self._refuse(RequestTimeout("the request head did not come in time"))
            elif waited > limits.idle_timeout:
                self.close()
        elif phase == _BODY and self._served is not None:
            if self._held:
                self._served.check(now)
            elif waited > limits.body_timeout:
                self._served.client_malformed(RequestTimeout("the request body did not come in time"))
        elif phase == _RAW:
            # Held because the cluster does not read: that the client is gone is then nowhere to be seen.
            if self._held and is_broken(self.transport):
                self.abort()
        elif phase == _HANDSHAKE:
            if waited > limits.handshake_timeout:
                self.abort()
        elif phase == _LINGER:
            if waited > LINGER + PARTING:
                self.abort()
            elif waited > LINGER:
                self._channel.loseConnection()
        elif phase == _CLOSED and waited > limits.body_timeout:
            self.abort()

    def end_when_idle(self) -> None:
        """The gateway is shutting down: this connection takes no further request."""
        if self._phase in (_HANDSHAKE, _READY) and not self._buffer:
            self.close()

    def retire(self) -> None:
        """
        The connection shows what was asked for at its beginning, which is not what is asked for now: end it soon. One
        that is as good as new is about to be used, and gets an answer first.
        """
        self._retired = True
        if self._phase == _READY and self._claims is not None and not self._buffer:
            self.close()

    def ended(self) -> None:
        """The client will send no more, but may still read. Only an upgraded connection goes on like that."""
        if self._phase == _RAW and self._served is not None:
            self._served.client_ended()
        else:
            self.abort()

    def close(self) -> None:
        """Close when all is written."""
        if self._phase != _CLOSED:
            self._phase = _CLOSED
            self.since = self.gateway.seconds()
            self._channel.loseConnection()

    def abort(self) -> None:
        """Cut the connection, so that the client cannot take it for an orderly end."""
        self._phase = _CLOSED
        self.transport.abortConnection()

    def lost(self) -> None:
        """The connection is gone."""
        self._phase = _CLOSED
        self._buffer = b""
        served, self._served = self._served, None
        if served is not None:
            served.client_gone()
        # Nothing of a closed connection waits for the garbage collector.
        del self._channel
