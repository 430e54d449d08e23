"""The add-on's life, with kube-apiserver and etcd as hub."""

from __future__ import annotations

from pathlib import Path

from ..contracts.hub_in_memory import InMemoryCluster
from ..contracts.hub_processes import ApiServerProcess
from ..contracts.hub_real import RealCluster
from . import addon_suite
from .addon import AddonWorld


def start(name: str, folder: Path) -> ApiServerProcess:
    """Only the hub is real: what the managed cluster does is not what is tested."""
    return RealCluster(name, folder) if name == "hub" else InMemoryCluster(name, folder)


class LifecycleTests(addon_suite.Lifecycle):
    def make_world(self) -> AddonWorld:
        return AddonWorld(start)
