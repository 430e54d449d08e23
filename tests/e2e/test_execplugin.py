"""Exec plugins as real processes: well-behaved, hanging, flooding, dying, babbling, rotating."""

from __future__ import annotations

import os
import sys
from typing import cast

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorProcess, IReactorTime
from twisted.trial.unittest import TestCase

from clustergateway.credentials.execplugin import ExecPlugins
from clustergateway.credentials.static import FixedEntry
from clustergateway.errors import CredentialUnavailable
from clustergateway.model.gateway import ClusterGateway, Endpoint, ExecCredential

PLUGIN = os.path.join(os.path.dirname(__file__), "fake_exec_plugin.py")


class RealPluginTests(TestCase):
    def setUp(self) -> None:
        self.counter = self.mktemp()
        self.plugins = self.make(20.0)

    def make(self, time_limit: float) -> ExecPlugins:
        clock = cast(IReactorTime, _reactor)
        return ExecPlugins(cast(IReactorProcess, _reactor), clock, dict(os.environ), time_limit=time_limit)

    async def run_it(self, *arguments: str) -> FixedEntry:
        credential = ExecCredential(
            sys.executable,
            (PLUGIN, self.counter, *arguments),
            (("PASSWORD", "hunter2-hunter2"),),
            provide_cluster_info=True,
        )
        cluster = ClusterGateway("east", (Endpoint("east.example", 6443),), credential, generation="1")
        entry = self.plugins.entry(cluster, credential)
        return await entry if isinstance(entry, Deferred) else entry

    async def failure(self, *arguments: str) -> str:
        with self.assertRaises(CredentialUnavailable) as caught:
            await self.run_it(*arguments)
        message: str = caught.exception.message
        self.assertNotIn("hunter2", message)
        return message

    def runs(self) -> int:
        return os.path.getsize(self.counter)

    async def test_token(self) -> None:
        entry = await self.run_it("token")
        self.assertEqual(entry.token, "token-1 for https://east.example:6443".replace(" ", "_"))
        self.assertEqual(await self.run_it("token"), entry)
        self.assertEqual(self.runs(), 1)

    async def test_rotated(self) -> None:
        first = await self.run_it("token")
        self.assertTrue(self.plugins.rejected("east", first.version))
        second = await self.run_it("token")
        self.assertIn("token-2", second.token)

    async def test_hangs(self) -> None:
        self.plugins = self.make(0.5)
        self.assertIn("did not end within 0.5 seconds", await self.failure("hang"))

    async def test_leaves_a_child_behind(self) -> None:
        self.plugins = self.make(0.5)
        self.assertIn("did not end within 0.5 seconds", await self.failure("orphan"))

    async def test_floods(self) -> None:
        self.assertIn("wrote more than", await self.failure("flood"))

    async def test_floods_with_complaints(self) -> None:
        entry = await self.run_it("complain")
        self.assertIn("token-1", entry.token)

    async def test_dies(self) -> None:
        self.assertIn("was ended by signal 9", await self.failure("die"))

    async def test_fails(self) -> None:
        self.assertIn("ended with code 3; cannot log in with [redacted]", await self.failure("fail"))

    async def test_babbles(self) -> None:
        self.assertIn("its output is not JSON", await self.failure("garbage"))

    async def test_expired(self) -> None:
        self.assertIn("has expired already", await self.failure("expired"))

    async def test_reads(self) -> None:
        """Its standard input is empty and closed: a plugin that asks a question does not wait for the answer."""
        self.assertIn("asked and got ''", await self.failure("ask"))
