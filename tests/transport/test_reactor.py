from __future__ import annotations

import gc

from twisted.internet.epollreactor import EPollReactor
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.selectreactor import SelectReactor
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.transport.reactor import lean, settle_gc


class Descriptor:
    """Readable or writable whenever the poller says so."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.seen: list[str] = []
        self.answer: Exception | None = None

    def fileno(self) -> int:
        return self.number

    def logPrefix(self) -> str:
        return "-"

    def doRead(self) -> Exception | None:
        self.seen.append("read")
        if isinstance(self.answer, ZeroDivisionError):
            raise self.answer
        return self.answer

    def doWrite(self) -> None:
        self.seen.append("write")

    def connectionLost(self, reason: object) -> None:
        self.seen.append("lost")


class Poller:
    """Gives out what it is told to; registers anything."""

    def __init__(self) -> None:
        self.events: list[tuple[int, int]] = []
        self.interrupted = False

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        if self.interrupted:
            raise InterruptedError
        events, self.events = self.events, []
        return events

    def register(self, fd: int, flags: int) -> None: ...

    def modify(self, fd: int, flags: int) -> None: ...

    def unregister(self, fd: int) -> None: ...


class Lean(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = EPollReactor()
        self.addCleanup(self.reactor._poller.close)
        self.assertTrue(lean(self.reactor))
        self.poller = self.reactor._poller = Poller()
        self.descriptor = Descriptor(1000)
        self.reactor.addReader(self.descriptor)

    def turn(self, *events: tuple[int, int]) -> list[str]:
        self.poller.events = list(events)
        self.reactor.doIteration(0)
        seen, self.descriptor.seen = self.descriptor.seen, []
        return seen

    def test_readable(self) -> None:
        self.assertEqual(["read"], self.turn((1000, 1)))

    def test_writable_as_well(self) -> None:
        self.reactor.addWriter(self.descriptor)
        self.assertEqual(["read", "write"], self.turn((1000, 5)))

    def test_hung_up(self) -> None:
        self.assertEqual(["lost"], self.turn((1000, 16)))

    def test_ended(self) -> None:
        self.descriptor.answer = CONNECTION_DONE
        self.assertEqual(["read", "lost"], self.turn((1000, 1)))
        self.assertEqual([], self.turn((1000, 1)))

    def test_failed(self) -> None:
        self.descriptor.answer = ZeroDivisionError()
        self.assertEqual(["read", "lost"], self.turn((1000, 1)))
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_a_descriptor_that_is_gone(self) -> None:
        self.assertEqual([], self.turn((1001, 1)))

    def test_interrupted(self) -> None:
        self.poller.interrupted = True
        self.assertEqual([], self.turn())


class Others(SynchronousTestCase):
    def test_stay_as_they_are(self) -> None:
        reactor = SelectReactor()
        before = reactor.doIteration
        self.assertFalse(lean(reactor))
        self.assertEqual(before, reactor.doIteration)

    def test_gc(self) -> None:
        before = gc.get_threshold()
        self.addCleanup(gc.set_threshold, *before)
        self.addCleanup(gc.unfreeze)
        settle_gc()
        self.assertGreater(gc.get_freeze_count(), 0)
        self.assertTrue(gc.isenabled())
