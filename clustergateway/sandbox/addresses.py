"""Cluster addresses of Services: each gets one of its own, as long as it wants one."""

from __future__ import annotations

from .kinds import Kind
from .objects import Object, dig
from .store import Store

_NETWORK = "10.0"


class ServiceAddresses:
    """Gives Services their C{clusterIP}."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def prepare(self, kind: Kind, obj: Object, before: Object | None) -> None:
        """Complete a Service that is about to be written."""
        if (kind.group, kind.resource) != ("", "services") or obj["spec"].get("type") == "ExternalName":
            return
        spec = obj["spec"]
        kept = dig(before, "spec", "clusterIP")
        if not spec.get("clusterIP"):
            spec["clusterIP"] = kept or self._free()
        spec.setdefault("clusterIPs", [spec["clusterIP"]])

    def _free(self) -> str:
        taken = {dig(one, "spec", "clusterIP") for one in self._store.listed("", "services")}
        candidates = (f"{_NETWORK}.{high}.{low}" for high in range(256) for low in range(1, 255))
        return next(address for address in candidates if address not in taken)
