"""ClusterProfiles, with the in-memory API server as hub."""

from __future__ import annotations

from ..contracts.hub_in_memory import InMemoryCluster
from . import profiles_suite as suite
from .profiles import PublisherWorld, SourceWorld


class SourceTests(suite.SourceLifecycle):
    def make_world(self) -> SourceWorld:
        return SourceWorld(InMemoryCluster)


class PublisherTests(suite.PublisherLifecycle):
    def make_world(self) -> PublisherWorld:
        return PublisherWorld(InMemoryCluster)
