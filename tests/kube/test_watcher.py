from __future__ import annotations

from collections.abc import Callable

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import GatewayError
from clustergateway.kube.client import Object
from clustergateway.kube.watcher import DOUBT, PROBE, SETTLED, SILENCE, Watcher
from clustergateway.model.resourcetype import SECRETS
from clustergateway.testing.hub import Answer, Body, FakeHub, refuse, reply, silence, status, stream, truncate


def named(name: str, version: str = "1") -> Object:
    return {"metadata": {"name": name, "namespace": "vela", "resourceVersion": version}}


def listing(*names: str, version: str = "5", **metadata: str) -> Answer:
    return reply(200, {"metadata": {"resourceVersion": version, **metadata}, "items": [named(name) for name in names]})


class Diary:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.then: Callable[[], None] = lambda: None

    def replaced(self, items: list[Object], resource_version: str) -> None:
        self.told.append("= " + " ".join(each["metadata"]["name"] for each in items))
        self.then()

    def changed(self, type: str, content: Object) -> None:
        self.told.append(f"{type} {content['metadata']['name']}")
        self.then()

    def reached(self, resource_version: str) -> None:
        self.told.append(f"reached {resource_version}")

    def stale(self, error: GatewayError) -> None:
        self.told.append("stale")
        self.then()

    def fresh(self) -> None:
        self.told.append("fresh")


class WatcherTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.diary = Diary()
        self.body = Body()

    def begin(self, *answers: Answer) -> None:
        self.hub = FakeHub(*answers)
        self.client = self.hub.client(self.clock)
        self.watcher = Watcher(
            self.client,
            SECRETS,
            self.diary,
            self.clock,
            lambda: 0.0,
            "vela",
            [("labelSelector", "kind=cluster")],
        )
        self.watcher.start()

    def told(self) -> list[str]:
        told, self.diary.told = self.diary.told, []
        return told

    def asked(self) -> list[str]:
        asked = [
            f"watch {each.query['resourceVersion']}" if "watch" in each.query else "list" for each in self.hub.asked
        ]
        self.hub.asked.clear()
        return asked

    def test_requests(self) -> None:
        self.begin(listing("a"), stream(self.body))
        first, second = self.hub.asked
        self.assertEqual(first.path, "/api/v1/namespaces/vela/secrets")
        self.assertEqual(first.query, {"labelSelector": "kind=cluster", "limit": "500"})
        self.assertEqual(
            second.query,
            {
                "labelSelector": "kind=cluster",
                "watch": "true",
                "allowWatchBookmarks": "true",
                "resourceVersion": "5",
                "timeoutSeconds": "300",
            },
        )

    def test_changes(self) -> None:
        self.begin(listing("a", "b"), stream(self.body))
        self.body.event("ADDED", **named("c", "6"))
        self.body.event("MODIFIED", **named("a", "7"))
        self.body.event("DELETED", **named("b", "8"))
        self.body.event("BOOKMARK", metadata={"resourceVersion": "9"})
        self.assertEqual(
            self.told(),
            ["fresh", "= a b", "fresh", "ADDED c", "fresh", "MODIFIED a", "fresh", "DELETED b", "fresh", "reached 9"],
        )

    def test_stopped_before_the_first_watch_is_answered(self) -> None:
        self.begin(listing("a"), silence)
        self.watcher.stop()
        self.clock.advance(60)
        self.assertEqual(self.told(), ["fresh", "= a"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopped_before_the_watch_behind_a_slow_list_is_answered(self) -> None:
        body = Body()
        self.begin(stream(body), silence)
        body.send(b'{"metadata": {"resourceVersion": "5"}, "items": []}')
        body.end()
        self.watcher.stop()
        self.clock.advance(60)
        self.assertEqual(self.told(), ["fresh", "= "])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_ends_and_goes_on(self) -> None:
        self.begin(listing(), stream(self.body), stream(Body()))
        self.body.event("BOOKMARK", metadata={"resourceVersion": "9"})
        self.body.end()
        self.clock.advance(0)
        self.assertEqual(self.asked(), ["list", "watch 5", "watch 9"])
        self.assertNotIn("stale", self.told())

    def test_list_troubles(self) -> None:
        """Each is followed by another list, later and later."""
        troubles: list[Answer] = [
            refuse,
            truncate(b"{"),
            reply(200, b"<html>"),
            reply(200, {"metadata": {}, "items": []}),
            status(500, "InternalError"),
            status(403, "Forbidden"),
        ]
        self.begin(*troubles, listing("a"), stream(self.body))
        for seconds in (1, 2, 4, 8, 16, 30):
            self.assertEqual(self.asked(), ["list"])
            self.clock.advance(seconds - 0.1)
            self.assertEqual(self.asked(), [])
            self.clock.advance(0.1)
        self.assertEqual(self.told(), ["stale"] * 6 + ["fresh", "= a"])
        self.clock.advance(SETTLED)
        self.assertEqual(self.told(), ["fresh"])

    def test_too_many_requests(self) -> None:
        self.begin(status(429, "TooManyRequests", retry_after="7"), listing(), status(429, "", retry_after="9"))
        self.clock.advance(6.9)
        self.assertEqual(self.asked(), ["list"])
        self.clock.advance(0.1)
        self.assertEqual(self.asked(), ["list", "watch 5"])
        self.clock.advance(8.9)
        self.assertEqual(self.asked(), [])
        self.clock.advance(0.1)
        self.assertEqual(self.asked(), ["watch 5"])

    def test_slow_list(self) -> None:
        self.begin(silence)
        self.clock.advance(10)
        self.assertEqual(self.told(), ["stale"])
        self.clock.advance(1)
        self.assertEqual(self.asked(), ["list", "list"])

    def test_endless_pages(self) -> None:
        self.begin()
        pages: Answer = listing("a", **{"continue": "more"})
        self.hub.otherwise = silence
        self.hub.answers = [pages] * 3
        self.clock.advance(10)
        self.clock.advance(1)
        self.clock.advance(10)
        self.assertEqual(self.told(), ["stale", "stale"])

    def test_expired_between_pages(self) -> None:
        self.begin(listing("a", **{"continue": "more"}), status(410, "Expired"), listing("a", "b"))
        self.clock.advance(1)
        self.assertEqual(self.told(), ["stale", "fresh", "= a b"])

    def test_watch_troubles(self) -> None:
        """Those that say nothing about the version are followed by a watch from where it was."""
        for trouble in (refuse, status(500, ""), status(401, "Unauthorized"), truncate(b""), reply(200, b"nonsense\n")):
            self.diary.told.clear()
            self.begin(listing("a"), trouble, stream(self.body))
            self.clock.advance(1)
            self.assertEqual(self.asked(), ["list", "watch 5", "watch 5"])
            self.assertIn("stale", self.diary.told)
            self.watcher.stop()
            self.body = Body()

    def test_broken_in_the_middle(self) -> None:
        self.begin(listing(), stream(self.body), stream(Body()))
        self.body.event("ADDED", **named("a", "6"))
        self.body.send(b'{"type": "ADD')
        self.body.break_off()
        self.assertEqual(self.told()[-2:], ["ADDED a", "stale"])
        self.clock.advance(1)
        self.assertEqual(self.asked()[-1], "watch 6")

    def test_ended_in_the_middle_of_an_event(self) -> None:
        self.begin(listing(), stream(self.body))
        self.body.send(b'{"type": "ADD')
        self.body.end()
        self.assertEqual(self.told()[-1], "stale")

    def test_expired_in_the_middle(self) -> None:
        self.begin(listing("a"), stream(self.body), listing("b", version="30"), stream(Body()))
        self.body.event("ERROR", kind="Status", code=410, reason="Expired")
        self.assertTrue(self.body.hung_up)
        self.clock.advance(1)
        self.assertEqual(self.asked(), ["list", "watch 5", "list", "watch 30"])
        self.assertEqual(self.told(), ["fresh", "= a", "fresh", "= b"])

    def test_expired_at_once(self) -> None:
        self.begin(listing(), status(410, "Expired"), listing(version="30"), stream(self.body))
        self.clock.advance(1)
        self.assertEqual(self.asked(), ["list", "watch 5", "list", "watch 30"])

    def test_refused_watch_lists_again(self) -> None:
        self.begin(listing(), status(403, "Forbidden"), listing(), stream(self.body))
        self.assertIn("stale", self.told())
        self.clock.advance(1)
        self.assertEqual(self.asked(), ["list", "watch 5", "list", "watch 5"])

    def test_half_open(self) -> None:
        """A connection whose other end is gone says nothing, for ever."""
        self.begin(listing(), stream(self.body), stream(Body()))
        self.clock.advance(SILENCE - 1)
        self.body.event("BOOKMARK", metadata={"resourceVersion": "9"})
        self.clock.advance(SILENCE - 1)
        self.assertFalse(self.body.hung_up)
        self.clock.advance(1)
        self.assertTrue(self.body.hung_up)
        self.assertEqual(self.asked(), ["list", "watch 5", "watch 9"])

    def test_watch_that_is_not_answered(self) -> None:
        self.begin(listing(), silence, stream(self.body))
        self.clock.advance(10)
        self.assertEqual(self.told()[-1], "stale")
        self.clock.advance(1)
        self.assertEqual(self.asked(), ["list", "watch 5", "watch 5"])
        self.assertEqual(self.told(), [])
        self.clock.advance(SETTLED)
        self.assertEqual(self.told(), ["fresh"])

    def test_silent_and_gone(self) -> None:
        """The watch that finds out is given less time than others."""
        self.begin(listing(), stream(self.body))
        self.clock.advance(SILENCE)
        self.told()
        self.clock.advance(PROBE)
        self.assertEqual(self.told(), ["stale"])

    def missed(self) -> None:
        """Another call is not answered in time."""
        self.client.pulse.missed()

    def test_doubted(self) -> None:
        """When something else is not answered, a quiet watch is begun anew, and whoever is gone is found out."""
        self.begin(listing(), stream(self.body), stream(second := Body()))
        self.clock.advance(DOUBT)
        self.missed()
        self.assertTrue(self.body.hung_up)
        self.assertEqual(self.asked(), ["list", "watch 5", "watch 5"])
        self.clock.advance(DOUBT)
        self.told()
        self.missed()
        self.assertTrue(second.hung_up)
        self.assertEqual(self.asked(), ["watch 5"])
        self.assertEqual(self.told(), [])
        self.clock.advance(PROBE)
        self.assertEqual(self.told(), ["stale"])

    def test_not_doubted(self) -> None:
        """What has just been heard is there, and what is being tried will be known soon."""
        self.begin(listing(), stream(self.body), silence)
        self.missed()
        self.clock.advance(50)
        self.body.event("BOOKMARK", metadata={"resourceVersion": "9"})
        self.clock.advance(DOUBT - 0.1)
        self.missed()
        self.assertEqual(self.asked(), ["list", "watch 5"])
        self.clock.advance(0.1)
        self.missed()
        self.missed()
        self.assertEqual(self.asked(), ["watch 9"])

    def test_a_doubt_is_for_once(self) -> None:
        """The watch after the one that found out has its full time."""
        self.begin(listing(), stream(self.body), silence, silence)
        self.clock.advance(DOUBT)
        self.missed()
        self.clock.advance(PROBE)
        self.clock.advance(1)
        self.told()
        self.clock.advance(9.9)
        self.assertEqual(self.told(), [])
        self.clock.advance(0.1)
        self.assertEqual(self.told(), ["stale"])

    def test_nonsense_is_not_hearing(self) -> None:
        """Whatever answers 200 to everything is no apiserver."""
        for nonsense in (b"", b"<html>", b"<html>\n", b"{}\n", b'{"type": "ADDED", "object": {}}\n'):
            self.begin(listing(), refuse)
            self.hub.otherwise = reply(200, nonsense)
            self.told()
            self.clock.pump([0.5] * 100)
            self.assertNotIn("fresh", self.told(), nonsense)
            self.watcher.stop()

    def test_nonsense_without_end(self) -> None:
        self.begin(listing(), refuse, stream(self.body))
        self.clock.advance(1)
        self.told()
        self.body.send(b"<html>")
        self.clock.pump([1.0] * 80)
        self.assertEqual(self.told(), [])

    def test_server_that_ends_every_watch_at_once(self) -> None:
        self.begin(listing())
        self.hub.otherwise = reply(200, b"")
        self.clock.pump([1.0] * 60)
        self.assertLess(len(self.asked()), 10)

    def test_stop(self) -> None:
        """At any point; nothing is left behind."""
        for answers, advance in (
            ([silence], 0),
            ([refuse], 0),
            ([listing(), silence], 0),
            ([listing(), refuse], 0),
            ([listing(), stream(self.body)], 0),
        ):
            self.begin(*answers)
            self.clock.advance(advance)
            self.watcher.stop()
            self.assertEqual(self.clock.getDelayedCalls(), [])
            self.asked()
            self.missed()
            self.assertEqual(self.asked(), [])
        self.assertTrue(self.body.hung_up)

    def test_stop_from_within(self) -> None:
        """A follower may stop the watcher while it is being told something."""
        for answers in ([listing("a")], [refuse], [listing(), stream(self.body)]):
            self.diary.then = lambda: None
            self.begin()
            self.watcher.stop()
            self.hub = FakeHub(*answers)
            self.watcher = Watcher(self.hub.client(self.clock), SECRETS, self.diary, self.clock, lambda: 0.0)
            self.diary.then = self.stop_watcher(skip=len(answers) - 1)
            self.watcher.start()
            if len(answers) == 2:
                self.body.event("ADDED", **named("b", "6"))
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def stop_watcher(self, skip: int) -> Callable[[], None]:
        left = [skip]

        def then() -> None:
            if left[0]:
                left[0] -= 1
            else:
                self.watcher.stop()

        return then
