"""What the API shows of the directory: kept up to date by its events, read from memory by every list and watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.logger import Logger

from ..errors import NotFound
from ..interfaces import Directory
from ..model.gateway import ClusterGateway
from ..model.kinds import Kind
from ..model.rendered import Rendered
from ..model.watchcache import HISTORY, WatchCache, parse_version


class Collection:
    """
    All objects of one kind. It is made of the directory when it is first asked for, and follows it from then on.

    @ivar closed: whether watches end at once.
    """

    _log = Logger()

    def __init__(
        self,
        kind: Kind,
        directory: Directory,
        version: Callable[[], int],
        history: int = HISTORY,
        heard: Callable[[], int] = lambda: 0,
    ) -> None:
        """
        @param version: called once, when the directory is first read: a resource version that nothing in it is newer
            than, and that whatever comes will be newer than. In front of a hub it is the one that the hub's list (or
            the last event since) had, so that replicas number alike; a local directory's is above all that an earlier
            process gave out. Clients that come with an older one have to list again. It raises C{HubUnavailable} as
            long as the directory is not complete: an empty list would be taken for the truth.
        @param heard: a resource version up to which the directory has heard of everything, which it may know although
            nothing changed lately.
        """
        self.kind = kind
        self.directory = directory
        self._reserved = kind.reserved
        self._version = version
        self._heard = heard
        self._history = history
        self._cache: WatchCache[Rendered] | None = None
        self._listeners: dict[object, tuple[Callable[[], None], Callable[[], None]]] = {}
        self.closed = False
        self._hidden: set[str] = set()
        for gateway in directory.all() if self._reserved else ():
            self._hides("ADDED", gateway.name)
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

    def problems(self) -> Mapping[str, str]:
        """Which clusters are not shown, and why: place -> sentence."""
        return {f"{self.kind.singular} {name}": self._why_hidden(name) for name in sorted(self._hidden)}

    def _why_hidden(self, name: str) -> str:
        return f'a cluster is called "{name}": the {self.kind.kind} of this name is not that cluster, which has none'

    def _hides(self, event: str, name: str) -> bool:
        """Whether a cluster has a name that is none for a cluster here."""
        if name not in self._reserved:
            return False
        if event == "DELETED":
            self._hidden.discard(name)
        elif name not in self._hidden:
            self._hidden.add(name)
            self._log.warn("{sentence}", sentence=self._why_hidden(name))
        return True

    def reached(self, version: int) -> bool:
        """
        Whether everything up to this version is known. To be asked on behalf of a request, not while a change is told.

        @raise HubUnavailable: the directory is not complete yet.
        """
        cache = self.cache
        if cache.version < version <= self._heard():
            # No further than somebody asks: other replicas have to follow, and hear of it at some other time.
            cache.advance(version)
        return version <= cache.version

    def close(self) -> None:
        """End every watch, and each new one at its beginning: a gateway that is about to go keeps no client waiting."""
        self.closed = True
        for _, end in list(self._listeners.values()):
            end()

    def subscribe(self, listener: Callable[[], None], end: Callable[[], None] = lambda: None) -> Callable[[], None]:
        """
        Have C{listener} called after each change, and C{end} when there will be no more.

        @return: ends the subscription.
        """
        key = object()
        self._listeners[key] = listener, end
        return lambda: self._listeners.pop(key, None) and None

    def _changed(self, event: str, gateway: ClusterGateway) -> None:
        cache = self._cache
        if self._hides(event, gateway.name) or cache is None:
            return
        item = self.kind.render(gateway, cache.next_version(gateway.resource_version))
        if event != "DELETED":
            cache.put(item)
        elif cache.remove(item) is None:
            return
        for listener, _ in list(self._listeners.values()):
            listener()
