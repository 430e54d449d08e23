"""One pool of connections for each cluster, made when it is first asked for and replaced when the cluster changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from ..interfaces import Entry, Upstream
    from ..model.gateway import ClusterGateway

U = TypeVar("U", bound="Upstream")


@dataclass(frozen=True, slots=True)
class _Slot(Generic[U]):
    generation: str
    certificate: bytes
    upstream: U


class Upstreams(Generic[U]):
    """
    Connections belong to a cluster's generation and to the client certificate they were opened with. A bearer token
    travels in each request, so a new one needs no new connections.

    @param build: makes the pool for a cluster and the certificate it is entered with.
    """

    def __init__(self, build: Callable[[ClusterGateway, Entry], U]) -> None:
        self._build = build
        self._slots: dict[str, _Slot[U]] = {}

    def get(self, cluster: ClusterGateway, entry: Entry) -> U:
        slot = self._slots.get(cluster.name)
        if slot is not None:
            if slot.generation == cluster.generation and slot.certificate == entry.certificate:
                return slot.upstream
            slot.upstream.close()
        upstream = self._build(cluster, entry)
        self._slots[cluster.name] = _Slot(cluster.generation, entry.certificate, upstream)
        return upstream

    def changed(self, event: str, cluster: ClusterGateway) -> None:
        """A listener for L{Directory.subscribe}: what is no longer used is closed now, not at the next request."""
        slot = self._slots.get(cluster.name)
        if slot is not None and (event == "DELETED" or slot.generation != cluster.generation):
            del self._slots[cluster.name]
            slot.upstream.close()

    def close(self) -> None:
        slots, self._slots = self._slots, {}
        for slot in slots.values():
            slot.upstream.close()

    def __iter__(self) -> Iterator[tuple[str, U]]:
        return iter([(name, slot.upstream) for name, slot in self._slots.items()])
