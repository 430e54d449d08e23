"""
The contracts of who arrives in a cluster, over the real gateway process: with kube-apiserver and etcd, and with the
in-memory API server.
"""

from __future__ import annotations

from . import as_whom_suite as suite
from .as_whom import AsWhom, installed
from .hub_in_memory import InMemoryCluster
from .hub_real import RealCluster


class _InMemory:
    def install(self) -> AsWhom:
        return installed(InMemoryCluster)


class _Real:
    def install(self) -> AsWhom:
        return installed(RealCluster)


class PlainInMemoryTests(_InMemory, suite.Asked):
    pass


class ConstrainedInMemoryTests(_InMemory, suite.Asked):
    cluster = "constrained"


class NamedInMemoryTests(_InMemory, suite.Mapped):
    cluster = "narrow"


class NarrowInMemoryTests(_InMemory, suite.Narrow):
    pass


class SpoofedInMemoryTests(_InMemory, suite.Spoofed):
    pass


class ReloadedInMemoryTests(_InMemory, suite.Reloaded):
    pass


class AuditedInMemoryTests(_InMemory, suite.Audited):
    pass


class PlainOnRealTests(_Real, suite.Asked):
    pass


class ConstrainedOnRealTests(_Real, suite.Asked):
    cluster = "constrained"


class NamedOnRealTests(_Real, suite.Mapped):
    cluster = "narrow"


class NarrowOnRealTests(_Real, suite.Narrow):
    pass


class SpoofedOnRealTests(_Real, suite.Spoofed):
    pass


class ReloadedOnRealTests(_Real, suite.Reloaded):
    pass


class AuditedOnRealTests(_Real, suite.Audited):
    pass
