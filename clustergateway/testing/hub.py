"""
A hosting cluster that says what a test wants, at the seam where an Agent would go to the network: it can refuse, be
slow, break off, answer nonsense, and fall silent.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import ConnectionAborted, ConnectionLost, ConnectionRefusedError
from twisted.internet.interfaces import IConsumer, IPushProducer
from twisted.python.failure import Failure
from twisted.web.client import Response, ResponseFailed
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from ..interfaces import Entry
from ..kube.client import KubeClient
from ..kube.connection import Connection
from ..model.gateway import ClusterGateway, Endpoint, TokenCredential


@dataclass(frozen=True)
class Asked:
    """One request that the hub got; C{body} is parsed from JSON, C{None} for none."""

    method: str
    path: str
    query: dict[str, str]
    headers: Headers = field(repr=False)
    body: Any = None

    @property
    def token(self) -> str:
        """Of the Authorization header."""
        return (self.headers.getRawHeaders("authorization") or [""])[0].removeprefix("Bearer ")


@implementer(IPushProducer)
class Body:
    """
    The body of an answer while it is under way; a test sends it piece by piece.

    @ivar hung_up: the client does not want to hear any more.
    """

    def __init__(self) -> None:
        self.hung_up = False
        self._over = False
        self._response: Any = None

    def attach(self, response: Any) -> None:
        self._response = response

    def send(self, data: bytes) -> None:
        """These bytes arrive."""
        self._response._bodyDataReceived(data)

    def event(self, type: str, **content: Any) -> None:
        """This event of a watch arrives."""
        self.send(json.dumps({"type": type, "object": content}).encode() + b"\n")

    def end(self) -> None:
        """The answer is complete."""
        self._finish(None)

    def break_off(self) -> None:
        """The connection breaks."""
        self._finish(Failure(ResponseFailed([Failure(ConnectionLost())])))

    def stopProducing(self) -> None:
        if not self._over:
            self.hung_up = True
            self._finish(Failure(ResponseFailed([Failure(ConnectionAborted())])))

    def pauseProducing(self) -> None: ...

    def resumeProducing(self) -> None: ...

    def loseConnection(self) -> None: ...

    def _finish(self, reason: Failure | None) -> None:
        self._over = True
        self._response._bodyDataFinished(reason)


Answer = Callable[[Asked], "Deferred[IResponse]"]


def reply(code: int = 200, content: Any = None, **headers: str) -> Answer:
    """Answer at once. C{bytes} are sent as they are, anything else as JSON; C{retry_after="3"} is C{Retry-After: 3}."""

    def answer(_: Asked) -> Deferred[IResponse]:
        body = Body()
        found = begin(body, code, **headers)
        body.send(content if isinstance(content, bytes) else json.dumps(content).encode())
        body.end()
        return found

    return answer


def status(code: int, reason: str, message: str = "", **headers: str) -> Answer:
    """Answer with a metav1.Status."""
    return reply(code, {"kind": "Status", "code": code, "reason": reason, "message": message}, **headers)


def stream(body: Body) -> Answer:
    """Begin an answer and go on as the test says through C{body}."""
    return lambda _: begin(body)


def refuse(_: Asked) -> Deferred[IResponse]:
    """Nobody listens."""
    return fail(ConnectionRefusedError())


def silence(_: Asked) -> Deferred[IResponse]:
    """The request arrives, and nothing ever comes back."""
    return Deferred()


def truncate(content: bytes, code: int = 200) -> Answer:
    """Begin an answer, send this, and break the connection."""

    def answer(_: Asked) -> Deferred[IResponse]:
        body = Body()
        found = begin(body, code)
        body.send(content)
        body.break_off()
        return found

    return answer


def begin(body: Body, code: int = 200, **headers: str) -> Deferred[IResponse]:
    """The head of an answer, and its body in the test's hand."""
    fields = Headers({name.replace("_", "-"): [value] for name, value in headers.items()})
    response = Response((b"HTTP", 1, 1), code, b"", fields, body)
    body.attach(response)
    return succeed(response)


@dataclass
class TestEntry:
    """What the hub is entered with."""

    __test__ = False

    token: str = "t0ken"
    certificate: bytes = b""
    key: bytes = b""
    version: str = "1"


class TestCredentials:
    """
    A token that a test can change.

    @param following: what a refused token is followed by, C{""} for nothing.
    """

    __test__ = False

    def __init__(self, token: str = "t0ken", following: str = "") -> None:
        self.current = TestEntry(token)
        self._following = following

    def entry(self, cluster: ClusterGateway) -> Entry | Deferred[Entry]:
        return self.current

    def rejected(self, cluster: ClusterGateway, entry: Entry) -> bool:
        if not self._following:
            return False
        self.current = TestEntry(self._following, version="2")
        return True


@implementer(IConsumer)
class _Consumer:
    def __init__(self, written: list[bytes]) -> None:
        self._written = written

    def write(self, data: bytes) -> None:
        self._written.append(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None: ...

    def unregisterProducer(self) -> None: ...


@implementer(IAgent)
class FakeHub:
    """
    Answers each request with the first of its answers that is still there, or by C{otherwise}.

    @ivar asked: all requests, in order.
    @ivar answers: to the next requests, in order; each is used once.
    @ivar otherwise: the answer when there is none of them.
    """

    def __init__(self, *answers: Answer, otherwise: Answer = silence) -> None:
        self.asked: list[Asked] = []
        self.answers = list(answers)
        self.otherwise = otherwise

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        parts = urlsplit(uri.decode("ascii"))
        body = None
        if bodyProducer is not None:
            written: list[bytes] = []
            bodyProducer.startProducing(_Consumer(written))
            body = json.loads(b"".join(written))
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        asked = Asked(method.decode("ascii"), unquote(parts.path), query, headers or Headers(), body)
        self.asked.append(asked)
        return (self.answers.pop(0) if self.answers else self.otherwise)(asked)

    def client(self, clock: Any, credentials: TestCredentials | None = None, **options: Any) -> KubeClient:
        """A client of this hub."""
        cluster = ClusterGateway("hub", (Endpoint("hub.test", 6443),), TokenCredential("t0ken"))
        connection = Connection(lambda: cluster, credentials or TestCredentials(), lambda *_: (self, None))
        return KubeClient(connection, clock, **options)
