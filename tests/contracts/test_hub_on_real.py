"""The contracts of a gateway behind a hub, with kube-apiserver and etcd."""

from __future__ import annotations

from .hub import shared
from .hub_real import RealCluster
from .suites import HUB, cases

globals().update(cases(__name__, HUB, lambda: shared(RealCluster)))
