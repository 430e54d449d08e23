"""What the API shows of the directory: kept up to date by its events, read from memory by every list and watch."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import NotFound
from ..interfaces import Directory
from ..model.gateway import ClusterGateway
from ..model.kinds import Kind
from ..model.rendered import Rendered
from ..model.watchcache import HISTORY, WatchCache, parse_version


class Collection:
    """All objects of one kind. It is made of the directory when it is first asked for, and follows it from then on."""

    def __init__(self, kind: Kind, directory: Directory, version: Callable[[], int], history: int = HISTORY) -> None:
        """
        @param version: called once, when the directory is first read: a resource version that nothing in it is newer
            than, and that whatever comes will be newer than. In front of a hub it is the one that the hub's list (or
            the last event since) had, so that replicas number alike; a local directory's is above all that an earlier
            process gave out. Clients that come with an older one have to list again. It raises C{HubUnavailable} as
            long as the directory is not complete: an empty list would be taken for the truth.
        """
        self.kind = kind
        self.directory = directory
        self._version = version
        self._history = history
        self._cache: WatchCache[Rendered] | None = None
        self._listeners: dict[object, Callable[[], None]] = {}
        directory.subscribe(self._changed)

    @property
    def cache(self) -> WatchCache[Rendered]:
        """
        The objects, and what happened to them lately.

        @raise HubUnavailable: the directory is not complete yet.
        """
        if self._cache is None:
            version = self._version()
            gateways = list(self.directory.all())
            version = max([version, *(parse_version(gateway.resource_version) for gateway in gateways)])
            initial = self.kind.initial(gateways, version)
            self._cache = WatchCache(version, self.kind.order, initial=initial, history=self._history)
        return self._cache

    def get(self, name: str) -> Rendered:
        """
        @raise NotFound: none has this name.
        """
        try:
            return self.cache.get(name)
        except NotFound:
            raise NotFound(self.kind.not_found(name)) from None

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """
        Have C{listener} called after each change.

        @return: ends the subscription.
        """
        key = object()
        self._listeners[key] = listener
        return lambda: self._listeners.pop(key, None) and None

    def _changed(self, event: str, gateway: ClusterGateway) -> None:
        cache = self._cache
        if cache is None:
            return
        item = self.kind.render(gateway, cache.next_version(gateway.resource_version))
        if event != "DELETED":
            cache.put(item)
        elif cache.remove(item) is None:
            return
        for listener in list(self._listeners.values()):
            listener()
