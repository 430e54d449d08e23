"""The contracts of a gateway behind a hub, with the in-memory API server."""

from __future__ import annotations

from . import hub_disturbed as disturbed
from . import hub_suite as suite
from .hub import HubWorld, shared
from .hub_in_memory import InMemoryCluster


class _Here:
    def make_world(self) -> HubWorld:
        return shared(InMemoryCluster)


class DiscoveredTests(_Here, suite.Discovered):
    pass


class ListedTests(_Here, suite.Listed):
    pass


class UsedTests(_Here, suite.Used):
    pass


class AllowedTests(_Here, suite.Allowed):
    pass


class KnownTests(_Here, suite.Known):
    pass


class HealthTests(_Here, disturbed.Health):
    pass


class RotatedTests(_Here, disturbed.Rotated):
    pass


class RestartedTests(_Here, disturbed.Restarted):
    pass


class ReplicatedTests(_Here, disturbed.Replicated):
    pass


class InstalledTests(_Here, suite.Installed):
    pass
