"""What the audit log has to see of a request while it passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.logger import Logger

from ..errors import GatewayError
from ..model.auditbody import Collected, Omitted
from ..model.auditevent import Told
from ..model.http1answer import parse_response
from ..model.session import SessionDecoder, session_decoder
from ..settings import Limits

if TYPE_CHECKING:
    from .recording import Recording

STATUS_LIMIT = 8 * 1024
"""Largest body of a refusal that is looked at for its reason, in bytes."""


class AuditTap:
    """
    A L{Tap<clustergateway.interfaces.Tap>}.

    @ivar announce: called when the answer begins, C{None} if nobody wants to know.
    @ivar explains: whether to look for the reason in an answer of 400 and above.
    @ivar only_failures: whether nothing else is to be seen.
    @ivar decodes: whether the session is decoded for its exit code.
    @ivar recording: of the session, C{None} for none.
    @ivar request: collects the request's body, C{None} for not; likewise C{response}.
    @ivar request_lines: the request's header lines.
    """

    _log = Logger()

    def __init__(self) -> None:
        self.announce: Callable[[], None] | None = None
        self.explains = False
        self.only_failures = False
        self.decodes = False
        self.recording: Recording | None = None
        self.request: Collected | None = None
        self.response: Collected | None = None
        self.request_lines: tuple[bytes, ...] = ()
        self._response_lines: list[bytes] = []
        self._status: Collected | None = None
        self._decoder: SessionDecoder | None = None
        self._upgraded = False

    @property
    def useful(self) -> bool:
        """Whether there is anything to see but failures."""
        return self.decodes or any(
            each is not None for each in (self.announce, self.recording, self.request, self.response)
        )

    def bind(self, stop: Callable[[GatewayError], object]) -> None:
        """
        Told once, at the beginning.

        @param stop: ends the exchange with an error.
        """
        if self.recording is not None:
            self.recording.bind(stop)

    def request_data(self, data: bytes) -> None:
        self._guard(self._request_data, data)

    def response_head(self, code: int, head: bytes) -> None:
        self._guard(lambda _: self._response_head(code, head), b"")

    def response_data(self, data: bytes) -> None:
        self._guard(self._response_data, data)

    def ended(self) -> None:
        self._guard(lambda _: self._ended(), b"")

    def parting(self, error: GatewayError) -> bytes:
        try:
            return b"" if self.recording is None else self.recording.parting(error)
        except Exception:
            self._log.failure("a client could not be told why its session ends")
            return b""

    def told(self, omit_managed_fields: bool) -> Told:
        """What was seen, once it is over."""
        told = Told({})
        if self.request is not None:
            told.request = self._shown("request-object", self.request, self.request_lines, omit_managed_fields, told)
        if self.response is not None:
            told.response = self._shown(
                "response-object", self.response, self._response_lines, omit_managed_fields, told
            )
        if self._status is not None:
            _explain(self._status, self._response_lines, told)
        if self.recording is not None:
            told.exit_code = self.recording.exit_code
            told.notes["recording"] = self.recording.name
            told.notes["recording-problem"] = self.recording.problem
        elif self._decoder is not None:
            told.exit_code = self._decoder.exit_code
        return told

    def _shown(self, what: str, body: Collected, lines: Any, omit_managed_fields: bool, told: Told) -> Any:
        try:
            return body.shown(lines, omit_managed_fields)
        except Omitted as why:
            told.notes[what] = f"omitted: {why}"
            return None

    def _response_head(self, code: int, head: bytes) -> None:
        if self.announce is not None:
            self.announce()
        self._upgraded = code == 101
        if self.explains and code >= 400:
            self._status = Collected(STATUS_LIMIT)
        if self.decodes or self.response is not None or self._status is not None:
            answer = parse_response(head, Limits())
            if answer is not None:
                self._response_lines = answer.lines
                self._decoder = session_decoder(answer) if self.decodes and self._upgraded else None
        if self.recording is not None:
            self.recording.response_head(code, head)

    def _request_data(self, data: bytes) -> None:
        if self.request is not None:
            self.request.add(data)
        if self.recording is not None:
            self.recording.request_data(data)
        elif self._decoder is not None and self._decoder.needs_client:
            self._decoder.client(data)

    def _response_data(self, data: bytes) -> None:
        for body in (self.response, self._status):
            if body is not None:
                body.add(data)
        if self.recording is not None:
            self.recording.response_data(data)
        elif self._decoder is not None:
            self._decoder.server(data)

    def _ended(self) -> None:
        if self.recording is not None:
            self.recording.ended()

    def _guard(self, see: Callable[[bytes], object], data: bytes) -> None:
        """Whoever passes is not to suffer from being watched."""
        try:
            see(data)
        except GatewayError:
            # The session cannot be understood: its exit code stays unknown.
            self._decoder = None
        except Exception:
            self._log.failure("a request could not be watched")
            self._decoder = self.request = self.response = self._status = None
            if self.recording is not None:
                self.recording.fail("the gateway failed")


def _explain(body: Collected, lines: list[bytes], told: Told) -> None:
    """Message and reason, if it is a metav1.Status."""
    try:
        status = body.shown(lines)
    except Omitted:
        return
    if isinstance(status, dict) and status.get("kind") == "Status":
        message, reason = status.get("message"), status.get("reason")
        told.message = message if isinstance(message, str) else ""
        told.reason = reason if isinstance(reason, str) else ""
