"""
The HTTP side that clients see: Twisted Web's channel and site with our own reading in front. The only file that knows
how they work inside.

Every head is read by our parser, and no request reaches Twisted Web that it does not accept.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IDelayedCall,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IReactorTime,
)
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web import http, server
from twisted.web.resource import IResource
from zope.interface import implementer

from ..errors import GatewayError
from ..model import http1
from ..model.headers import FieldTable
from ..model.http1 import RequestHead
from ..model.identity import Claims
from ..model.record import Record
from ..model.status import status_bytes, status_headers
from ..settings import Limits
from .inbound import Inbound
from .local import Local

if TYPE_CHECKING:
    from ..interfaces import Observer, Proxy, Tap

_log = Logger()
_SWEEP = 1.0


class Gateway:
    """
    What all connections of one site share.

    @ivar closing: whether connections end after their present request.
    @ivar seconds: the clock.
    """

    def __init__(
        self,
        proxy: Proxy,
        observer: Observer,
        limits: Limits,
        clock: IReactorTime,
        table: Callable[[], FieldTable],
    ) -> None:
        self.proxy = proxy
        self.limits = limits
        self.table = table
        self.seconds = clock.seconds
        self._clock = clock
        self.closing = False
        self._observer = observer

    def later(self, call: Callable[[], object]) -> None:
        """Call it when others have had their turn."""
        self._clock.callLater(0, call)

    def observe(self, record: Record) -> None:
        """A request is over. An observer that fails harms nobody."""
        try:
            self._observer.finished(record)
        except Exception:
            _log.failure("an observer failed")


class GatewayRequest(server.Request):
    """
    A request for a resource that is not proxied.

    @ivar claims: what its client shows for its identity.
    @ivar record: shown to the observers when it is over; who knows more fills it in.
    @ivar head: as it was read.
    """

    claims: Claims = Claims()
    record: Record | None = None
    head: RequestHead | None = None
    _tap: Tap | None = None

    def watch(self, tap: Tap) -> None:
        """Show it the request's body, and whatever is answered from now on."""
        self._tap = tap
        if self.content is not None:
            tap.request_data(self.content.read())
            self.content.seek(0)

    def write(self, data: bytes) -> None:
        begins = not self.startedWriting
        super().write(data)
        if self._tap is not None and self.record is not None and self.startedWriting:
            if begins:
                self.record.code = self.code
                self._tap.response_head(self.code, self._lead())
            if self.method != b"HEAD":
                self._tap.response_data(data)

    def _lead(self) -> bytes:
        """The head of the answer, as far as it says what the body is."""
        fields = self.responseHeaders.getAllRawHeaders()
        lines = [b"%s: %s" % (name, value) for name, values in fields for value in values]
        return b"\r\n".join([b"HTTP/1.1 %d" % self.code, *lines, b"", b""])

    def _handleStar(self) -> None:
        """C{OPTIONS *} is a request as any other: Twisted Web would answer it whoever asks."""
        assert self.site is not None
        self.render(self.site.resource)

    def processingFailed(self, reason: Failure) -> Failure:
        """A resource raised: one of our errors is an answer, anything else is a fault of ours."""
        error = reason.value
        if not isinstance(error, GatewayError):
            _log.failure("a resource failed", reason)
            error = GatewayError("the gateway failed; its log says how")
            if self.record is not None:
                self.record.outcome = "panic"
        if self.record is not None:
            self.record.failed_with(error, answered=not self.startedWriting)
        if self._disconnected:
            return reason
        if self.startedWriting:
            cast("GatewayChannel", self.channel).inbound.abort()
            return reason
        body = status_bytes(error)
        self.setResponseCode(error.code)
        for name, value in status_headers(error):
            self.setHeader(name, value)
        self.setHeader(b"Content-Length", b"%d" % len(body))
        if self.method != b"HEAD":
            self.write(body)
        self.finish()
        return reason


