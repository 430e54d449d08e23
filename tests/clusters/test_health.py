"""Tests for L{clustergateway.clusters.health}."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.clusters.breaker import Breakers
from clustergateway.clusters.health import FRESH, SecretHealth, TrafficHealth, reason
from clustergateway.errors import Conflict, UnknownCluster, UpstreamRefused, UpstreamTimeout, UpstreamTlsFailed
from clustergateway.model.gateway import ClusterGateway, Endpoint, Health, NoCredential

WRITTEN = Health(False, "written")
EAST = ClusterGateway("east", (Endpoint("east.example", 6443),), NoCredential(), generation="1", health=WRITTEN)


class TrafficTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.breakers = Breakers(self.clock, lambda: 0.0)
        self.health = TrafficHealth(self.breakers, self.clock)

    def lose(self, times: int) -> None:
        for _ in range(times):
            self.breakers.failed(EAST, UpstreamTimeout("too slow"))

    def test_without_traffic_as_written(self) -> None:
        self.assertEqual(self.health.of(EAST), WRITTEN)

    def test_connected_is_healthy_for_a_while(self) -> None:
        self.breakers.succeeded(EAST)
        self.clock.advance(FRESH)
        self.assertEqual(self.health.of(EAST), Health(True))
        self.clock.advance(1)
        self.assertEqual(self.health.of(EAST), WRITTEN)

    def test_one_failure_proves_nothing(self) -> None:
        self.breakers.succeeded(EAST)
        self.clock.advance(1)
        self.lose(1)
        self.assertEqual(self.health.of(EAST), WRITTEN)

    def test_open_breaker_is_unhealthy(self) -> None:
        healthy = replace(EAST, health=Health(True))
        self.lose(3)
        self.assertEqual(self.health.of(healthy), Health(False, "ConnectionTimeout"))
        self.breakers.succeeded(EAST)
        self.clock.advance(1)
        self.assertEqual(self.health.of(healthy), Health(True))

    def test_reasons(self) -> None:
        self.assertEqual(reason(UpstreamTlsFailed("x")), "CertificateMismatch")
        self.assertEqual(reason(UpstreamTimeout("x")), "ConnectionTimeout")
        self.assertEqual(reason(UpstreamRefused("x")), "Unknown: x")


class SecretTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patches: list[tuple[str, Mapping[str, Any]]] = []
        self.answer: Deferred[Mapping[str, Any]] = Deferred()
        self.writer = SecretHealth(self.sent)

    def sent(self, name: str, patch: Mapping[str, Any]) -> Deferred[Mapping[str, Any]]:
        self.patches.append((name, patch))
        return self.answer

    def secret(self, **annotations: str) -> dict[str, Any]:
        return {
            "metadata": {
                "name": "east",
                "resourceVersion": "8",
                "labels": {"cluster.core.oam.dev/cluster-credential-type": "ServiceAccountToken"},
                "annotations": {f"status.cluster.core.oam.dev/{key}": value for key, value in annotations.items()},
            },
            "stringData": {"token": "hunter2"},
        }

    def test_patched(self) -> None:
        writing = self.writer.write("east", Health(False, "ConnectionTimeout"), "7")
        self.assertEqual(
            self.patches,
            [
                (
                    "east",
                    {
                        "metadata": {
                            "annotations": {
                                "status.cluster.core.oam.dev/healthy": "false",
                                "status.cluster.core.oam.dev/healthy-reason": "ConnectionTimeout",
                            },
                            "resourceVersion": "7",
                        }
                    },
                )
            ],
        )
        self.answer.callback(self.secret(healthy="false"))
        gateway = self.successResultOf(writing)
        self.assertEqual((gateway.health, gateway.resource_version), (Health(False), "8"))

    def test_unconditionally_and_unknown(self) -> None:
        self.answer = succeed(self.secret())
        self.successResultOf(self.writer.write("east", Health(), ""))
        ((_, patch),) = self.patches
        self.assertNotIn("resourceVersion", patch["metadata"])
        self.assertEqual(set(patch["metadata"]["annotations"].values()), {None})

    def test_of_a_secret_that_is_none(self) -> None:
        self.answer = succeed({"metadata": {"name": "east"}})
        self.failureResultOf(self.writer.write("east", Health(True), ""), UnknownCluster)

    def test_of_a_broken_secret(self) -> None:
        broken = self.secret(healthy="true")
        broken["stringData"] = {}
        self.answer = succeed(broken)
        self.assertEqual(self.successResultOf(self.writer.write("east", Health(True), "")).health, Health(True))

    def test_conflict(self) -> None:
        self.answer = fail(Conflict("changed"))
        self.failureResultOf(self.writer.write("east", Health(True), "7"), Conflict)
