"""pods/log."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from .conversation import World, make_pod


class Logs(SynchronousTestCase):
    def setUp(self) -> None:
        self.world = World()
        self.world.get("/log").lose()  # the container is there from now on
        self.world.clock.advance(5)

    def log(self, query: str = "") -> bytes:
        connection = self.world.get(f"/log?{query}")
        head, _, body = connection.take().partition(b"\r\n\r\n")
        self.assertIn(b"Content-Type: text/plain", head)
        return unchunked(body)

    def numbers(self, query: str = "") -> list[int]:
        return [int(line.split()[1]) for line in self.log(query).splitlines()]

    def test_everything(self) -> None:
        self.assertEqual(self.log().splitlines()[0], b"tick 1 pod=web cluster=east")
        self.assertEqual(self.numbers(), [1, 2, 3, 4, 5])

    def test_tail(self) -> None:
        self.assertEqual(self.numbers("tailLines=2"), [4, 5])
        self.assertEqual(self.numbers("tailLines=0"), [])

    def test_since(self) -> None:
        self.assertEqual(self.numbers("sinceSeconds=1"), [4, 5])
        self.assertEqual(self.numbers("sinceTime=1970-01-01T00:00:03Z"), [3, 4, 5])

    def test_timestamps(self) -> None:
        lines = self.log("timestamps=true&tailLines=1")
        self.assertEqual(lines, b"1970-01-01T00:00:05.000000000Z tick 5 pod=web cluster=east\n")

    def test_limit(self) -> None:
        self.assertEqual(self.log("limitBytes=10"), b"tick 1 pod")

    def test_follow(self) -> None:
        connection = self.world.get("/log?follow=true&tailLines=1")
        self.assertIn(b"tick 5 ", connection.take())
        self.world.clock.advance(1)
        self.assertIn(b"tick 6 ", connection.take())
        self.world.clock.advance(2)
        self.assertEqual(connection.take().count(b"tick"), 2)
        connection.lose()
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_follow_to_the_limit(self) -> None:
        connection = self.world.get("/log?follow=true&tailLines=0&limitBytes=6")
        self.world.clock.advance(1)
        self.assertTrue(connection.take().endswith(b"6\r\ntick 6\r\n0\r\n\r\n"))

    def test_follow_waits_for_the_reader_and_drops_nothing(self) -> None:
        connection = self.world.get("/log?follow=true&tailLines=0")
        connection.stop_reading()
        connection.take()
        self.world.clock.pump([1] * 5)
        self.assertEqual(connection.take(), b"")
        connection.read_again()
        self.assertEqual(connection.take().count(b"tick"), 5)

    def test_follow_ends_with_the_pod(self) -> None:
        connection = self.world.get("/log?follow=true&tailLines=0")
        self.world.streams.forget("default", "web")
        self.assertTrue(connection.take().endswith(b"0\r\n\r\n"))

    def test_another_pod_of_the_same_name(self) -> None:
        self.world.pod["metadata"]["uid"] = "another"
        self.assertEqual(self.numbers(), [])

    def test_only_what_is_kept(self) -> None:
        self.world.clock.advance(100_000)
        numbers = self.numbers()
        self.assertEqual((len(numbers), numbers[-1]), (1000, 100_005))

    def test_a_container_that_ran_before_anybody_looked(self) -> None:
        stamp = {"name": "main", "state": {"running": {"startedAt": "1970-01-01T00:00:02Z"}}}
        self.world.pod = make_pod("other", containerStatuses=[stamp])
        self.assertEqual(self.numbers(), [1, 2, 3])

    def test_previous(self) -> None:
        self.assertIn(b" 400 ", self.world.get("/log?previous=true").take_head())
        status = {"name": "main", "restartCount": 1, "state": {"running": {"startedAt": "1970-01-01T00:00:02Z"}}}
        self.world.pod = make_pod("other", containerStatuses=[status])
        self.assertIn(b"tick 1 ", self.log("previous=true"))

    def test_refused(self) -> None:
        for query, code in (
            ("tailLines=-1", 422),
            ("tailLines=x", 400),
            ("sinceSeconds=0", 422),
            ("limitBytes=0", 422),
            ("sinceTime=yesterday", 400),
            ("sinceTime=1970-01-01T00:00:03Z&sinceSeconds=1", 422),
            ("container=other", 400),
        ):
            self.assertIn(b" %d " % code, self.world.get(f"/log?{query}").take_head(), query)

    def test_not_started_yet(self) -> None:
        self.world.pod = make_pod("other", phase="Pending")
        answer = self.world.get("/log").take()
        self.assertIn(b'container "main" in pod "other" is waiting to start', answer)


def unchunked(body: bytes) -> bytes:
    """The content of a whole chunked body."""
    whole = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        if int(size, 16) == 0:
            return whole
        whole += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