@implementer(IHandshakeListener, IHalfCloseableProtocol)
class GatewayChannel(http.HTTPChannel):
    """
    @ivar inbound: reads this connection.
    """

    inbound: Inbound
    site: GatewaySite
    _local: Local | None = None

    def connectionMade(self) -> None:
        super().connectionMade()
        limits = self.site.gateway.limits
        self.MAX_LENGTH = self.totalHeadersSize = limits.head + limits.target
        self.maxHeaders = limits.fields + 4
        self.inbound = Inbound(self, self.site.gateway, self.transport)
        # One call less for each piece of data; Twisted Web's own reading is called by serve() alone.
        self.dataReceived = self.inbound.received  # type: ignore[method-assign]
        self.site.connected(self)

    def handshakeCompleted(self) -> None:
        self.inbound.established()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        try:
            self.inbound.lost()
        finally:
            # Whatever else goes wrong: a shutdown waits for this.
            self.site.disconnected(self)
        super().connectionLost(reason)
        del self.dataReceived

    def readConnectionLost(self) -> None:
        self.inbound.ended()

    def writeConnectionLost(self) -> None:
        pass

    # As the transport's producer.

    def pauseProducing(self) -> None:
        self.inbound.client_slow()

    def resumeProducing(self) -> None:
        if self._waitingForTransport:
            super().resumeProducing()
            self.inbound.hold_on()
        self.inbound.client_ready()

    def web_slow(self) -> None:
        """The socket is full while Twisted Web serves a request."""
        super().pauseProducing()

    # Requests for Twisted Web.

    def local(self, inbound: Inbound, head: RequestHead, claims: Claims) -> Local:
        """A request that is not proxied begins."""
        return Local(self, inbound, head, claims)

    def serve(self, wire: bytes, local: Local) -> None:
        """
        @param wire: exactly one request.
        """
        self._local = local
        super().dataReceived(wire)

    def prepare(self, request: GatewayRequest) -> None:
        """A request object was made: tell it who asks."""
        if self._local is not None:
            request.claims = self._local.claims
            request.record = self._local.record
            request.head = self._local.head
            self._local.request = request

    def requestDone(self, request: Any) -> None:
        local, self._local = self._local, None
        super().requestDone(request)
        self.inbound.hold_on()
        if local is not None:
            local.served(request, bool(self.persistent) and not self.site.gateway.closing)


class GatewaySite(server.Site):
    """
    A site whose proxied requests never become L{IRequest}s.

    @ivar gateway: what its connections share.
    """

    protocol = GatewayChannel  # type: ignore[assignment]
    noisy = False

    def __init__(
        self,
        resource: IResource,
        proxy: Proxy,
        observer: Observer,
        limits: Limits,
        clock: IReactorTime,
        table: Callable[[], FieldTable] = lambda: http1.TABLE,
    ) -> None:
        """
        @param resource: root of what is not proxied.
        @param table: gives what knows which header fields carry identity; asked for each connection.
        """
        super().__init__(resource, self._request, reactor=clock, timeout=None)
        self.gateway = Gateway(proxy, observer, limits, clock, table)
        self._clock = clock
        self._connections: set[GatewayChannel] = set()
        self._sweeping: IDelayedCall | None = None
        self._all_gone: list[Deferred[None]] = []

    @staticmethod
    def _request(channel: GatewayChannel, *args: Any, **kwargs: Any) -> GatewayRequest:
        request = GatewayRequest(channel, *args, **kwargs)
        channel.prepare(request)
        return request

    def log(self, request: Any) -> None:
        """Observers tell of requests; there is no access log besides."""

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._connections)

    def buildProtocol(self, addr: IAddress | None) -> Any:
        if len(self._connections) >= self.gateway.limits.connections or self.gateway.closing:
            return None
        return super().buildProtocol(addr)

    def connected(self, channel: GatewayChannel) -> None:
        """A client is there."""
        self._connections.add(channel)
        if self._sweeping is None:
            self._sweeping = self._clock.callLater(_SWEEP, self._sweep)

    def disconnected(self, channel: GatewayChannel) -> None:
        """A client is gone."""
        self._connections.discard(channel)
        if not self._connections:
            if self._sweeping is not None:
                self._sweeping.cancel()
                self._sweeping = None
            gone, self._all_gone = self._all_gone, []
            for waiting in gone:
                waiting.callback(None)

    def _sweep(self) -> None:
        """Every deadline of every connection, looked at once a second: cheaper than a timer for each."""
        self._sweeping = self._clock.callLater(_SWEEP, self._sweep)
        now = self._clock.seconds()
        for channel in list(self._connections):
            channel.inbound.check(now)

    def retire(self) -> None:
        """
        Close idle connections now, and each busy one when its request is over; new ones are welcome. For when other
        client certificates, or other header fields, mean something than when they were made: a client that was not
        asked for its certificate then cannot show it now.
        """
        for channel in list(self._connections):
            channel.inbound.retire()

    def begin_shutdown(self) -> Deferred[None]:
        """
        Close idle connections now, and each busy one when its request is over.

        @return: fires when all are closed.
        """
        self.gateway.closing = True
        for channel in list(self._connections):
            channel.inbound.end_when_idle()
        gone: Deferred[None] = Deferred()
        if self._connections:
            self._all_gone.append(gone)
        else:
            gone.callback(None)
        return gone

    def abort(self) -> None:
        """Cut all connections that are still there."""
        for channel in list(self._connections):
            channel.inbound.abort()
