"""ClusterProfiles, with kube-apiserver and etcd as hub."""

from __future__ import annotations

from ..contracts.hub_real import RealCluster
from . import profiles_suite as suite
from .profiles import PublisherWorld, SourceWorld
from .test_addon_on_real import start


class SourceTests(suite.SourceLifecycle):
    def make_world(self) -> SourceWorld:
        return SourceWorld(RealCluster)


class PublisherTests(suite.PublisherLifecycle):
    def make_world(self) -> PublisherWorld:
        return PublisherWorld(start)
