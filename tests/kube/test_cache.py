from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import HubUnavailable
from clustergateway.kube.cache import Handlers, Informer
from clustergateway.kube.client import Object
from clustergateway.kube.watcher import PROBE
from clustergateway.model.resourcetype import SECRETS
from clustergateway.testing.hub import Answer, Body, FakeHub, refuse, reply, silence, stream


def named(name: str, version: str = "1") -> Object:
    return {"metadata": {"name": name, "namespace": "vela", "resourceVersion": version}}


def listing(*items: Object, version: str = "5") -> Answer:
    return reply(200, {"metadata": {"resourceVersion": version}, "items": list(items)})


class InformerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.body = Body()
        self.told: list[str] = []

    def begin(self, *answers: Answer) -> Informer:
        self.informer = Informer(FakeHub(*answers).client(self.clock), SECRETS, self.clock, lambda: 0.0, "vela")
        self.informer.subscribe(self.handlers())
        self.informer.start()
        return self.informer

    def handlers(self, mark: str = "") -> Handlers:
        def version(content: Object) -> str:
            return f"{content['metadata']['name']}{content['metadata']['resourceVersion']}"

        return Handlers(
            lambda content: self.told.append(f"{mark}+{version(content)}"),
            lambda old, new: self.told.append(f"{mark}{version(old)}>{version(new)}"),
            lambda content: self.told.append(f"{mark}-{version(content)}"),
        )

    def test_copy(self) -> None:
        informer = self.begin(listing(named("a"), named("b")), stream(self.body))
        self.body.event("MODIFIED", **named("a", "6"))
        self.body.event("DELETED", **named("b", "7"))
        self.body.event("ADDED", **named("c", "8"))
        self.assertEqual(self.told, ["+a1", "+b1", "a1>a6", "-b7", "+c8"])
        self.assertEqual(sorted(each["metadata"]["name"] for each in informer.all()), ["a", "c"])
        self.assertEqual(informer.get("a", "vela"), named("a", "6"))
        self.assertIsNone(informer.get("b", "vela"))
        self.assertIsNone(informer.get("a"))
        self.assertEqual(informer.resource_version, "8")

    def test_bookmark(self) -> None:
        informer = self.begin(listing(), stream(self.body))
        self.body.event("BOOKMARK", metadata={"resourceVersion": "9"})
        self.assertEqual((informer.resource_version, self.told), ("9", []))

    def test_another_list_tells_only_differences(self) -> None:
        informer = self.begin(
            listing(named("a"), named("b"), named("c")),
            stream(self.body),
            listing(named("b"), named("c", "20"), named("d", "21"), version="30"),
            stream(Body()),
        )
        self.told.clear()
        self.body.event("ERROR", code=410)
        self.clock.advance(1)
        self.assertEqual(self.told, ["c1>c20", "+d21", "-a1"])
        self.assertEqual(informer.resource_version, "30")

    def test_odd_events(self) -> None:
        """What was not there cannot go; what is there again is a change."""
        self.begin(listing(named("a")), stream(self.body))
        self.body.event("DELETED", **named("x", "6"))
        self.body.event("ADDED", **named("a", "7"))
        self.body.event("ADDED", metadata={"resourceVersion": "8"})
        self.assertEqual(self.told, ["+a1", "a1>a7"])

    def test_objects_without_names_are_passed_over(self) -> None:
        informer = self.begin(listing({}, {"metadata": None}, {"metadata": {"name": 1}}, named("a")), silence)
        self.assertEqual([*informer.all()], [named("a")])

    def test_synced(self) -> None:
        informer = self.begin(refuse, listing(), silence)
        waiting, gone = informer.when_synced(), informer.when_synced()
        gone.cancel()
        self.failureResultOf(gone)
        self.assertNoResult(waiting)
        self.clock.advance(1)
        self.successResultOf(waiting)
        self.assertTrue(informer.synced)
        self.successResultOf(informer.when_synced())

    def test_last_state_stays_and_says_since_when(self) -> None:
        self.clock.advance(1000)
        informer = self.begin(listing(named("a")), stream(self.body), refuse, stream(Body()))
        self.assertEqual((informer.stale_since, informer.problems()), (None, ()))
        self.clock.advance(20)
        self.body.event("BOOKMARK", metadata={"resourceVersion": "6"})
        self.clock.advance(30)
        self.body.break_off()
        self.clock.advance(1)
        self.assertEqual(informer.stale_since, 1020)
        cause = "The hub cannot be reached: the connection is refused."
        self.assertEqual(informer.problems(), (f"secrets of the hub have not been heard of for 31 s: {cause}",))
        self.assertIsNotNone(informer.get("a", "vela"))
        self.clock.advance(2)
        self.clock.advance(1)
        self.assertEqual((informer.stale_since, informer.problems()), (None, ()))

    def test_log_says_since_when(self) -> None:
        self.clock.advance(1000)
        informer = self.begin(listing(named("a")), stream(self.body), silence, stream(Body()))
        with capturedLogs() as events:
            self.clock.advance(1)
            self.clock.advance(89)
            self.clock.advance(PROBE)
            self.assertEqual(informer.stale_since, 1001)
            self.clock.advance(1)
            self.clock.advance(1)
        cause = "The hub did not answer within 3 s."
        self.assertEqual(
            [formatEvent(event) for event in events],
            [
                f"secrets of the hub have not been heard of for 92 s: {cause}",
                "secrets of the hub are up to date, after 94 s",
            ],
        )

    def test_other_calls_hear_the_hub_too(self) -> None:
        hub = FakeHub(listing(), stream(self.body), reply(200, {}), reply(200, b"<html>"))
        client = hub.client(self.clock)
        informer = Informer(client, SECRETS, self.clock, lambda: 0.0, "vela")
        informer.start()
        self.clock.advance(1)
        for _ in range(2):
            self.clock.advance(40)
            Deferred.fromCoroutine(client.call("GET", "/version")).addErrback(
                lambda failure: failure.trap(HubUnavailable)
            )
        self.body.break_off()
        self.assertEqual(informer.stale_since, 41)

    def test_nonsense_is_not_hearing(self) -> None:
        """Silence lasts until something is understood."""
        nonsense = reply(200, b"<html>\n")
        hub = FakeHub(listing(named("a")), stream(self.body), otherwise=nonsense)
        informer = Informer(hub.client(self.clock), SECRETS, self.clock, lambda: 0.0, "vela")
        informer.start()
        self.clock.advance(1)
        self.body.break_off()
        self.clock.pump([1.0] * 200)
        self.assertEqual(informer.stale_since, 1)
        self.assertIn("for 200 s", informer.problems()[0])

    def test_never_heard(self) -> None:
        informer = self.begin(silence)
        self.clock.advance(5)
        self.assertEqual(informer.stale_since, 0)
        self.assertIn("for 5 s: it has not answered yet", informer.problems()[0])
        self.assertFalse(informer.synced)

    def test_latecomer_and_leaver(self) -> None:
        informer = self.begin(listing(named("a")), stream(self.body))
        leave = informer.subscribe(self.handlers("late "))
        self.body.event("ADDED", **named("b", "6"))
        leave()
        self.body.event("ADDED", **named("c", "7"))
        self.assertEqual(self.told, ["+a1", "late +a1", "+b6", "late +b6", "+c7"])

    def test_a_failing_handler_stops_nobody(self) -> None:
        informer = self.begin(listing(), stream(self.body))

        def fails(_: Object) -> None:
            raise RuntimeError("in a handler")

        informer.subscribe(Handlers(added=fails))
        informer.subscribe(self.handlers("late "))
        self.body.event("ADDED", **named("a", "6"))
        self.assertEqual(self.told, ["+a6", "late +a6"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_stop(self) -> None:
        informer = self.begin(listing(named("a")), stream(self.body))
        informer.stop()
        self.assertIsNotNone(informer.get("a", "vela"))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_error_names_no_secret(self) -> None:
        informer = self.begin(refuse)
        informer.stale(HubUnavailable("away"))
        self.assertNotIn("t0ken", informer.problems()[0])
