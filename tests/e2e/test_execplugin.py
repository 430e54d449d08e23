"""Exec plugins as real processes: well-behaved, hanging, flooding, dying, babbling, rotating."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
from typing import cast

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorProcess, IReactorTime
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from clustergateway.credentials.execplugin import ExecPlugins
from clustergateway.credentials.static import FixedEntry
from clustergateway.errors import CredentialUnavailable
from clustergateway.model.execallow import AllowList
from clustergateway.model.gateway import ClusterGateway, Endpoint, ExecCredential

PLUGIN = os.path.join(os.path.dirname(__file__), "fake_exec_plugin.py")


class RealPluginTests(TestCase):
    def setUp(self) -> None:
        self.counter = self.mktemp()
        self.plugins = self.make(20.0)

    def make(self, time_limit: float, allow: AllowList | None = None) -> ExecPlugins:
        clock = cast(IReactorTime, _reactor)
        return ExecPlugins(cast(IReactorProcess, _reactor), clock, dict(os.environ), allow, time_limit)

    async def run_it(self, *arguments: str) -> FixedEntry:
        credential = ExecCredential(
            sys.executable,
            (PLUGIN, self.counter, *arguments),
            (("PASSWORD", "hunter2-hunter2"),),
            provide_cluster_info=True,
        )
        return await self.enter(credential)

    async def enter(self, credential: ExecCredential) -> FixedEntry:
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

    async def test_its_children_end_when_it_hangs(self) -> None:
        self.plugins = self.make(1.0)
        self.assertIn("did not end within 1 seconds", await self.failure("family"))
        self.assertEqual(self.runs(), 1)
        await self.nobody_left()

    async def test_its_children_end_with_it(self) -> None:
        self.assertIn("token-1", (await self.run_it("orphan")).token)
        await self.nobody_left()

    async def test_its_children_end_with_the_gateway(self) -> None:
        failing = Deferred.fromCoroutine(self.failure("family"))
        while not os.path.exists(self.counter) or not self.runs():
            await self.moment()
        self.plugins.close()
        self.assertIn("was stopped", await failing)
        await self.nobody_left()

    async def nobody_left(self) -> None:
        """The plugin and its children held a lock, and no longer do."""
        with open(self.counter) as held:
            while not self.lock(held.fileno()):
                await self.moment()

    @staticmethod
    def lock(held: int) -> bool:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def moment(self) -> None:
        await deferLater(cast(IReactorTime, _reactor), 0.01)

    async def test_cannot_be_executed(self) -> None:
        script = os.path.abspath(self.mktemp())
        with open(script, "w", opener=lambda path, flags: os.open(path, flags, 0o700)) as stream:
            stream.write("neither script nor binary")
        credential = ExecCredential(script)
        with self.assertRaises(CredentialUnavailable) as caught:
            await self.enter(credential)
        self.assertIn("ended with code 1; Exec format error", caught.exception.message)

    async def test_signals_are_as_usual(self) -> None:
        """Python ignores two of them, and what is ignored stays so in the program that it becomes."""
        with self.assertRaises(CredentialUnavailable) as caught:
            await self.enter(ExecCredential("sh", ("-c", "grep SigIgn: /proc/self/status >&2; exit 3")))
        ignored = int(caught.exception.message.rpartition(" (")[0].rpartition(" ")[2], 16)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):
            self.assertFalse(ignored & 1 << number - 1, number)

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

    async def test_bent_by_its_environment(self) -> None:
        """What a shell and Python would run because of a variable is not run where a list says what may be."""
        done = os.path.abspath(self.mktemp())
        script = os.path.abspath(self.mktemp())
        with open(script, "w", opener=lambda path, flags: os.open(path, flags, 0o700)) as stream:
            stream.write(f"#!{shutil.which('bash')}\nexit 3\n")
        attacks = (
            ExecCredential(script, (), (("BASH_ENV", f"$(echo > {done})"),)),
            ExecCredential(
                sys.executable,
                ("-c", "0"),
                (("PYTHONWARNINGS", "all:0:antigravity.x:0:0"), ("BROWSER", f"touch {done} %s")),
            ),
        )
        for attack in attacks:
            self.plugins = self.make(20.0, AllowList([attack.command]))
            with self.assertRaises(CredentialUnavailable) as caught:
                await self.enter(attack)
            self.assertIn("--exec-plugin-allow-env", caught.exception.message)
            self.assertFalse(os.path.exists(done))
            # It is a danger: where no list is in force, it works.
            self.plugins = self.make(20.0)
            with self.assertRaises(CredentialUnavailable):
                await self.enter(attack)
            self.assertTrue(os.path.exists(done))
            os.unlink(done)
