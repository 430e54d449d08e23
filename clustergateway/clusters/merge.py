"""Several directories as one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from twisted.internet.interfaces import IReactorTime

from ..errors import UnknownCluster
from ..interfaces import Directory
from ..model.gateway import ClusterGateway, Health
from .store import Listener, Store


class Union:
    """
    The clusters of several directories. Where two know the same name, the one that comes first in the list has it.

    It gives resource versions of its own, for those of its parts are not comparable with each other.
    """

    def __init__(self, directories: Sequence[Directory], clock: IReactorTime) -> None:
        self._directories = tuple(directories)
        self._store = Store(clock)
        self.get = self._store.get  # the hot path, without another call
        for directory in self._directories:
            for gateway in directory.all():
                self._changed("ADDED", gateway)
            directory.subscribe(self._changed)

    def all(self) -> Iterator[ClusterGateway]:
        return self._store.all()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._store.subscribe(listener)

    @property
    def version(self) -> int:
        """The latest resource version given."""
        return self._store.version

    def write_health(self, name: str, health: Health, resource_version: str = "") -> ClusterGateway:
        """As L{Store.write_health}."""
        return self._store.write_health(name, health, resource_version)

    def _changed(self, event: str, gateway: ClusterGateway) -> None:
        for directory in self._directories:
            try:
                self._store.put(directory.get(gateway.name))
            except UnknownCluster:
                continue
            return
        self._store.remove(gateway.name)
