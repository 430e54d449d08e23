"""A Secret with a list of endpoints of two kinds; the first is in trouble of every kind, and well again."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, ServerFactory

from clustergateway.testing.certificates import Authority
from tests.ports import free_port

from ..contracts.konnectivity import SOON, reactor, until
from . import failover


class Mixed:
    """The first endpoint over the route in question, the second direct."""

    async def prepare(self: Any) -> None:
        self.second = self.upstream().getHost().port

    def begin(self: Any, port: int) -> None:
        """@param port: where the first endpoint is, as its route sees it."""
        self.first = port
        self.failover = self.mixed(
            {"url": f"https://127.0.0.1:{port}", **self.way}, {"url": f"https://127.0.0.1:{self.second}"}
        )

    async def fails_over(self: Any) -> None:
        """A new request is answered by the second endpoint within a second, and so is the next."""
        for _ in range(2):
            self.assertLess(await self.request(self.failover), SOON)
            self.assertEqual(f"127.0.0.1:{self.second}", self.used[-1])

    async def recovers(self: Any) -> None:
        """The first one is used again before long."""
        await until(lambda: Deferred.fromCoroutine(self.preferred()), 40)

    async def preferred(self: Any) -> bool:
        """Does the first endpoint answer?"""
        await self.request(self.failover)
        preferred: bool = self.used[-1] == f"127.0.0.1:{self.first}{self.via}"
        return preferred

    async def test_nobody_listens_there_and_then_somebody_does(self: Any) -> None:
        self.begin(free_port())
        await self.fails_over()
        self.upstream(self.first)
        await self.recovers()

    async def test_a_silent_one_and_then_it_answers(self: Any) -> None:
        silent = reactor.listenTCP(0, ServerFactory.forProtocol(Protocol), interface="127.0.0.1")
        self.addCleanup(silent.stopListening)
        self.begin(silent.getHost().port)
        await self.fails_over()
        await silent.stopListening()
        self.upstream(self.first)
        await self.recovers()

    async def test_one_whose_packets_are_dropped(self: Any) -> None:
        with Full() as port:
            self.begin(port)
            await self.fails_over()

    async def test_a_wrong_certificate_and_then_the_right_one(self: Any) -> None:
        wrong = self.upstream(authority=Authority("another"))
        self.begin(wrong.getHost().port)
        await self.fails_over()
        await wrong.stopListening()
        self.upstream(self.first)
        await self.recovers()


class Far(Mixed):
    """And with trouble on the way."""

    async def test_what_is_on_the_way_hangs_and_goes_on(self: Any) -> None:
        self.begin(self.upstream().getHost().port)
        for process in self.processes:
            await self.recovers()
            await process.pause()
            try:
                await self.fails_over()
            finally:
                process.resume()
            await self.recovers()

    async def test_what_is_on_the_way_is_killed_and_back(self: Any) -> None:
        self.begin(self.upstream().getHost().port)
        for process in list(self.processes):
            await self.recovers()
            await process.kill()
            await self.fails_over()
            await self.again(process)
            await self.recovers()


class Full:
    """A port of this machine that drops who wants to connect: its backlog is full and nobody accepts."""

    def __enter__(self) -> int:
        self.sockets = [socket.socket()]
        self.sockets[0].bind(("127.0.0.1", 0))
        self.sockets[0].listen(0)
        port: int = self.sockets[0].getsockname()[1]
        for _ in range(3):
            waiting = socket.socket()
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
            self.sockets.append(waiting)
        return port

    def __exit__(self, *_: object) -> None:
        for each in self.sockets:
            each.close()


class DirectTests(Mixed, failover.Direct):
    pass


class ConnectTests(Far, failover.OverConnect):
    pass


class HttpsTests(Far, failover.OverHttps):
    pass


class Socks5Tests(Far, failover.OverSocks5):
    pass


class GrpcTests(Far, failover.OverKonnectivity):
    pass


class HttpConnectTests(Far, failover.OverHttpConnectKonnectivity):
    pass
