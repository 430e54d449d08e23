"""Tests for L{clustergateway.clusters.upstreams}."""

from __future__ import annotations

from dataclasses import dataclass, replace

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.clusters.upstreams import Upstreams
from clustergateway.model.gateway import ClusterGateway, Endpoint, NoCredential


@dataclass(slots=True)
class FakeEntry:
    token: str = ""
    certificate: bytes = b""
    key: bytes = b""
    version: str = ""


class FakeUpstream:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


EAST = ClusterGateway("east", (Endpoint("east.example", 6443),), NoCredential(), generation="1")


class UpstreamsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.upstreams: Upstreams[FakeUpstream] = Upstreams(lambda cluster, entry: FakeUpstream())

    def test_kept_while_nothing_changes(self) -> None:
        first = self.upstreams.get(EAST, FakeEntry())
        self.assertIs(self.upstreams.get(replace(EAST, labels={"a": "b"}), FakeEntry(token="new")), first)
        self.assertEqual(first.closed, 0)

    def test_replaced_with_the_generation_or_the_certificate(self) -> None:
        first = self.upstreams.get(EAST, FakeEntry())
        second = self.upstreams.get(replace(EAST, generation="2"), FakeEntry())
        third = self.upstreams.get(replace(EAST, generation="2"), FakeEntry(certificate=b"new"))
        self.assertEqual((first.closed, second.closed, third.closed), (1, 1, 0))
        self.assertEqual(list(self.upstreams), [("east", third)])

    def test_closed_as_soon_as_the_cluster_changes_or_goes(self) -> None:
        first = self.upstreams.get(EAST, FakeEntry())
        self.upstreams.changed("MODIFIED", replace(EAST, labels={"a": "b"}))
        self.assertEqual(first.closed, 0)
        self.upstreams.changed("MODIFIED", replace(EAST, generation="2"))
        self.assertEqual(first.closed, 1)
        second = self.upstreams.get(replace(EAST, generation="2"), FakeEntry())
        self.upstreams.changed("DELETED", replace(EAST, generation="2"))
        self.assertEqual(second.closed, 1)
        self.assertEqual(list(self.upstreams), [])

    def test_close(self) -> None:
        first = self.upstreams.get(EAST, FakeEntry())
        self.upstreams.close()
        self.upstreams.close()
        self.assertEqual(first.closed, 1)
