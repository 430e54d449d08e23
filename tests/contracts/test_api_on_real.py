"""The API contracts, on kube-apiserver and etcd."""

from __future__ import annotations

from .real import RealWorld
from .suites import API, cases

globals().update(cases(__name__, API, RealWorld))
