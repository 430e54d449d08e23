"""A Secret with two URLs, both reached over the same real proxy; nobody listens at the first one."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from clustergateway.errors import GatewayError
from tests.ports import free_port

from ..contracts.konnectivity import until
from . import failover


class Far:
    async def prepare(self: Any) -> None:
        self.dead = free_port()
        self.live = self.upstream().getHost().port
        self.failover = self.endpoints()

    def endpoints(self: Any) -> Any:
        urls = f"https://127.0.0.1:{self.dead}\nhttps://127.0.0.1:{self.live}\n"
        data = {key: value for key, value in self.way.items() if key != "type"}
        return self.choose(self.way.get("type", "Const"), data | {"endpoint": urls})

    async def answered(self: Any) -> str:
        """One request. @return: what the endpoint that answered is called."""
        await self.request(self.failover)
        used: str = self.used[-1]
        return used

    async def preferred(self: Any) -> bool:
        """Does the first endpoint answer?"""
        answered: bool = await self.answered() == self.called(self.dead)
        return answered

    def called(self: Any, port: int) -> str:
        return f"127.0.0.1:{port}{self.via}"

    async def test_the_second_endpoint_answers(self: Any) -> None:
        self.assertEqual(self.called(self.live), await self.answered())
        self.assertEqual(self.called(self.live), await self.answered())
        self.assertEqual(2, len(self.used))

    async def test_the_first_endpoint_comes_back_and_goes_again(self: Any) -> None:
        await self.answered()
        first = self.upstream(self.dead)
        await until(lambda: Deferred.fromCoroutine(self.preferred()), 30)
        await first.stopListening()
        self.assertEqual(self.called(self.live), await self.answered())

    async def test_no_endpoint_is_left(self: Any) -> None:
        self.dead, self.live = free_port(), free_port()
        self.failover = self.endpoints()
        with self.assertRaises(GatewayError):
            await self.answered()
        self.assertEqual([], self.used)


class ConnectTests(Far, failover.OverConnect):
    pass


class Socks5Tests(Far, failover.OverSocks5):
    pass


class GrpcTests(Far, failover.OverKonnectivity):
    pass


class HttpConnectTests(Far, failover.OverHttpConnectKonnectivity):
    pass
