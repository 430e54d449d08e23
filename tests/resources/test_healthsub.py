"""C{clustergateways/health}: what is written is what is then seen; nobody overwrites unseen."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import Conflict
from clustergateway.model.gateway import ClusterGateway, Health

from .world import GATEWAYS, Answer, World, gateway

HEALTH = f"{GATEWAYS}/east/health"


def sick(resource_version: str = "") -> dict[str, Any]:
    metadata = {"name": "east", **({"resourceVersion": resource_version} if resource_version else {})}
    return {"metadata": metadata, "status": {"healthy": False, "healthyReason": "ConnectionTimeout"}}


class Writer:
    """
    Writes into the world's directory, and remembers what it was asked.

    @ivar lagging: the directory does not hear of it yet.
    """

    def __init__(self) -> None:
        self.lagging = False
        self.written: list[tuple[str, Health, str]] = []
        self.world: World

    def write(self, name: str, health: Health, resource_version: str) -> Deferred[ClusterGateway]:
        self.written.append((name, health, resource_version))
        old = self.world.directory.get(name)
        if resource_version == "stale":
            return fail(Conflict("changed"))
        new = replace(old, health=health, resource_version=str(int(old.resource_version) + 500))
        if not self.lagging:
            self.world.directory.put(new)
        return succeed(new)


class HealthSubresourceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.writer = Writer()
        self.world = self.writer.world = World(gateway("east", "7"), health_writer=self.writer)

    def put(self, body: Any, *headers: tuple[str, str]) -> Answer:
        return self.world.open(HEALTH, *headers, method="PUT", body=json.dumps(body).encode()).answer

    def test_get(self) -> None:
        self.assertEqual(self.world.get(HEALTH).json, self.world.get(f"{GATEWAYS}/east").json)
        self.assertEqual(self.world.get(f"{GATEWAYS}/west/health").code, 404)

    def test_put(self) -> None:
        answer = self.put(sick("7"))
        self.assertEqual(answer.code, 200)
        self.assertEqual(answer.json["status"], {"healthy": False, "healthyReason": "ConnectionTimeout"})
        self.assertEqual(answer.json["metadata"]["resourceVersion"], "507")
        self.assertEqual(self.writer.written, [("east", Health(False, "ConnectionTimeout"), "7")])
        self.assertEqual(self.world.get(HEALTH).json, answer.json)
        self.assertEqual((self.world.asked[0].verb, self.world.asked[0].subresource), ("update", "health"))

    def test_put_of_nothing(self) -> None:
        answer = self.put({})
        self.assertEqual((answer.code, answer.json["reason"]), (400, "BadRequest"))
        self.assertEqual(self.writer.written, [])

    def test_put_before_the_directory_knows(self) -> None:
        self.writer.lagging = True
        answer = self.put(sick())
        self.assertEqual(answer.json["status"]["healthy"], False)
        self.assertEqual(answer.json["metadata"]["resourceVersion"], "507")
        self.assertEqual(self.world.get(HEALTH).json["metadata"]["resourceVersion"], "7")

    def test_put_whatever_was_seen(self) -> None:
        self.assertEqual(self.put(sick()).code, 200)
        self.assertEqual(self.writer.written[0][2], "")

    def test_conflict_with_what_is_shown(self) -> None:
        answer = self.put(sick("6"))
        self.assertEqual((answer.code, answer.json["reason"]), (409, "Conflict"))
        self.assertIn('clustergateways.cluster.core.oam.dev "east"', answer.json["message"])
        self.assertEqual(self.writer.written, [])

    def test_a_version_of_our_own_is_translated(self) -> None:
        self.world.directory.put(replace(self.world.directory.get("east"), provider="changed"))
        shown = self.world.get(HEALTH).json["metadata"]["resourceVersion"]
        self.assertEqual(shown, "101")
        self.assertEqual(self.put(sick(shown)).code, 200)
        self.assertEqual(self.writer.written[0][2], "7")

    def test_conflict_at_the_writers(self) -> None:
        self.world.directory.put(gateway("east", "stale"))
        shown = self.world.get(HEALTH).json["metadata"]["resourceVersion"]
        self.assertEqual(self.put(sick(shown)).code, 409)

    def test_bad_bodies(self) -> None:
        self.assertEqual(self.put({"metadata": {"name": "west"}}).code, 400)
        self.assertEqual(self.put(sick(), ("Content-Type", "text/plain")).code, 415)
        self.assertEqual(self.put({"x": "x" * (1 << 20)}).code, 413)
        self.assertEqual(self.writer.written, [])

    def test_unknown_cluster(self) -> None:
        answer = self.world.open(f"{GATEWAYS}/west/health", method="PUT", body=b'{"metadata":{"name":"west"}}').answer
        self.assertEqual(answer.code, 404)

    def test_other_methods(self) -> None:
        answer = self.world.get(HEALTH, method="PATCH")
        self.assertEqual((answer.code, answer.headers["allow"]), (405, "GET, HEAD, PUT"))

    def test_nobody_writes(self) -> None:
        world = World(gateway("east", "7"))
        self.assertEqual(world.get(HEALTH).code, 200)
        answer = world.get(HEALTH, method="PUT")
        self.assertEqual((answer.code, answer.headers["allow"]), (405, "GET, HEAD"))
