from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.backoff import Backoff
from clustergateway.model.reflector import Progress, Reflector, reflector


class Recorded:
    """Writes down what the machine has done."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def list(self) -> None:
        self.done.append("list")

    def watch(self, resource_version: str) -> None:
        self.done.append(f"watch {resource_version}")

    def wait(self, seconds: float) -> None:
        self.done.append(f"wait {seconds:g}")

    def abandon(self) -> None:
        self.done.append("abandon")


def machine(effects: Recorded) -> Reflector:
    return reflector(Progress(effects, lambda: 0.0, Backoff(first=1.0, most=8.0)))


class ReflectorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.effects = Recorded()
        self.machine = machine(self.effects)
        self.machine.start()

    def done(self) -> list[str]:
        done, self.effects.done = self.effects.done, []
        return done

    def watching(self) -> None:
        self.machine.listed("5")
        self.done()

    def test_list_then_watch(self) -> None:
        self.machine.listed("5")
        self.assertEqual(self.done(), ["list", "watch 5"])

    def test_list_fails(self) -> None:
        self.machine.failed(0.0)
        self.machine.due()
        self.machine.failed(0.0)
        self.machine.due()
        self.assertEqual(self.done(), ["list", "wait 1", "list", "wait 2", "list"])

    def test_server_asks_for_a_longer_wait(self) -> None:
        self.machine.failed(7.0)
        self.assertEqual(self.done(), ["list", "wait 7"])

    def test_watch_goes_on_from_where_it_was(self) -> None:
        self.watching()
        self.machine.progress("9")
        self.machine.ended()
        self.machine.due()
        self.assertEqual(self.done(), ["wait 0", "watch 9"])

    def test_fruitless_watches_are_spaced(self) -> None:
        self.watching()
        for _ in range(3):
            self.machine.ended()
            self.machine.due()
        self.assertEqual(self.done(), ["wait 1", "watch 5", "wait 2", "watch 5", "wait 4", "watch 5"])

    def test_watch_fails(self) -> None:
        self.watching()
        self.machine.failed(0.0)
        self.machine.due()
        self.assertEqual(self.done(), ["wait 1", "watch 5"])

    def test_progress_forgives(self) -> None:
        self.watching()
        for _ in range(3):
            self.machine.failed(0.0)
            self.machine.due()
        self.machine.progress("6")
        self.machine.failed(0.0)
        self.assertEqual(self.done()[-1], "wait 1")

    def test_expired(self) -> None:
        self.watching()
        self.machine.expired()
        self.machine.due()
        self.machine.listed("30")
        self.assertEqual(self.done(), ["wait 1", "list", "watch 30"])

    def test_silent(self) -> None:
        self.watching()
        self.machine.silent()
        self.assertEqual(self.done(), ["abandon", "watch 5"])

    def test_stop(self) -> None:
        """From every state; what comes late changes nothing."""
        for path in ([], ["listed"], ["failed"], ["listed", "failed"]):
            effects = Recorded()
            each = machine(effects)
            each.start()
            self.drive(each, path)
            each.stop()
            self.assertEqual(effects.done[-1], "abandon")
            self.drive(each, ["listed", "progress", "ended", "silent", "expired", "failed", "due", "stop"])
            self.assertEqual(effects.done[-1], "abandon")

    def test_stop_before_start(self) -> None:
        effects = Recorded()
        machine(effects).stop()
        self.assertEqual(effects.done, [])

    def drive(self, each: Reflector, inputs: list[str]) -> None:
        for name in inputs:
            if name in ("listed", "progress"):
                getattr(each, name)("1")
            elif name == "failed":
                each.failed(0.0)
            else:
                getattr(each, name)()

    @given(st.lists(st.sampled_from(["progress", "ended", "silent", "expired", "failed"])))
    def test_always_one_thing_under_way(self, watches: list[str]) -> None:
        """However its watches end, the machine has exactly one thing begun at any time."""
        effects = Recorded()
        each = machine(effects)
        each.start()
        for name in watches:
            while effects.done[-1].split()[0] != "watch":
                before = len(effects.done)
                self.drive(each, ["listed" if effects.done[-1] == "list" else "due"])
                self.assertEqual(len(effects.done), before + 1)
            effects.done = ["watch"]
            self.drive(each, [name])
            begun = [step for step in effects.done[1:] if step != "abandon"]
            self.assertEqual(len(begun), 0 if name == "progress" else 1)
