"""Tests for L{clustergateway.observe.auditsinks}."""

from __future__ import annotations

import json

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.observe.auditsinks import StreamSink, WebhookSink


class StreamTests(SynchronousTestCase):
    def test_lines(self) -> None:
        written: list[str] = []
        sink = StreamSink(written.append)
        sink.write(["{}", "[]"])
        sink.close()
        self.assertEqual((written, sink.written, sink.dropped), (["{}\n[]\n"], 2, 0))

    def test_a_broken_pipe(self) -> None:
        def broken(text: str) -> None:
            raise BrokenPipeError(32, "Broken pipe")

        sink = StreamSink(broken)
        sink.write(["{}", "[]"])
        self.assertEqual((sink.written, sink.dropped), (0, 2))


class WebhookTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.posted: list[tuple[list[object], Deferred[int]]] = []
        self.sink = WebhookSink(self.post, self.clock, batch=2, waiting=5, wait=1.0, attempts=3)

    def post(self, body: bytes) -> Deferred[int]:
        document = json.loads(body)
        self.assertEqual(
            {key: document[key] for key in document if key != "items"},
            {"kind": "EventList", "apiVersion": "audit.k8s.io/v1", "metadata": {}},
        )
        answer: Deferred[int] = Deferred()
        self.posted.append((document["items"], answer))
        return answer

    def sent(self) -> list[list[object]]:
        return [items for items, _ in self.posted]

    def answer(self, code: int) -> None:
        self.posted[-1][1].callback(code)

    def test_a_batch_waits_to_be_filled(self) -> None:
        self.sink.write(["1"])
        self.assertEqual(self.sent(), [])
        self.sink.write(["2"])
        self.assertEqual(self.sent(), [[1, 2]])
        self.answer(200)
        self.assertEqual(self.sink.written, 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_but_not_for_long(self) -> None:
        self.sink.write(["1"])
        self.clock.advance(1)
        self.assertEqual(self.sent(), [[1]])

    def test_one_at_a_time(self) -> None:
        self.sink.write(["1", "2", "3"])
        self.assertEqual(self.sent(), [[1, 2]])
        self.answer(204)
        self.clock.advance(1)
        self.assertEqual(self.sent(), [[1, 2], [3]])

    def test_large_ones(self) -> None:
        """Neither what waits nor a batch grows with what events hold."""
        self.sink = WebhookSink(self.post, self.clock, batch=4, waiting=100, largest=88)
        events = ["1", "2", json.dumps("x" * 30), json.dumps("y" * 30), "3", json.dumps("z" * 30)]
        self.sink.write(events)
        self.assertEqual(self.sink.dropped, 1)
        for _ in range(4):
            self.answer(200)
            self.clock.advance(1)
        self.assertEqual(self.sent(), [[1, 2], ["x" * 30], ["y" * 30], [3]])
        self.assertEqual(self.sink.written, 5)
        self.sink.write(events[2:4])
        self.assertEqual(self.sink.dropped, 1)

    def test_the_newest_are_dropped(self) -> None:
        self.sink.write(["1", "2", "3"])
        self.sink.write(["4", "5", "6", "7"])
        self.assertEqual(self.sink.dropped, 2)
        for expected in ([1, 2], [3, 4], [5]):
            self.assertEqual(self.posted[-1][0], expected)
            self.answer(200)
            self.clock.advance(1)

    def test_a_failed_batch_is_tried_again_more_and_more_slowly(self) -> None:
        self.sink.write(["1", "2"])
        self.answer(500)
        self.sink.write(["3"])
        self.clock.advance(1.9)
        self.assertEqual(self.sent(), [[1, 2]])
        self.clock.advance(0.1)
        self.posted[-1][1].errback(OSError())
        self.clock.advance(4)
        self.answer(200)
        self.assertEqual((self.sent(), self.sink.written), ([[1, 2]] * 3, 2))
        self.clock.advance(1)
        self.assertEqual(self.sent()[-1], [3])

    def test_and_given_up(self) -> None:
        self.sink.write(["1", "2", "3"])
        for wait in (2, 4, 1):
            self.answer(503)
            self.clock.advance(wait)
        self.assertEqual((self.sink.written, self.sink.dropped), (0, 2))
        self.assertEqual(self.sent()[-1], [3])

    def test_the_end(self) -> None:
        self.sink.write(["1"])
        self.sink.close()
        self.assertEqual(self.sent(), [[1]])
        self.sink.write(["2"])
        self.answer(500)
        self.assertEqual(self.sink.dropped, 2)
        self.assertEqual(self.clock.getDelayedCalls(), [])
