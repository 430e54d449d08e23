"""Tests for L{clustergateway.observe.logs} and L{clustergateway.observe.all}."""

from __future__ import annotations

import json

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.identity import Identity
from clustergateway.model.record import Record
from clustergateway.observe.all import Observers
from clustergateway.observe.logs import AccessLog


def record(**more: object) -> Record:
    fields: dict[str, object] = {"started": 1.5, "ended": 2.0, "code": 200, "outcome": "complete", **more}
    return Record("GET", fields.pop("target", "/a"), **fields)  # type: ignore[arg-type]


class AccessLogTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.written: list[str] = []
        self.log = AccessLog(self.written.append, self.clock)

    def lines(self) -> list[dict[str, object]]:
        self.clock.advance(0)
        return [json.loads(line) for text in self.written for line in text.splitlines()]

    def test_one_line_a_request_one_write_a_turn(self) -> None:
        self.log.finished(record(cluster="east"))
        self.log.finished(record(cluster="west"))
        self.assertEqual(self.written, [])
        self.assertEqual([line["cluster"] for line in self.lines()], ["east", "west"])
        self.assertEqual(len(self.written), 1)

    def test_what_a_line_says(self) -> None:
        self.log.finished(
            record(identity=Identity("jane"), resource="pods", subresource="exec", cause='said "no"', retries=1)
        )
        (line,) = self.lines()
        self.assertEqual(line["time"], "1970-01-01T00:00:02.000Z")
        self.assertEqual(line["user"], "jane")
        self.assertEqual(line["resource"], "pods/exec")
        self.assertEqual(line["seconds"], 0.5)
        self.assertEqual(line["cause"], 'said "no"')
        self.assertEqual(line["retries"], 1)

    def test_for_whom_a_proxy_asks(self) -> None:
        self.log.finished(record(address="10.0.0.1", forwarded=("192.0.2.1", "192.0.2.2")))
        self.log.finished(record(address="10.0.0.1"))
        first, second = self.lines()
        self.assertEqual((first["address"], first["forwarded"]), ("10.0.0.1", ["192.0.2.1", "192.0.2.2"]))
        self.assertNotIn("forwarded", second)

    def test_the_query_is_left_out(self) -> None:
        self.log.finished(record(target="/exec?command=echo&command=password"))
        self.assertEqual(self.lines()[0]["path"], "/exec")
        self.assertNotIn("password", self.written[0])

    def test_nobody_can_forge_a_line(self) -> None:
        self.log.finished(record(target='/a"}\n{"user":"root', user_agent="x\ny"))
        (line,) = self.lines()
        self.assertEqual(line["path"], '/a"}\n{"user":"root')


class ObserversTests(SynchronousTestCase):
    def test_one_that_fails_keeps_nobody_from_hearing(self) -> None:
        heard: list[Record] = []

        class Broken:
            def finished(self, record: Record) -> None:
                raise ValueError("broken")

        class Ear:
            def finished(self, record: Record) -> None:
                heard.append(record)

        one = record()
        Observers(Broken(), Ear()).finished(one)
        self.assertEqual(heard, [one])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
