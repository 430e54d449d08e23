"""Taking a connection away from twisted.web."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import AccumulatingProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from clustergateway.sandbox.streams.takeover import HANG_UP_TIMEOUT, hang_up, header_tokens, take_over

from .conversation import Connection

HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive , Upgrade\r\nConnection: x\r\n\r\n"


class Taking(Resource):
    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.protocol = AccumulatingProtocol()
        self.protocol.factory = self  # type: ignore[assignment]
        self.protocolConnectionMade = None
        self.tokens: list[str] = []
        self.finished: list[Failure] = []

    def render(self, request: Request) -> int:
        self.tokens = header_tokens(request, b"Connection")
        request.notifyFinish().addErrback(self.finished.append)
        take_over(request, [(b"Upgrade", b"x")], self.protocol)
        return NOT_DONE_YET


class TakeOver(SynchronousTestCase):
    def setUp(self) -> None:
        self.resource = Taking()
        self.clock = Clock()
        self.connection = Connection(Site(self.resource, reactor=self.clock))

    def test_answer(self) -> None:
        self.connection.send(HEAD)
        self.assertEqual(self.connection.take(), b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")

    def test_bytes_in_any_breath(self) -> None:
        self.connection.send(HEAD[:20])
        self.connection.send(HEAD[20:] + b"one")
        self.connection.send(b"two")
        self.assertEqual(self.resource.protocol.data, b"onetwo")

    def test_the_end(self) -> None:
        self.connection.send(HEAD)
        self.connection.lose()
        self.assertEqual((self.resource.protocol.closed, len(self.resource.finished)), (True, 1))

    def test_nothing_times_out(self) -> None:
        self.connection.send(HEAD)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_tokens(self) -> None:
        self.connection.send(HEAD)
        self.assertEqual(self.resource.tokens, ["keep-alive", "Upgrade", "x"])


class HangUp(SynchronousTestCase):
    def test_a_peer_that_stays(self) -> None:
        calls: list[str] = []
        clock = Clock()

        class Transport:
            def __getattr__(self, name: str) -> Any:
                return lambda: calls.append(name)

        hang_up(clock, Transport())
        self.assertEqual(calls, ["unregisterProducer", "loseConnection"])
        clock.advance(HANG_UP_TIMEOUT)
        self.assertEqual(calls[2:], ["abortConnection"])
