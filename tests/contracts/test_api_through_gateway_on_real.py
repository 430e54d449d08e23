"""The API contracts, through a gateway, on kube-apiserver and etcd."""

from __future__ import annotations

from .gateway import GatewayWorld
from .real import RealWorld
from .suites import API_ON_STOCK_TLS, API_THROUGH_GATEWAY, cases

globals().update(cases(__name__, API_THROUGH_GATEWAY, lambda: GatewayWorld(RealWorld())))
globals().update(cases(__name__, API_ON_STOCK_TLS, lambda: GatewayWorld(RealWorld(), "twisted"), "StockTls"))
