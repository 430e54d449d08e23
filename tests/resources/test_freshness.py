"""Versions that a client has from another replica: waiting for them, and giving up."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.resources.freshness import INTERVAL, LONGEST

from .world import GATEWAYS, World, gateway

STREAMED = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=1"
ASKED = (
    f"{GATEWAYS}?resourceVersion=110",
    f"{GATEWAYS}?resourceVersion=110&resourceVersionMatch=NotOlderThan",
    f"{GATEWAYS}?resourceVersion=110&resourceVersionMatch=Exact",
    f"{GATEWAYS}?resourceVersion=110&limit=1",
    f"{GATEWAYS}/east?resourceVersion=110",
    f"{GATEWAYS}/nope?resourceVersion=110",
    f"{GATEWAYS}/east/health?resourceVersion=110",
    f"{GATEWAYS}?{STREAMED}&resourceVersion=110",
)


def names(listed: Any) -> list[str]:
    return [item["metadata"]["name"] for item in listed["items"]]


class FreshnessTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.heard = 0
        self.world = World(gateway("east", "7"), heard=lambda: self.heard)

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds / INTERVAL)):
            self.world.clock.advance(INTERVAL)

    def test_it_does_not_come(self) -> None:
        for target in ASKED:
            talk = self.world.open(target)
            self.wait(LONGEST - INTERVAL)
            self.assertEqual(talk.answer.code, 0, target)
            self.wait(3 * INTERVAL)
            answer = talk.answer
            self.assertTrue(answer.complete, target)
            status = answer.json
            if "watch" in target:
                self.assertEqual((answer.code, status["type"]), (200, "ERROR"))
                status = status["object"]
            else:
                self.assertEqual((answer.code, answer.headers["retry-after"]), (504, "1"), target)
            self.assertEqual(
                (status["code"], status["reason"], status["message"]),
                (504, "Timeout", "Timeout: Too large resource version: 110, current: 100"),
            )
            self.assertEqual(status["details"]["causes"][0]["reason"], "ResourceVersionTooLarge")
        self.assertEqual(self.world.clock.getDelayedCalls(), [])

    def test_it_comes_with_a_change(self) -> None:
        listed = self.world.open(f"{GATEWAYS}?resourceVersion=110")
        got = self.world.open(f"{GATEWAYS}/west?resourceVersion=110")
        streamed = self.world.open(f"{GATEWAYS}?{STREAMED}&resourceVersion=110")
        self.world.directory.put(gateway("west", "110"))
        self.wait(INTERVAL)
        self.assertEqual(names(listed.answer.json), ["east", "west"])
        self.assertEqual((got.answer.code, got.answer.json["metadata"]["name"]), (200, "west"))
        self.assertEqual([event["type"] for event in streamed.answer.events], ["ADDED", "ADDED", "BOOKMARK"])
        self.assertEqual(streamed.answer.events[-1]["object"]["metadata"]["resourceVersion"], "110")
        self.world.directory.put(gateway("west", "120"))
        self.assertEqual(len(streamed.answer.events), 4)

    def test_the_hub_says_that_nothing_happened(self) -> None:
        talk = self.world.open(f"{GATEWAYS}?resourceVersion=110")
        self.heard = 150
        self.wait(INTERVAL)
        # As far as was asked: another replica may not have heard of more.
        self.assertEqual(
            (names(talk.answer.json), talk.answer.json["metadata"]), (["east"], {"resourceVersion": "110"})
        )
        self.assertEqual(self.world.get(f"{GATEWAYS}?resourceVersion=150").code, 200)
        watching = self.world.open(f"{GATEWAYS}?watch=1&resourceVersion=105")
        self.world.directory.put(gateway("west", "151"))
        self.assertEqual(watching.answer.events[0]["object"]["metadata"]["resourceVersion"], "151")
        self.assertEqual(
            names(self.world.get(f"{GATEWAYS}?resourceVersion=120&resourceVersionMatch=Exact").json), ["east"]
        )

    def test_what_needs_no_waiting(self) -> None:
        for query in ("resourceVersion=100", "resourceVersion=0", "resourceVersion=100&resourceVersionMatch=Exact"):
            self.assertEqual(self.world.get(f"{GATEWAYS}?{query}").code, 200, query)
        for version in ("", "0", "7", "100"):
            self.assertEqual(self.world.get(f"{GATEWAYS}/east?resourceVersion={version}").code, 200, version)
        self.assertEqual(self.world.get(f"{GATEWAYS}/east?resourceVersion=x").code, 400)

    def test_a_watch_of_what_is_to_come_begins_at_once(self) -> None:
        for query in ("", "&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"):
            self.assertEqual(self.world.get(f"{GATEWAYS}?watch=1&resourceVersion=110{query}").code, 200)

    def test_a_client_that_goes_leaves_nothing_behind(self) -> None:
        for target in ASKED:
            talk = self.world.open(target)
            talk.hang_up()
            self.assertEqual(self.world.clock.getDelayedCalls(), [], target)
