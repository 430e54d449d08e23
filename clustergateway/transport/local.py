"""One request that is not proxied, read whole before Twisted Web gets to see it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ..errors import GatewayError, PayloadTooLarge
from ..model.http1 import RequestHead
from ..model.identity import Claims
from ..model.record import Record
from .inbound import Inbound

if TYPE_CHECKING:
    from .channel import GatewayChannel, GatewayRequest

_REFRAMED = (b"content-length:", b"transfer-encoding:", b"expect:", b"connection:", b"upgrade:")

# Twisted Web reads forms before it asks any resource, and answers for them itself. No resource here takes one.
_FORM = re.compile(rb"content-type:[ \t]*(?:multipart/form-data|application/x-www-form-urlencoded)", re.IGNORECASE)


class Local:
    """A request that Twisted Web serves, once its whole body is there."""

    def __init__(self, channel: GatewayChannel, inbound: Inbound, head: RequestHead, claims: Claims) -> None:
        self._channel = channel
        self._inbound = inbound
        self._body: list[bytes] = []
        self._size = 0
        self._over = False
        self._served = False
        self.claims = claims
        self.head = head
        self.request: GatewayRequest | None = None
        self.request_done = False
        gateway = inbound.gateway
        self.record = Record(
            head.method.decode("ascii"),
            head.target.decode("ascii"),
            gateway.seconds(),
            claims.address,
            head.user_agent.decode("latin-1"),
            head.audit_id.decode("latin-1"),
        )

    def decide(self) -> None:
        limit = self._inbound.gateway.limits.body
        if (self.head.content_length or 0) > limit:
            self.client_malformed(PayloadTooLarge(f"the request body is larger than {limit} bytes"))
            return
        if self.head.expect_continue and self.head.has_body:
            self._inbound.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self._inbound.admitted()

    def launch(self) -> None:
        if self.request_done and not self._served:
            self._served = True
            self._channel.serve(self._wire(), self)

    def body(self, data: bytes, payload: bytes) -> None:
        self._size += len(payload)
        limit = self._inbound.gateway.limits.body
        if self._size > limit:
            self.client_malformed(PayloadTooLarge(f"the request body is larger than {limit} bytes"))
            return
        self._body.append(payload)

    def body_done(self) -> None:
        self.request_done = True
        self.launch()

    def _wire(self) -> bytes:
        """The request once more, in a form that cannot be misunderstood."""
        head = self.head
        body = b"".join(self._body)
        lines = [b"%s %s %s" % (head.method, head.target, head.version), b"Host: " + head.host]
        lines += [line for line in head.lines if not line.lower().startswith(_REFRAMED) and not _FORM.match(line)]
        lines += [b"%s: %s" % field for field in head.identity]
        if head.upgrade is not None:
            lines.append(b"Upgrade: " + head.upgrade)  # nothing here changes protocols, but some resource may say so
        if not head.keep_alive or self._inbound.gateway.closing:
            lines.append(b"Connection: close")
        if head.has_body:
            lines.append(b"Content-Length: %d" % len(body))
        self.record.bytes_in = len(body)
        return b"\r\n".join([*lines, b"", body])

    def served(self, request: GatewayRequest, keep: bool) -> None:
        """Twisted Web has written its answer."""
        self.record.code = request.code
        self.record.bytes_out = request.sentLength
        self._finish("complete" if request.code < 400 else "refused")
        self._inbound.finished(keep, request_done=True)

    def client_malformed(self, error: GatewayError) -> None:
        if self._over:
            return
        self.record.failed_with(error, answered=True)
        self.record.unread = True
        self.record.bytes_out = self._inbound.write_error(error, self.head, keep=False)
        self._finish("refused")
        self._inbound.finished(keep=False, request_done=False)

    def client_gone(self) -> None:
        if self.request is not None and self.request.startedWriting:
            self.record.code = self.request.code
            self.record.bytes_out = self.request.sentLength
        self._finish("shutdown" if self._inbound.gateway.closing else "client-gone")

    def _finish(self, outcome: str) -> None:
        if not self._over:
            self._over = True
            self.record.outcome = self.record.outcome or outcome
            self.record.ended = self._inbound.gateway.seconds()
            self._inbound.gateway.observe(self.record)

    def client_ended(self) -> None:
        self._inbound.abort()

    def client_slow(self) -> None:
        self._channel.web_slow()

    def client_ready(self) -> None:
        """The channel has told Twisted Web."""

    def check(self, now: float) -> None:
        """A resource may take as long as it likes."""
