"""The add-on's life, with the in-memory API server as hub."""

from __future__ import annotations

from ..contracts.hub_in_memory import InMemoryCluster
from . import addon_suite
from .addon import AddonWorld


class LifecycleTests(addon_suite.Lifecycle):
    def make_world(self) -> AddonWorld:
        return AddonWorld(InMemoryCluster)
