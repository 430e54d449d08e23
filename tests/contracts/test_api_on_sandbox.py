"""The API contracts, on the in-memory API server."""

from __future__ import annotations

from .sandbox import SandboxWorld
from .suites import API, cases

globals().update(cases(__name__, API, SandboxWorld))
