"""The API contracts, through a gateway, on the in-memory API server."""

from __future__ import annotations

from .gateway import GatewayWorld
from .sandbox import SandboxWorld
from .suites import API_ON_STOCK_TLS, API_THROUGH_GATEWAY, cases

globals().update(cases(__name__, API_THROUGH_GATEWAY, lambda: GatewayWorld(SandboxWorld())))
globals().update(cases(__name__, API_ON_STOCK_TLS, lambda: GatewayWorld(SandboxWorld(), "twisted"), "StockTls"))
