"""What a client gets to see of an answer: the same bytes, except where its version of HTTP needs others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from ..model.http1 import HTTP11, RequestHead
from ..model.http1answer import CHUNKED, UNTIL_CLOSE, ResponseHead, render

if TYPE_CHECKING:
    from ..interfaces import Tap
    from ..model.record import Record
    from .inbound import Inbound

# How an answer's body is changed on its way: not at all; into chunks for HTTP/1.1, because only the end of the
# connection ends it; out of chunks, for HTTP/1.0.
_AS_IS: Final = 0
_INTO_CHUNKS: Final = 1
_OUT_OF_CHUNKS: Final = 2


class Answering:
    """
    The client's side of an exchange.

    @ivar request_done: whether the client has sent all of its request.
    @ivar answered: whether any byte of the final answer was written to the client.
    @ivar keep: whether the client's connection can take another request afterwards.
    @ivar wants_payload: whether chunked bodies have to be decoded as they pass.
    """

    __slots__ = (
        "_inbound",
        "_recode",
        "_tap",
        "answered",
        "head",
        "keep",
        "record",
        "request_done",
        "wants_payload",
    )

    def __init__(self, inbound: Inbound, head: RequestHead) -> None:
        self._inbound = inbound
        self.head = head
        self.record: Record | None = None
        self.request_done = False
        self.answered = False
        self.keep = head.keep_alive
        self.wants_payload = False
        self._tap: Tap | None = None
        self._recode = _AS_IS

    def interim(self, head: ResponseHead) -> None:
        """A 1xx, such as 100 (Continue). HTTP/1.0 does not know them."""
        if self.head.version == HTTP11:
            self._inbound.write(render(head))

    def answer_head(self, head: ResponseHead, length: int) -> bytes | None:
        """
        The final answer begins.

        @param length: of its body, see L{clustergateway.model.http1answer.body_length}.
        @return: the head to send to the client, C{None} for exactly the one that was received.
        """
        record = self.record
        assert record is not None
        record.code = head.code
        record.answered = self._inbound.gateway.seconds()
        if self._tap is not None and head.code < 400 and self._tap.only_failures:
            self._tap = None
            self.wants_payload = False
        http11 = self.head.version == HTTP11
        if not self.request_done or self._inbound.gateway.closing or (length == UNTIL_CLOSE and not http11):
            self.keep = False
        more: list[bytes] = []
        without = b""
        if length == UNTIL_CLOSE and http11:
            self._recode = _INTO_CHUNKS
            more.append(b"Transfer-Encoding: chunked")
        elif head.chunked and not http11:
            without = b"transfer-encoding"
            if length == CHUNKED:
                self._recode = _OUT_OF_CHUNKS
                self.wants_payload = True
                self.keep = False
        if not self.keep:
            more.append(b"Connection: close")
        elif not http11:
            more.append(b"Connection: keep-alive")
        if head.verbatim and not more and not without:
            return None
        return render(head, *more, without=without)

    def answer_first(self, data: bytes, body: int, received: bytes, start: int) -> None:
        """
        Head and beginning of an answer of known length.

        @param data: to write.
        @param body: bytes of body in it.
        @param received: what came from the endpoint, body from C{start} on.
        """
        self.answered = True
        cast("Record", self.record).bytes_out += body
        if self._tap is not None:
            self._tap.response_head(cast("Record", self.record).code, received[:start])
            if body:
                self._tap.response_data(received[start:])
        self._inbound.transport.write(data)

    def answer_lead(self, lead: bytes) -> None:
        """The head of an answer of unknown length."""
        self.answered = True
        if self._tap is not None:
            self._tap.response_head(cast("Record", self.record).code, lead)
        self._inbound.write(lead)

    def answer_data(self, data: bytes, payload: bytes) -> None:
        """
        A piece of the answer's body.

        @param payload: the same without its framing, if C{wants_payload}.
        """
        cast("Record", self.record).bytes_out += len(data)
        if self._tap is not None and payload:
            self._tap.response_data(payload)
        if self._recode:
            data = b"%x\r\n%s\r\n" % (len(data), data) if self._recode == _INTO_CHUNKS else payload
        self._inbound.transport.write(data)

    def answer_over(self) -> None:
        """The answer has come to its end."""
        if self._recode == _INTO_CHUNKS:
            self._inbound.transport.write(b"0\r\n\r\n")
