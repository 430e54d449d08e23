"""A directory, and clusters of another list of the hub that it has not got."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..errors import UnknownCluster
from ..interfaces import Directory
from ..kube.cache import Handlers, Informer
from ..model.gateway import ClusterGateway
from .secrets import unread
from .store import Listener, Listeners


class Overlay:
    """
    A L{Directory<clustergateway.interfaces.Directory>}: another one's clusters, and those that are made of an
    informer's objects where it has none of the name. Resource versions are the hub's, as in its parts.
    """

    def __init__(
        self,
        directory: Directory,
        informer: Informer,
        read: Callable[[Mapping[str, Any]], ClusterGateway | None],
        complete: Callable[[], bool] = lambda: True,
    ) -> None:
        """
        @param read: makes a cluster of an object of the informer's, C{None} if it is none.
        @param complete: whether the informer has seen everything: before, nobody can tell that a name is unknown.
        """
        self._complete = complete
        self._directory = directory
        self._read = read
        self._more: dict[str, ClusterGateway] = {}
        self._listeners = Listeners()
        self._known = {gateway.name for gateway in directory.all()}
        directory.subscribe(self._changed)
        informer.subscribe(Handlers(self._put, lambda _, after: self._put(after), self._drop))

    def get(self, name: str) -> ClusterGateway:
        """@raise HubUnavailable: not everything has been seen yet, nor this one."""
        try:
            return self._directory.get(name)
        except UnknownCluster:
            if name in self._more:
                return self._more[name]
            if not self._complete():
                raise unread(name) from None
            raise

    def all(self) -> Iterator[ClusterGateway]:
        others = (gateway for name, gateway in self._more.items() if name not in self._known)
        return iter(sorted((*self._directory.all(), *others), key=lambda gateway: gateway.name))

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        return self._listeners.subscribe(listener)

    def _changed(self, event: str, gateway: ClusterGateway) -> None:
        """Of a cluster that the other directory has, or had."""
        name = gateway.name
        shown = name in self._more
        if event == "DELETED":
            self._known.discard(name)
            if shown:
                event = "MODIFIED"
                gateway = replace(self._more[name], resource_version=gateway.resource_version)
        else:
            self._known.add(name)
            if event == "ADDED" and shown:
                event = "MODIFIED"
        self._listeners.tell(event, gateway)

    def _put(self, content: Mapping[str, Any]) -> None:
        gateway = self._read(content)
        if gateway is None:
            self._drop(content)
            return
        before = self._more.get(gateway.name)
        self._more[gateway.name] = gateway
        if gateway.name not in self._known and gateway != before:
            self._listeners.tell("ADDED" if before is None else "MODIFIED", gateway)

    def _drop(self, content: Mapping[str, Any]) -> None:
        gateway = self._more.pop(str(content["metadata"]["name"]), None)
        if gateway is not None and gateway.name not in self._known:
            version = str(content["metadata"].get("resourceVersion", ""))
            self._listeners.tell("DELETED", replace(gateway, resource_version=version))
