from __future__ import annotations

from typing import Any

import treq
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.client import Agent, HTTPConnectionPool, ResponseFailed, ResponseNeverReceived
from twisted.web.http_headers import Headers

from clustergateway.sandbox.server import SandboxConfig
from clustergateway.testing.apiserver import (
    in_memory,
    malformed,
    never,
    on_loopback,
    refuse,
    slow,
    status,
    to_path,
    truncated,
)
from tests.contracts.world import ClientTls


class FaultsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = in_memory(SandboxConfig(controllers=False))
        self.client: Any = treq.client.HTTPClient(self.world.agent)

    def ask(self, path: str = "/version") -> Deferred[Any]:
        headers = {"Authorization": f"Bearer {self.world.token}"}
        asked: Deferred[Any] = self.client.get(self.world.url + path, headers=headers)
        self.world.flush()
        return asked

    def content(self, asked: Deferred[Any]) -> Deferred[Any]:
        read: Deferred[Any] = self.successResultOf(asked).content()
        self.world.flush()
        return read

    def test_none(self) -> None:
        self.assertIn(b"gitVersion", self.successResultOf(self.content(self.ask())))

    def test_refuse(self) -> None:
        self.world.faults.add(to_path("/version"), refuse)
        self.failureResultOf(self.ask(), ResponseNeverReceived)

    def test_other_requests_are_served(self) -> None:
        fault = self.world.faults.add(to_path("/api", "POST"), refuse)
        self.assertEqual(self.successResultOf(self.ask("/api")).code, 200)
        self.assertEqual(fault.happened, 0)

    def test_status(self) -> None:
        self.world.faults.add(to_path("/"), status(429, retry_after=3, reason="TooManyRequests"))
        response = self.successResultOf(self.ask())
        self.assertEqual((response.code, response.headers.getRawHeaders("retry-after")), (429, ["3"]))
        read = response.json()
        self.world.flush()
        self.assertEqual(self.successResultOf(read)["reason"], "TooManyRequests")

    def test_so_often(self) -> None:
        fault = self.world.faults.add(to_path("/"), status(500), times=2)
        codes = [self.successResultOf(self.ask()).code for _ in range(3)]
        self.assertEqual((codes, fault.happened), ([500, 500, 200], 2))

    def test_slow(self) -> None:
        self.world.faults.add(to_path("/"), slow(5))
        asked = self.ask()
        self.world.flush(4)
        self.assertNoResult(asked)
        self.world.flush(1)
        self.assertEqual(self.successResultOf(asked).code, 200)

    def test_never(self) -> None:
        self.world.faults.add(to_path("/"), never)
        asked = self.ask()
        self.world.flush(3600)
        self.assertNoResult(asked)

    def test_truncated(self) -> None:
        self.world.faults.add(to_path("/"), truncated)
        self.failureResultOf(self.content(self.ask()), ResponseFailed, ConnectionDone)

    def test_malformed(self) -> None:
        self.world.faults.add(to_path("/"), malformed)
        response = self.successResultOf(self.ask())
        read = response.json()
        self.world.flush()
        self.failureResultOf(read, ValueError)

    def test_cleared(self) -> None:
        self.world.faults.add(to_path("/"), refuse)
        self.world.faults.clear()
        self.assertEqual(self.successResultOf(self.ask()).code, 200)


class LoopbackTests(TestCase):
    async def setUp(self) -> None:  # type: ignore[override]
        from twisted.internet import reactor

        self.server = on_loopback(reactor, SandboxConfig(controllers=False))
        self.pool = HTTPConnectionPool(reactor)
        self.reactor = reactor

    async def tearDown(self) -> None:  # type: ignore[override]
        await self.pool.closeCachedConnections()
        await self.server.close()

    async def code(self, certificate: bytes = b"", key: bytes = b"", token: str = "") -> int:
        agent = Agent(self.reactor, ClientTls(self.server.ca, certificate, key), pool=self.pool)
        headers = Headers({"Authorization": [f"Bearer {token}"]} if token else {})
        response = await treq.client.HTTPClient(agent).get(self.server.url + "/api", headers=headers)
        await response.content()
        await self.pool.closeCachedConnections()
        return int(response.code)

    async def test_credentials(self) -> None:
        """A certificate that is not believed is answered with 401; the handshake succeeds."""
        admin = self.server.admin
        self.assertEqual(await self.code(admin.certificate, admin.key), 200)
        self.assertEqual(await self.code(token=self.server.token), 200)
        self.assertEqual(await self.code(), 401)
        stranger = on_loopback(self.reactor)
        self.assertEqual(await self.code(stranger.admin.certificate, stranger.admin.key), 401)
        await stranger.close()

    def test_kubeconfig(self) -> None:
        self.assertIn(f"server: {self.server.url}", self.server.kubeconfig())
