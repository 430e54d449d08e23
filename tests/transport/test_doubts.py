from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.transport.pool import Pool

from .world import OK, World, request


class Several:
    """Endpoints, in doubt or not."""

    def __init__(self) -> None:
        self.doubts: list[Deferred[bool]] = []
        self.last = float("-inf")

    def outgrown(self, connection: IProtocol) -> bool:
        return False

    def dead(self, connection: IProtocol) -> bool:
        return False

    def connected(self, connection: IProtocol) -> float:
        return self.last

    def doubt(self, connection: IProtocol) -> Deferred[bool]:
        self.doubts.append(Deferred())
        return self.doubts[-1]


class DoubtTests(SynchronousTestCase):
    """A client's second request, on a connection that has answered the first."""

    def setUp(self) -> None:
        self.world = World()
        self.several = Several()
        self.world.pool = Pool(self.world.endpoint, self.world.clock, self.world.limits, "east", self.several)
        self.client = self.world.client()
        self.world.send(self.client, request("GET /east/pods"))
        self.world.send(self.world.cluster, OK)
        self.client.take()

    def ask(self, line: str = "GET /east/pods", *lines: str, body: bytes = b"") -> None:
        self.world.send(self.client, request(line, *lines, body=body))

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.05)):
            self.world.clock.advance(0.05)
            self.world.network.pump()

    def doubted(self, dead: bool) -> None:
        self.several.doubts[-1].callback(dead)
        self.world.network.pump()

    def test_who_answers_is_not_doubted(self) -> None:
        self.ask()
        self.wait(0.15)
        self.world.send(self.world.cluster, OK)
        self.wait(5)
        self.assertEqual([], self.several.doubts)

    def test_a_new_connection_is_not_doubted(self) -> None:
        other = self.world.client()
        self.ask()
        self.world.send(self.world.cluster, b"HTTP/1.1 200 OK\r\n")
        self.world.send(other, request("GET /east/pods"))
        self.wait(5)
        self.assertEqual([], self.several.doubts)

    def test_a_dead_one_is_left_and_the_request_repeated(self) -> None:
        self.ask()
        self.wait(0.35)
        self.doubted(True)
        self.assertEqual(2, len(self.world.clusters))
        self.world.send(self.world.cluster, OK)
        self.assertEqual(OK, self.client.take())
        self.assertEqual([0, 1], [record.retries for record in self.world.records])
        self.wait(5)
        self.assertEqual(1, len(self.several.doubts))

    def test_a_slow_one_is_waited_for_and_doubted_ever_less(self) -> None:
        self.ask()
        for _ in range(100):
            self.wait(0.1)
            for doubt in self.several.doubts:
                if not doubt.called:
                    doubt.callback(False)
        self.assertIn(len(self.several.doubts), (5, 6, 7))
        self.world.send(self.world.cluster, OK)
        self.assertEqual((OK, 1), (self.client.take(), len(self.world.clusters)))

    def test_an_endpoint_that_took_a_connection_a_moment_ago_is_not_asked_again(self) -> None:
        self.several.last = self.world.clock.seconds()
        self.wait(1.5)
        self.ask()
        self.wait(0.45)
        self.world.send(self.world.cluster, OK)
        self.assertEqual([], self.several.doubts)

    def test_but_the_next_time_it_is(self) -> None:
        self.several.last = self.world.clock.seconds()
        self.ask()
        self.wait(0.45)
        self.assertEqual([], self.several.doubts)
        self.wait(0.2)
        self.assertEqual(1, len(self.several.doubts))

    def test_slow_answers_share_a_probe(self) -> None:
        self.ask()
        self.wait(0.35)
        self.several.last = self.world.clock.seconds()
        self.wait(0.5)
        self.assertEqual(1, len(self.several.doubts))
        self.wait(0.5)
        self.assertEqual(2, len(self.several.doubts))

    def test_a_gateway_that_is_busy_itself_looks_again(self) -> None:
        self.ask()
        self.world.clock.advance(1)
        self.assertEqual([], self.several.doubts)
        self.wait(0.15)
        self.assertEqual(1, len(self.several.doubts))

    def test_an_answer_that_comes_with_the_judgement(self) -> None:
        self.ask()
        self.wait(0.35)
        self.world.send(self.world.cluster, OK)
        self.doubted(True)
        self.assertEqual((OK, 1), (self.client.take(), len(self.world.clusters)))

    def test_a_later_request_is_not_judged(self) -> None:
        self.ask()
        self.wait(0.35)
        self.world.send(self.world.cluster, OK)
        self.ask()
        self.doubted(True)
        self.assertEqual(1, len(self.world.clusters))

    def test_what_must_not_be_repeated_goes_on_waiting(self) -> None:
        self.ask("POST /east/pods", "Content-Length: 2", body=b"{}")
        self.wait(0.35)
        self.doubted(True)
        self.world.send(self.world.cluster, OK)
        self.assertEqual((OK, 1), (self.client.take(), len(self.world.clusters)))

    def test_a_client_that_goes_away(self) -> None:
        self.ask()
        self.wait(0.35)
        self.client.transport.loseConnection()
        self.world.network.pump()
        self.doubted(True)
        self.wait(5)
        self.assertEqual(1, len(self.several.doubts))
