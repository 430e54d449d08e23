"""What listens inside a pod: a small web server on port 8080, and an echo on port 7."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocolFactory, IReactorTime
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from .pipe import CHUNK, BrokenPipe, Gate
from .shell.process import BREATH

HTTP_PORT = 8080
ECHO_PORT = 7
MAX_BYTES = 1 << 40


class Echo(Protocol):
    """RFC 862."""

    transport: Any

    def connectionMade(self) -> None:
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


class Page(Resource):
    """C{GET /} names the pod; C{GET /bytes/N} answers with N zero bytes; C{POST} answers with what was sent."""

    isLeaf = True

    def __init__(self, clock: IReactorTime, text: bytes) -> None:
        super().__init__()
        self._clock = clock
        self._text = text

    def render_GET(self, request: Request) -> bytes | int:
        path = request.postpath or []
        if len(path) == 2 and path[0] == b"bytes" and path[1][:13].isdigit():
            size = min(int(path[1][:13]), MAX_BYTES)
            request.setHeader(b"Content-Length", b"%d" % size)
            request.setHeader(b"Content-Type", b"application/octet-stream")
            request.registerProducer(gate := Gate(), True)
            writing = Deferred.fromCoroutine(self._zeros(request, gate, size))
            request.notifyFinish().addErrback(lambda _: gate.stopProducing())
            writing.addErrback(lambda failure: failure.trap(BrokenPipe))
            return NOT_DONE_YET
        request.setHeader(b"Content-Type", b"text/plain; charset=utf-8")
        return self._text

    def render_POST(self, request: Request) -> bytes:
        request.setHeader(b"Content-Type", b"application/octet-stream")
        assert request.content is not None
        body: bytes = request.content.read()
        return body

    async def _zeros(self, request: Request, gate: Gate, size: int) -> None:
        for at in range(0, size, CHUNK):
            await gate.passable()
            request.write(bytes(min(CHUNK, size - at)))
            await deferLater(self._clock, BREATH)
        await gate.passable()
        request.unregisterProducer()
        request.finish()


def listeners(clock: IReactorTime, pod: str, cluster: str) -> dict[int, IProtocolFactory]:
    """What listens in this pod, by port."""
    site = Site(Page(clock, f"pod {pod} of cluster {cluster}\n".encode()), reactor=clock)
    return {HTTP_PORT: site, ECHO_PORT: Factory.forProtocol(Echo)}
