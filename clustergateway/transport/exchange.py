"""
One proxied request and its answer: a client's connection and an endpoint's, joined for as long as it takes.

Nothing is stored on the way but what came before there was a connection to send it on. When one side's socket is full
the other side's is not read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import GatewayError, RequestTimeout, UpstreamRejectedCredential, UpstreamTimeout
from ..model.http1 import RequestHead
from ..model.http1answer import ResponseHead, render
from .answering import Answering
from .failures import orderly
from .forward import Forward
from .upgrade import Splice

if TYPE_CHECKING:
    from ..model.identity import Claims
    from ..model.record import Record
    from .inbound import Inbound
    from .outbound import Outbound
    from .pool import Pool

# RFC 9110 section 9.2.2, as far as repeating one unasked is harmless.
_REPEATABLE = frozenset((b"GET", b"HEAD", b"OPTIONS"))

# Subresources whose answer may begin whenever something happens.
_OPEN_ENDED = frozenset(("log", "exec", "attach", "portforward", "proxy"))

_log = Logger()


class Exchange(Answering):
    """The whole of it: where the request goes, its connection there, and what can go wrong."""

    __slots__ = (
        "_connecting",
        "_deciding",
        "_outbound",
        "_over",
        "_pending",
        "_pending_size",
        "_sent",
        "_splice",
        "_was_rejected",
        "claims",
        "forward",
    )

    def __init__(self, inbound: Inbound, head: RequestHead, claims: Claims) -> None:
        super().__init__(inbound, head)
        self.claims = claims
        self.forward: Forward | None = None
        self._deciding: Deferred[Any] | None = None
        self._connecting = False
        self._outbound: Outbound | None = None
        self._pending: list[bytes] = []
        self._pending_size = 0
        self._sent: list[bytes] | None = None
        self._splice: Splice | None = None
        self._was_rejected = False
        self._over = False

    # The decision.

    def decide(self) -> None:
        """Ask where the request goes. C{inbound.admitted} or C{refused} follows, at once or later."""
        try:
            answer = self._inbound.gateway.proxy.decide(self.head, self.claims)
        except GatewayError as error:
            self._refused(error)
            return
        except Exception:
            self._broken(Failure())
            return
        if isinstance(answer, Forward):
            self._decided(answer)
        else:
            self._deciding = answer
            answer.addCallbacks(self._decided_later, self._not_decided)

    def _decided(self, forward: Forward) -> None:
        self.forward = forward
        record = self.record = forward.record
        record.decided = self._inbound.gateway.seconds()
        if forward.tap is not None:
            self._tap = forward.tap
            self._tap.bind(self.stop)
            self.wants_payload = True
        self._inbound.admitted()

    def _decided_later(self, forward: Forward) -> None:
        self._deciding = None
        if not self._over:
            self._decided(forward)

    def _not_decided(self, failure: Failure) -> None:
        self._deciding = None
        if self._over:
            return
        if isinstance(failure.value, GatewayError):
            self._refused(failure.value)
        else:
            self._broken(failure)

    def _refused(self, error: GatewayError) -> None:
        self.record = self._inbound.gateway.proxy.refused(self.head, self.claims, error)
        self.fail(error, "refused")

    def _broken(self, failure: Failure) -> None:
        _log.failure("a request could not be decided", failure)
        error = GatewayError("the gateway failed; its log says how")
        self.record = self._inbound.gateway.proxy.refused(self.head, self.claims, error)
        self.fail(error, "panic")

    # The request.

    def launch(self) -> None:
        """The decision is made, and as much of the body as has come was given to L{body}."""
        assert self.forward is not None
        if self._over:
            return
        self._connecting = True
        cast("Pool", self.forward.upstream).acquire(self, fresh=self.head.upgrade is not None)

    def take(self, outbound: Outbound) -> None:
        """Here is a connection: send what there is."""
        forward, record = self.forward, self.record
        assert forward is not None and record is not None
        self._connecting = False
        self._outbound = outbound
        record.endpoint = outbound.address
        record.reused = outbound.reused
        record.sent = self._inbound.gateway.seconds()
        pending = self._pending
        if pending:
            if self._pending_size <= self._inbound.gateway.limits.high_water:
                self._sent = pending  # kept in case the credential turns out to be bad
            self._pending = []
            request = b"".join([forward.head, *pending])
            self._inbound.go_on()
        else:
            request = forward.head
            self._sent = []
        outbound.send(self, request, held=self._inbound.slow)

    def connect_failed(self, error: GatewayError) -> None:
        """There is no connection."""
        self._connecting = False
        self.fail(error)

    def body(self, data: bytes, payload: bytes) -> None:
        """
        A piece of the request's body.

        @param data: to pass on.
        @param payload: the same without its framing.
        """
        assert self.record is not None
        self.record.bytes_in += len(payload)
        if self._tap is not None:
            self._tap.request_data(payload)
        if self._outbound is not None:
            self._sent = None
            cast("Any", self._outbound.transport).write(data)
            return
        self._pending.append(data)
        self._pending_size += len(data)
        if self._pending_size > self._inbound.gateway.limits.high_water:
            self._inbound.hold()

    def body_done(self) -> None:
        """The request is complete."""
        self.request_done = True

    def complete(self) -> None:
        """The endpoint has said all, and its connection is not ours any more."""
        if self._over:
            return
        self._outbound = None
        self.answer_over()
        self._finish("complete")
        self._inbound.finished(self.keep, self.request_done)

    # An answer of 401: not the client's credential is bad, but ours.

    def rejected(self, body: bytes) -> bool:
        """
        Whether an answer of 401 comes from the apiserver, and not from an application that it proxies for.

        @param body: the beginning of the answer's.
        """
        return cast("Record", self.record).subresource != "proxy" or b'"reason":"Unauthorized"' in body

    def retry_rejected(self) -> None:
        """The endpoint answered 401: ask for another credential, once, if the request can be sent again."""
        self._outbound = None
        forward = self.forward
        assert forward is not None
        ask = None if self._was_rejected else forward.rejected
        self._was_rejected = True
        try:
            answer = None if ask is None else ask()
        except GatewayError as error:
            self.fail(error)
            return
        if isinstance(answer, Deferred):
            self._deciding = answer
            answer.addCallbacks(self._try_again, self._not_replaced)
        else:
            self._try_again(answer)

    def _try_again(self, forward: Forward | None) -> None:
        self._deciding = None
        if self._over:
            return
        if forward is None or self._sent is None or not self.request_done or (self.head.has_body and not self._sent):
            cluster = cast("Record", self.record).cluster
            why = "it does not accept the credential that the gateway has for it (it answered 401)"
            self.fail(UpstreamRejectedCredential(why, cluster=cluster, hop="upstream"))
            return
        self.forward = forward
        self._pending = self._sent
        self._retry(fresh=True)

    def _not_replaced(self, failure: Failure) -> None:
        if not self._over and not isinstance(failure.value, GatewayError):
            _log.failure("a rejected credential could not be replaced", failure)
        self._try_again(None)

    def _retry(self, *, fresh: bool) -> None:
        assert self.forward is not None
        cast("Record", self.record).retries += 1
        self._connecting = True
        cast("Pool", self.forward.upstream).acquire(self, fresh=fresh)

    # Trouble upstream.

    @property
    def repeatable(self) -> bool:
        """May the request be sent again although nobody knows what became of it?"""
        return self.head.method in _REPEATABLE and not self.head.has_body and not self.head.upgrade

    def upstream_lost(self, outbound: Outbound, error: GatewayError) -> None:
        """
        The connection ended before the answer's head. A connection that had been idle may just have been stale: then a
        request that may be repeated is, on a new one (RFC 9110 section 9.2.2).
        """
        self._outbound = None
        if self.repeatable and outbound.reused and not outbound.heard:
            self._retry(fresh=True)
        else:
            self.fail(error)

    def upstream_failed(self, error: GatewayError) -> None:
        """The connection ended, or said nonsense, in the middle of an answer or before it."""
        self._outbound = None
        if not error.cluster:
            error.cluster = cast("Record", self.record).cluster
        error.hop = error.hop or "upstream"
        self.fail(error)

    def stop(self, error: GatewayError) -> None:
        """End because the gateway wants it to, in the middle of an answer or not."""
        record = self.record
        if record is None or self._over:
            return
        record.outcome = "refused"
        parting = b"" if self._splice is None or self._tap is None else self._tap.parting(error)
        if not parting:
            self.fail(error)
            return
        self._let_go()
        record.failed_with(error, answered=False)
        record.bytes_out += len(parting)
        self._inbound.write(parting)
        self._finish("refused")
        self._inbound.finished(keep=False, request_done=False)

    def fail(self, error: GatewayError, outcome: str = "refused") -> None:
        """End with an error of ours: as an answer, or if one has begun already, by cutting the connection."""
        if self._over:
            return
        self._let_go()
        record = self.record
        if record is not None:
            record.failed_with(error, answered=not self.answered)
        if self.answered:
            self._finish("timeout" if isinstance(error, (UpstreamTimeout, RequestTimeout)) else "upstream-gone")
            self._inbound.abort()
            return
        keep = self.keep and self.request_done and not self._inbound.gateway.closing
        if not self.head.has_body:
            keep = self.keep and not self._inbound.gateway.closing
        if isinstance(error, (UpstreamTimeout, RequestTimeout)):
            outcome = "timeout"
        size = self._inbound.write_error(error, self.head, keep)
        if record is not None:
            record.bytes_out = size
        self._finish(outcome)
        self._inbound.finished(keep, self.request_done or not self.head.has_body)

    # Trouble with the client.

    def client_gone(self) -> None:
        """The client's connection is lost."""
        if self._over:
            return
        closing = self._inbound.gateway.closing
        self._let_go()
        if self.record is None:
            error = GatewayError("the client went away")
            self.record = self._inbound.gateway.proxy.refused(self.head, self.claims, error)
            # Nobody was refused, or told anything.
            self.record.reason, self.record.refusal = "", None
        if not self.answered:
            self.record.code = 0
        # Whoever upgraded a connection decides when it is over; usually the client does.
        self._finish("complete" if self._splice else "shutdown" if closing else "client-gone")

    def client_malformed(self, error: GatewayError) -> None:
        """The request's body is malformed, or does not come any more."""
        self.keep = False
        self.fail(error)

    def check(self, now: float) -> None:
        """Called about once a second while it is the endpoint's turn: to answer, or to take more of the request."""
        record = self.record
        timeout = self._inbound.gateway.limits.answer_timeout
        if self._outbound is None or self.answered or self._splice or record is None or not timeout:
            return
        since = max(record.sent, self._inbound.since)
        if now - since <= timeout or self.head.upgrade or record.subresource in _OPEN_ENDED:
            return
        self.fail(UpstreamTimeout("no answer in time", cluster=record.cluster, hop="upstream"))

    def _let_go(self) -> None:
        """Forget the upstream side, whatever its state."""
        if self._deciding is not None:
            deciding, self._deciding = self._deciding, None
            self._over = True
            deciding.cancel()
            self._over = False
        if self._connecting:
            self._connecting = False
            cast("Pool", cast("Forward", self.forward).upstream).stop_waiting(self)
        outbound, self._outbound = self._outbound, None
        if outbound is not None:
            outbound.exchange = None
            outbound.discard()

    def _finish(self, outcome: str) -> None:
        """Tell who wants to know, once."""
        if self._over:
            return
        self._over = True
        self._pending = []
        record = self.record
        assert record is not None
        record.outcome = record.outcome or outcome
        record.ended = self._inbound.gateway.seconds()
        if self._tap is not None:
            self._tap.ended()
        self._inbound.gateway.observe(record)

    # Backpressure.

    def client_slow(self) -> None:
        """The client's socket is full."""
        if self._outbound is not None:
            self._outbound.hold()

    def client_ready(self) -> None:
        """It is not any more."""
        if self._outbound is not None:
            self._outbound.release()

    def upstream_full(self) -> None:
        """The endpoint's socket is full."""
        self._inbound.hold()

    def upstream_drained(self) -> None:
        """It is not any more."""
        self._inbound.go_on()

    # After 101.

    def switched(self, head: ResponseHead) -> None:
        """The endpoint agreed to switch protocols: from now on there are only bytes, both ways."""
        outbound, record = self._outbound, self.record
        assert outbound is not None and record is not None
        record.code = 101
        record.answered = self._inbound.gateway.seconds()
        record.upgrade = head.upgrade.decode("latin-1")
        self.answered = True
        self.keep = False
        lead = render(head, b"Connection: Upgrade", b"Upgrade: " + head.upgrade)
        if self._tap is not None:
            if self._tap.only_failures:
                self._tap = None
            else:
                self._tap.response_head(101, lead)
        self._splice = Splice(self._inbound, outbound, record, self._tap)
        self._inbound.write(lead)
        self._inbound.switched(self._splice)

    def upgraded_data(self, data: bytes) -> None:
        """Bytes from the endpoint after 101."""
        cast("Splice", self._splice).from_upstream(data)

    def upstream_ended(self) -> None:
        """The endpoint will send no more bytes, but may still read."""
        if cast("Splice", self._splice).upstream_ended():
            self.upstream_closed(None)

    def client_ended(self) -> None:
        """Likewise the client."""
        if self._splice is None or self._splice.client_ended():
            self._inbound.close()

    def upstream_closed(self, reason: Failure | None) -> None:
        """The endpoint closed an upgraded connection."""
        if self._over:
            return
        self._let_go()
        clean = reason is None or orderly(reason)
        self._finish("complete" if clean else "upstream-gone")
        if clean:
            self._inbound.finished(keep=False, request_done=True)
        else:
            self._inbound.abort()
