from __future__ import annotations

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IProtocol
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import GatewayError, UpstreamTlsFailed
from clustergateway.settings import Limits
from clustergateway.transport.outbound import Outbound
from clustergateway.transport.pool import Pool

from .world import World


class Taker:
    """Waits for a connection."""

    def __init__(self) -> None:
        self.taken: list[Outbound] = []
        self.errors: list[GatewayError] = []

    def take(self, outbound: Outbound) -> None:
        self.taken.append(outbound)

    def connect_failed(self, error: GatewayError) -> None:
        self.errors.append(error)


class Pools(SynchronousTestCase):
    def setUp(self) -> None:
        self.limits = Limits(idle_upstream=2, idle_upstream_timeout=60, busy_upstream=4, connect_timeout=10)
        self.world = World(self.limits)
        self.pool = self.world.pool

    def take(self, count: int) -> list[Outbound]:
        takers = [Taker() for _ in range(count)]
        for taker in takers:
            self.pool.acquire(taker)
        return [taker.taken[0] for taker in takers]

    def state(self) -> tuple[int, int]:
        self.world.network.pump()
        return self.pool.busy, self.pool.idle

    def test_the_last_used_is_used_first(self) -> None:
        first, second = self.take(2)
        self.pool.put_back(first)
        self.pool.put_back(second)
        self.assertEqual([second, first], self.take(2))
        self.assertEqual(2, self.world.endpoint.attempts)

    def test_fresh(self) -> None:
        [old] = self.take(1)
        self.pool.put_back(old)
        taker = Taker()
        self.pool.acquire(taker, fresh=True)
        self.assertNotEqual([old], taker.taken)
        self.assertEqual((1, 1), self.state())

    def test_no_more_idle_ones_than_allowed(self) -> None:
        for outbound in self.take(3):
            self.pool.put_back(outbound)
        self.assertEqual((0, 2), self.state())
        self.assertEqual(1, sum(cluster.lost is not None for cluster in self.world.clusters))

    def test_idle_ones_grow_old(self) -> None:
        first, second = self.take(2)
        self.pool.put_back(first)
        self.world.advance(30)
        self.pool.put_back(second)
        self.world.advance(31)
        self.assertEqual((0, 1), self.state())
        self.world.advance(30)
        self.assertEqual((0, 0), self.state())
        self.assertEqual([], self.world.clock.getDelayedCalls())

    def test_no_more_busy_ones_than_allowed(self) -> None:
        self.take(4)
        taker = Taker()
        self.pool.acquire(taker)
        self.assertEqual([429], [error.code for error in taker.errors])

    def test_one_that_ends_is_not_given_out(self) -> None:
        [outbound] = self.take(1)
        self.pool.put_back(outbound)
        self.world.cluster.transport.loseConnection()
        self.assertEqual((0, 0), self.state())

    def test_stop_waiting(self) -> None:
        self.world.endpoint.silent = True
        taker = Taker()
        self.pool.acquire(taker)
        self.assertEqual((1, 0), self.state())
        self.pool.stop_waiting(taker)
        self.assertEqual((0, 0), self.state())
        self.assertEqual(([], []), (taker.taken, taker.errors))
        self.assertEqual([], self.world.clock.getDelayedCalls())
        self.pool.stop_waiting(taker)
        self.assertEqual((0, 0), self.state())

    def test_timeout(self) -> None:
        self.world.endpoint.silent = True
        taker = Taker()
        self.pool.acquire(taker)
        self.world.advance(11)
        self.assertEqual([504], [error.code for error in taker.errors])
        self.assertEqual((0, 0), self.state())

    def test_an_error_of_ours_keeps_its_words(self) -> None:
        self.world.endpoint.refusal = UpstreamTlsFailed("it is expired", hop="tls")
        taker = Taker()
        self.pool.acquire(taker)
        [error] = taker.errors
        self.assertEqual(("it is expired", "tls", "east"), (error.message, error.hop, error.cluster))

    def test_close(self) -> None:
        busy, idle = self.take(2)
        self.pool.put_back(idle)
        self.pool.close()
        self.assertEqual((1, 0), self.state())
        self.pool.put_back(busy)
        self.assertEqual((0, 0), self.state())
        self.assertTrue(all(cluster.lost for cluster in self.world.clusters))
        taker = Taker()
        self.pool.acquire(taker)
        self.assertEqual([503], [error.code for error in taker.errors])
        self.assertEqual([], self.world.clock.getDelayedCalls())


class Several:
    """Endpoints, as a pool sees them."""

    def __init__(self) -> None:
        self.gone: list[IProtocol] = []
        self.old: list[IProtocol] = []

    def outgrown(self, connection: IProtocol) -> bool:
        return connection in self.old

    def dead(self, connection: IProtocol) -> bool:
        return connection in self.gone

    def connected(self, connection: IProtocol) -> float:
        raise NotImplementedError

    def doubt(self, connection: IProtocol) -> Deferred[bool]:
        return succeed(False)


class SeveralEndpoints(Pools):
    """With a pool whose endpoint stands for several."""

    def setUp(self) -> None:
        super().setUp()
        self.several = Several()
        self.pool = Pool(self.world.endpoint, self.world.clock, self.limits, "east", self.several)

    def test_those_to_a_dead_one_are_not_given_out(self) -> None:
        first, second = self.take(2)
        for outbound in (first, second):
            self.pool.put_back(outbound)
        self.several.gone = [first, second]
        [other] = self.take(1)
        self.assertNotIn(other, (first, second))
        self.assertEqual((1, 0), self.state())

    def test_those_that_another_can_take_over_are_not_kept(self) -> None:
        first, second = self.take(2)
        self.several.old = [first]
        for outbound in (first, second):
            self.pool.put_back(outbound)
        self.assertEqual((0, 1), self.state())
        self.assertEqual([second], self.take(1))
