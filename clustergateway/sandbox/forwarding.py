"""One request carried to an aggregated API server, and its answer back: plain, streaming or upgraded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import ITransport
from twisted.internet.protocol import Factory, Protocol
from twisted.python.failure import Failure
from twisted.web.client import FileBodyProducer, ResponseFailed
from twisted.web.http import Request
from twisted.web.http_headers import Headers
from twisted.web.iweb import UNKNOWN_LENGTH

from .call import User
from .frontproxy import Backend, FrontProxy, passed_on, target
from .objects import dumps
from .status import ApiError
from .streams.takeover import take_over

_HEAD_LIMIT = 65536
_OWN = frozenset({b"audit-id", b"cache-control"})


@dataclass(frozen=True, slots=True)
class Forwarding:
    """
    What is carried.

    @ivar headers: the client's, names in lower case.
    """

    request: Request
    user: User
    headers: list[tuple[str, str]]
    backend: Backend

    @property
    def upgrade(self) -> bool:
        values = [value for name, value in self.headers if name == "connection"]
        return any("upgrade" in value.lower() for value in values)

    def passed_on(self) -> list[tuple[str, str]]:
        """The headers to send."""
        request = self.request
        audit = request.responseHeaders.getRawHeaders("audit-id", [""])[0]
        about = {"Audit-Id": audit, "X-Forwarded-For": request.getClientAddress().host or ""}
        about |= {"X-Forwarded-Host": f"{self.backend.host}:{self.backend.port}", "X-Forwarded-Proto": "https"}
        about["X-Forwarded-Uri"] = request.uri.decode("latin-1").partition("?")[0]
        return passed_on(self.headers, self.user, about, self.upgrade)

    def start(self, proxy: FrontProxy) -> None:
        """Carry it; the request is answered in its own time."""
        if self.upgrade:
            _upgrade(self, proxy)
        else:
            _plain(self, proxy)


def unreachable(why: str) -> ApiError:
    """The aggregated server does not answer."""
    return ApiError(503, "ServiceUnavailable", f"error trying to reach service: {why}")


def unavailable() -> ApiError:
    """The aggregated server is known not to answer."""
    return ApiError(503, "ServiceUnavailable", "service unavailable")


def _refuse(request: Request, error: ApiError) -> None:
    request.setResponseCode(error.code)
    request.setHeader("Content-Type", "application/json")
    request.write(dumps(error.status()) + b"\n")
    request.finish()


class _Copy(Protocol):
    """The body of the answer, on its way to the client; a slow client slows it."""

    def __init__(self, request: Request) -> None:
        self._request = request
        self._gone = False

    def connectionMade(self) -> None:
        transport: Any = self.transport
        self._request.notifyFinish().addErrback(self._client_gone)
        self._request.registerProducer(transport, True)

    def _client_gone(self, reason: Failure) -> None:
        self._gone = True
        transport: Any = self.transport
        transport.loseConnection()

    def dataReceived(self, data: bytes) -> None:
        if not self._gone:
            self._request.write(data)

    def connectionLost(self, reason: Failure = Failure(Exception())) -> None:  # noqa: B008 (its signature)
        if self._gone:
            return
        self._request.unregisterProducer()
        if reason.check(ResponseFailed):
            channel: Any = self._request.channel
            channel.abortConnection()
        else:
            self._request.finish()


def _plain(forwarding: Forwarding, proxy: FrontProxy) -> None:
    request, backend = forwarding.request, forwarding.backend
    headers = Headers()
    for name, value in forwarding.passed_on():
        headers.addRawHeader(name, value)
    headers.setRawHeaders("host", [f"{backend.host}:{backend.port}"])
    has_body = request.getHeader(b"content-length") is not None or request.getHeader(b"transfer-encoding") is not None
    assert request.content is not None
    body = FileBodyProducer(request.content) if has_body else None
    url = backend.url + target(request.uri.decode("latin-1"))
    sent = proxy.agent(backend).request(request.method, url.encode("ascii"), headers, body)
    gone: list[Failure] = []
    request.notifyFinish().addErrback(gone.append)

    def answered(response: Any) -> None:
        if gone:
            response._transport.abortConnection()
            return
        _head(request, response.code, response.phrase, response.headers)
        if response.length is not UNKNOWN_LENGTH:
            request.setHeader(b"content-length", str(response.length).encode())
        response.deliverBody(_Copy(request))

    def failed(failure: Failure) -> None:
        if not gone:
            _refuse(request, unreachable(failure.getErrorMessage()))

    sent.addCallbacks(answered, failed)


def _head(request: Request, code: int, phrase: bytes, headers: Headers) -> None:
    request.setResponseCode(code, phrase)
    for name, values in headers.getAllRawHeaders():
        if name.lower() not in _OWN:
            request.responseHeaders.setRawHeaders(name, values)


class _Upgrading(Protocol):
    """The aggregated server's side of an upgrade: first a head, then, after 101, bytes both ways."""

    def __init__(self, request: Request, head: bytes) -> None:
        self._request = request
        self._head = head
        self._buffer = b""
        self._other: ITransport | None = None
        self._refused = False

    def connectionMade(self) -> None:
        transport: Any = self.transport
        self._request.notifyFinish().addErrback(lambda _: transport.loseConnection())
        transport.write(self._head)

    def dataReceived(self, data: bytes) -> None:
        if self._other is not None:
            self._other.write(data)
            return
        if self._refused:
            self._request.write(data)
            return
        self._buffer += data
        head, ended, rest = self._buffer.partition(b"\r\n\r\n")
        if ended:
            self._answered(head, rest)
        elif len(self._buffer) > _HEAD_LIMIT:
            transport: Any = self.transport
            transport.abortConnection()

    def _answered(self, head: bytes, rest: bytes) -> None:
        status, *lines = head.split(b"\r\n")
        _, code, *phrase = status.split(b" ", 2)
        headers = [(name.strip(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
        if code != b"101":
            self._refused = True
            grouped = Headers()
            for name, value in headers:
                grouped.addRawHeader(name, value)
            _head(self._request, int(code), phrase[0] if phrase else b"", grouped)
            self._request.write(rest)
            return
        near = _Near(self.transport)
        take_over(self._request, headers, near)
        self._other = near.transport
        if rest and self._other is not None:
            self._other.write(rest)

    def connectionLost(self, reason: Failure = Failure(Exception())) -> None:  # noqa: B008 (its signature)
        if self._other is not None:
            self._other.loseConnection()
        elif self._refused:
            channel: Any = self._request.channel
            if channel is not None:
                self._request.finish()
                channel.loseConnection()
        elif self._request.channel is not None:
            _refuse(self._request, unreachable("the connection was closed"))


class _Near(Protocol):
    """The client's side after 101."""

    def __init__(self, far: Any) -> None:
        self._far = far

    def dataReceived(self, data: bytes) -> None:
        self._far.write(data)

    def connectionLost(self, reason: Failure = Failure(Exception())) -> None:  # noqa: B008 (its signature)
        self._far.loseConnection()


def _upgrade(forwarding: Forwarding, proxy: FrontProxy) -> None:
    request, backend = forwarding.request, forwarding.backend
    first = f"{request.method.decode('ascii')} {target(request.uri.decode('latin-1'))} HTTP/1.1"
    fields = [("Host", f"{backend.host}:{backend.port}"), *forwarding.passed_on()]
    if request.method == b"POST":
        fields.append(("Content-Length", "0"))
    lines = [first, *(f"{name}: {value}" for name, value in fields), "", ""]
    head = "\r\n".join(lines).encode("utf-8")
    connected: Deferred[Any] = proxy.endpoint(backend).connect(Factory.forProtocol(lambda: _Upgrading(request, head)))
    connected.addErrback(lambda failure: _refuse(request, unreachable(failure.getErrorMessage())))
