"""Tests for L{clustergateway.credentials.places}."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.credentials.places import NoPlace, Places
from clustergateway.credentials.process import Output, PluginFailed

DONE = Output(b"", b"")


class PlaceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.places = Places(self.clock, 10.0, most=3, most_failing=1)
        self.started: list[str] = []
        self.runs: dict[str, Deferred[Output]] = {}

    def ask(self, name: str, failing: bool = False) -> Deferred[Output]:
        def start() -> Deferred[Output]:
            self.started.append(name)
            self.runs[name] = Deferred(lambda run: run.errback(PluginFailed("was stopped")))
            return self.runs[name]

        return self.places.run(start, failing)

    def why(self, result: Deferred[Output], kind: type[PluginFailed]) -> str:
        error = self.failureResultOf(result, kind).value
        assert isinstance(error, PluginFailed)
        return error.why

    def test_in_the_order_asked_for(self) -> None:
        results = {name: self.ask(name) for name in "abcdef"}
        self.assertEqual(self.started, list("abc"))
        self.runs["b"].callback(DONE)
        self.assertEqual(self.started, list("abcd"))
        self.runs["a"].errback(PluginFailed("ended"))
        self.assertEqual(self.started, list("abcde"))
        self.assertIs(self.successResultOf(results["b"]), DONE)
        self.assertEqual(self.why(results["a"], PluginFailed), "ended")
        self.assertNoResult(results["f"])

    def test_ends_at_once(self) -> None:
        """One that cannot be started keeps no place."""
        results = [self.places.run(self.failing) for _ in range(10)]
        self.assertEqual({self.why(result, PluginFailed) for result in results}, {"broken"})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_many_that_end_at_once(self) -> None:
        held = [self.ask(name) for name in "abc"]
        results = [self.places.run(self.failing) for _ in range(2000)]
        self.runs["a"].callback(DONE)
        self.successResultOf(held[0])
        self.assertEqual({self.why(result, PluginFailed) for result in results}, {"broken"})

    @staticmethod
    def failing() -> Deferred[Output]:
        failed: Deferred[Output] = Deferred()
        failed.errback(PluginFailed("broken"))
        return failed

    def test_failing_ones_have_fewer_places(self) -> None:
        for name in "abc":
            self.ask(name, failing=True)
        for name in "xyz":
            self.ask(name)
        self.assertEqual(self.started, list("axy"))
        self.runs["x"].callback(DONE)
        self.assertEqual(self.started, list("axyz"))
        self.runs["a"].callback(DONE)
        self.assertEqual(self.started, list("axyzb"))

    def test_waits_no_longer_than_that(self) -> None:
        for name in "abc":
            self.ask(name)
        late = self.ask("late")
        self.clock.advance(9.0)
        later = self.ask("later")
        self.clock.advance(1.0)
        self.assertEqual(self.why(late, NoPlace), "was not run: other clusters' plugins took all places for 10 seconds")
        self.runs["a"].callback(DONE)
        self.assertEqual(self.started, ["a", "b", "c", "later"])
        self.clock.advance(60.0)
        self.assertNoResult(later)

    def test_closed(self) -> None:
        running, (waiting, *_) = [self.ask(name) for name in "abc"], [self.ask("d")]
        self.places.close()
        self.assertEqual({self.why(each, PluginFailed) for each in running}, {"was stopped"})
        for each in (waiting, self.ask("e")):
            self.assertEqual(self.why(each, NoPlace), "was not run: the gateway is stopping")
        self.assertEqual((self.started, self.clock.getDelayedCalls()), (list("abc"), []))
