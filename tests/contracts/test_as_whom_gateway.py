"""
The contracts of who arrives in a cluster, over the real gateway process: with kube-apiserver and etcd, and with the
in-memory API server.
"""

from __future__ import annotations

from .as_whom import installed
from .hub_in_memory import InMemoryCluster
from .hub_real import RealCluster
from .suites import AS_WHOM, cases

globals().update(cases(__name__, AS_WHOM, lambda: installed(InMemoryCluster), "InMemory"))
globals().update(cases(__name__, AS_WHOM, lambda: installed(RealCluster), "OnReal"))
