"""Objects by key, one revision counter over all of them, and the history that watches are served from."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from .objects import Object, copied, metadata
from .status import expired


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Where an object is. C{namespace} is C{""} for cluster-scoped ones."""

    group: str
    resource: str
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """
    One write.

    @ivar before: the object before it, C{None} if it was created.
    @ivar after: the object after it; of a deletion its last state, with the deletion's resourceVersion.
    """

    revision: int
    key: Key
    before: Object | None
    after: Object
    deleted: bool = False


Listener = Callable[[Change], None]
Collection = tuple[str, str]
"""Group and resource."""


class Store:
    """
    What etcd is to kube-apiserver. Knows nothing of what objects mean.

    @ivar revision: of the last write.
    @ivar compacted: changes up to this revision are forgotten.
    """

    def __init__(self, kept: int = 20000) -> None:
        """
        @param kept: how many changes to remember.
        """
        self.revision = 1
        self.compacted = 0
        self._objects: dict[Collection, dict[tuple[str, str], Object]] = {}
        self._history: deque[Change] = deque()
        self._kept = kept
        self._listeners: dict[Collection | None, list[Listener]] = {}

    def get(self, key: Key) -> Object | None:
        return self._objects.get((key.group, key.resource), {}).get((key.namespace, key.name))

    def listed(self, group: str, resource: str, namespace: str = "") -> list[Object]:
        """All of a collection, sorted by namespace and name; C{namespace} C{""} means all of them."""
        found = self._objects.get((group, resource), {})
        keys = sorted(key for key in found if not namespace or key[0] == namespace)
        return [found[key] for key in keys]

    def collections(self) -> list[Collection]:
        """Group and resource of everything that has objects."""
        return [collection for collection, objects in self._objects.items() if objects]

    def put(self, key: Key, obj: Object) -> Object:
        """
        Write an object, giving it the next resourceVersion.

        @return: what was stored: never change it.
        """
        self.revision += 1
        stored: Object = copied(obj)
        metadata(stored)["resourceVersion"] = str(self.revision)
        objects = self._objects.setdefault((key.group, key.resource), {})
        before = objects.get((key.namespace, key.name))
        objects[(key.namespace, key.name)] = stored
        self._record(Change(self.revision, key, before, stored))
        return stored

    def remove(self, key: Key) -> Object:
        """
        @raise KeyError: there is none.
        """
        before = self._objects[(key.group, key.resource)].pop((key.namespace, key.name))
        self.revision += 1
        last = dict(before)
        last["metadata"] = {**metadata(before), "resourceVersion": str(self.revision)}
        self._record(Change(self.revision, key, before, last, deleted=True))
        return last

    def since(self, revision: int, group: str, resource: str) -> Iterable[Change]:
        """
        Changes of a collection after C{revision}, oldest first.

        @raise ApiError: 410, they are not remembered any more.
        """
        if revision < self.compacted:
            raise expired(f"too old resource version: {revision} ({self.compacted})")
        return [
            change
            for change in self._history
            if change.revision > revision and change.key.group == group and change.key.resource == resource
        ]

    def listed_at(self, revision: int, group: str, resource: str, namespace: str = "") -> list[Object]:
        """
        What L{listed} gave when the store was at C{revision}.

        @raise ApiError: 410, it is not remembered any more.
        """
        then = {(metadata(o).get("namespace", ""), metadata(o)["name"]): o for o in self.listed(group, resource)}
        for change in reversed(list(self.since(revision, group, resource))):
            where = (change.key.namespace, change.key.name)
            if change.before is None:
                then.pop(where, None)
            else:
                then[where] = change.before
        return [then[where] for where in sorted(then) if not namespace or where[0] == namespace]

    def subscribe(self, listener: Listener, collection: Collection | None = None) -> Callable[[], None]:
        """
        Have every change from now on, of one collection or of all.

        @return: ends the subscription.
        """
        self._listeners.setdefault(collection, []).append(listener)

        def cancel() -> None:
            listeners = self._listeners.get(collection, [])
            if listener in listeners:
                listeners.remove(listener)

        return cancel

    def compact(self) -> None:
        """Forget all history: watches and lists from earlier revisions are answered with 410 from now on."""
        self._history.clear()
        self.compacted = self.revision

    def _record(self, change: Change) -> None:
        self._history.append(change)
        if len(self._history) > self._kept:
            self.compacted = self._history.popleft().revision
        for collection in ((change.key.group, change.key.resource), None):
            for listener in list(self._listeners.get(collection, ())):
                listener(change)
