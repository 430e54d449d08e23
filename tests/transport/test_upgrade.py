from __future__ import annotations

from typing import Any, cast

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.transport.upgrade import Splice

from .world import OK, World, answer, request, status

EXEC = request("POST /east/exec", "Connection: Upgrade", "Upgrade: SPDY/3.1", "Content-Length: 0")
SWITCH = (
    b"HTTP/1.1 101 Switching Protocols\r\nX-Stream-Protocol-Version: v4\r\n"
    b"Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n"
)


class FailedSocket:
    """Has nothing but the error that the system keeps for it."""

    def __init__(self, error: int) -> None:
        self._error = error

    def getsockopt(self, level: int, option: int) -> int:
        return self._error


class Upgrades(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World(high_water=1000)
        self.client = self.world.client()

    def upgrade(self) -> None:
        self.world.send(self.client, EXEC)
        self.world.cluster.take()
        self.world.send(self.world.cluster, SWITCH)
        self.assertEqual((101, "Upgrade", "SPDY/3.1"), self.switched(self.client.take()))

    def switched(self, data: bytes) -> tuple[int, str, str]:
        code, fields, rest = answer(data)
        self.assertEqual(("v4", b""), (fields["x-stream-protocol-version"], rest))
        return code, fields["connection"], fields["upgrade"]

    def test_bytes_both_ways(self) -> None:
        self.upgrade()
        self.world.send(self.client, b"\x80\x03GET / HTTP/1.1\r\n\r\n")
        self.assertEqual(b"\x80\x03GET / HTTP/1.1\r\n\r\n", self.world.cluster.take())
        self.world.send(self.world.cluster, b"HTTP/1.1 200 OK\r\n\r\n")
        self.assertEqual(b"HTTP/1.1 200 OK\r\n\r\n", self.client.take())
        self.world.advance(10_000)
        self.assertEqual([], self.world.records)
        self.client.transport.loseConnection()
        self.world.network.pump()
        [record] = self.world.records
        self.assertEqual((101, "SPDY/3.1"), (record.code, record.upgrade))
        self.assertEqual((20, 19), (record.bytes_in, record.bytes_out))

    def test_a_client_that_is_reset_while_the_cluster_does_not_read(self) -> None:
        """Its socket is not read then, so that only asking finds out."""
        self.upgrade()
        inbound = cast("Any", self.client.transport).other.protocol.inbound
        inbound.hold()
        inbound.transport.socket = FailedSocket(0)
        self.world.advance(2)
        self.assertEqual([], self.world.records)
        inbound.transport.socket = FailedSocket(104)
        self.world.advance(2)
        self.assertEqual([101], [record.code for record in self.world.records])
        self.assertIsNotNone(cast("Any", self.world.cluster.transport).ended)

    def test_asks_for_it_upstream(self) -> None:
        self.world.send(self.client, EXEC)
        self.assertTrue(
            self.world.cluster.take().endswith(b"Content-Length: 0\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n")
        )

    def test_bytes_that_come_with_the_heads(self) -> None:
        self.world.send(self.client, EXEC + b"early")
        self.assertTrue(self.world.cluster.take().endswith(b"\r\n\r\n"))
        self.world.send(self.world.cluster, SWITCH + b"hello")
        self.assertTrue(self.client.take().endswith(b"\r\n\r\nhello"))
        self.assertEqual(b"early", self.world.cluster.take())

    def test_needs_a_connection_of_its_own(self) -> None:
        self.world.send(self.client, request("GET /east/x"))
        self.world.send(self.world.cluster, OK)
        self.client.take()
        self.upgrade()
        self.assertEqual(2, len(self.world.clusters))
        self.world.cluster.transport.loseConnection()
        self.world.network.pump()
        self.assertEqual((0, 1), (self.world.pool.busy, self.world.pool.idle))

    def test_refused_unchanged(self) -> None:
        refusal = b"HTTP/1.1 403 Forbidden\r\nX-A: b\r\nContent-Length: 2\r\n\r\nno"
        self.world.send(self.client, EXEC)
        self.world.send(self.world.cluster, refusal)
        self.assertEqual(refusal, self.client.take())
        self.world.send(self.client, request("GET /east/x"))
        self.world.send(self.world.cluster, OK)
        self.assertEqual(OK, self.client.take())

    def test_half_close(self) -> None:
        for first, second in (("client", "cluster"), ("cluster", "client")):
            world = self.world = World()
            self.client = world.client()
            self.upgrade()
            ends = {"client": self.client, "cluster": world.cluster}
            here, there = ends[first], ends[second]
            here.transport.loseWriteConnection()
            world.network.pump()
            self.assertTrue(there.half_closed, first)
            world.send(there, b"the rest")
            self.assertEqual(b"the rest", here.take())
            self.assertIsNone(here.lost)
            there.transport.loseWriteConnection()
            world.network.pump()
            self.assertIsNotNone(here.lost)
            self.assertIsNotNone(there.lost)
            self.assertEqual(1, len(world.records))

    def test_ends(self) -> None:
        for side, how, clean in (
            ("client", "loseConnection", True),
            ("client", "abortConnection", False),
            ("cluster", "loseConnection", True),
            ("cluster", "abortConnection", False),
        ):
            world = self.world = World()
            self.client = world.client()
            self.upgrade()
            ends = {"client": self.client, "cluster": world.cluster}
            ending = ends.pop(side)
            [(_, other)] = ends.items()
            getattr(ending.transport, how)()
            world.network.pump()
            assert other.lost is not None
            if side == "cluster":
                self.assertTrue(other.lost.check(ConnectionDone if clean else ConnectionLost))
            gone = side == "cluster" and not clean
            self.assertEqual([(101, "upstream-gone" if gone else "complete")], world.outcomes)
            self.assertEqual(0, world.pool.busy)

    def test_backpressure(self) -> None:
        self.upgrade()
        for near, far in ((self.client, self.world.cluster), (self.world.cluster, self.client)):
            near.transport.pauseProducing()
            self.world.send(far, b"x" * 3000)
            self.world.send(far, b"x" * 3000)
            self.assertEqual(3000, far.transport.waiting)
            near.transport.resumeProducing()
            self.world.network.pump()
            self.assertEqual(6000, len(near.take()))

    def test_reset_before_the_answer(self) -> None:
        self.world.send(self.client, EXEC)
        self.world.cluster.transport.abortConnection()
        self.world.network.pump()
        self.assertEqual(502, status(self.client.take())["code"])
        self.assertEqual(1, len(self.world.clusters))

    def test_no_bytes_are_kept(self) -> None:
        self.assertFalse(any("buffer" in slot or "queue" in slot for slot in Splice.__slots__))
