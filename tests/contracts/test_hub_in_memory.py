"""The contracts of a gateway behind a hub, with the in-memory API server."""

from __future__ import annotations

from .hub import shared
from .hub_in_memory import InMemoryCluster
from .suites import HUB, cases

globals().update(cases(__name__, HUB, lambda: shared(InMemoryCluster)))
