"""
Objects by name, and what happened to them lately: enough to answer lists and watches as kube-apiserver does.

Versions are integers that only grow. A list is of one version; a watch gets each change after one, once, in order.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

from ..errors import Expired, NotFound

ChangeType = Literal["ADDED", "MODIFIED", "DELETED"]

HISTORY = 1024


class Versioned(Protocol):
    """What the cache has to know about an object."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...


T = TypeVar("T", bound=Versioned)


def parse_version(text: str) -> int:
    """A resource version as a number, 0 if it is none: to clients it is opaque, and some sources number otherwise."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else 0


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """
    @ivar version: of the change; that of C{value} too.
    @ivar value: the object after it; for a deletion its last state.
    @ivar previous: the object before it, C{None} for an addition.
    """

    type: ChangeType
    version: int
    value: T
    previous: T | None


class WatchCache(Generic[T]):
    """
    @ivar version: up to which all changes are known; the newest is no newer.
    @ivar oldest: changes after this version are known, earlier ones are forgotten.
    """

    def __init__(
        self,
        version: int,
        order: Callable[[Iterable[T]], list[T]],
        *,
        initial: Iterable[T] = (),
        history: int = HISTORY,
    ) -> None:
        """
        @param version: of what C{initial} holds, at least 1; no object in it is newer.
        @param order: how lists are sorted.
        @param history: how many changes are remembered at least, once that many have happened.
        """
        self.version = self.oldest = max(version, 1)
        self._order = order
        self._history_length = history
        self._objects = {value.name: value for value in initial}
        self._sorted: list[T] | None = None
        self._changes: list[Change[T]] = []

    def __contains__(self, name: str) -> bool:
        return name in self._objects

    def get(self, name: str) -> T:
        """
        @raise NotFound: none has this name.
        """
        try:
            return self._objects[name]
        except KeyError:
            raise NotFound(f'"{name}" not found') from None

    def next_version(self, given: str) -> int:
        """
        The version that the next change will have.

        @param given: the object's own version. It is taken if it is a number that continues the series; if not (another
            source's numbering, a change in something that has no version), the series is continued without it.
        """
        return max(parse_version(given), self.version + 1)

    def advance(self, version: int) -> None:
        """Nothing has changed up to this version, and what changes from now on will be newer."""
        self.version = max(self.version, version)

    def put(self, value: T) -> Change[T]:
        """Add or replace an object; its version must be newer than the cache's."""
        previous = self._objects.get(value.name)
        self._objects[value.name] = value
        return self._changed(Change("ADDED" if previous is None else "MODIFIED", value.version, value, previous))

    def remove(self, last: T) -> Change[T] | None:
        """
        @param last: the object's last state, of the version at which it went away.
        @return: C{None} if it was not there.
        """
        previous = self._objects.pop(last.name, None)
        if previous is None:
            return None
        return self._changed(Change("DELETED", last.version, last, previous))

    def list(self, version: int = 0) -> Sequence[T]:
        """
        @param version: as things were at this version; 0 and whatever is to come mean now.
        @raise Expired: that long ago is forgotten.
        """
        if version <= 0 or version >= self.version:
            if self._sorted is None:
                self._sorted = self._order(self._objects.values())
            return self._sorted
        return self._order(self._at(version).values())

    def since(self, version: int) -> Sequence[Change[T]]:
        """
        The changes after this version, oldest first.

        @raise Expired: some of them are forgotten.
        """
        if version >= self.version:
            return ()
        if version < self.oldest:
            raise Expired(f"too old resource version: {version} ({self.oldest})")
        return self._changes[bisect_right(self._changes, version, key=lambda change: change.version) :]

    def _at(self, version: int) -> Mapping[str, T]:
        """The present, with the changes since then undone, newest first."""
        objects = dict(self._objects)
        for change in reversed(self.since(version)):
            if change.previous is None:
                del objects[change.value.name]
            else:
                objects[change.value.name] = change.previous
        return objects

    def _changed(self, change: Change[T]) -> Change[T]:
        self.version = change.version
        self._sorted = None
        self._changes.append(change)
        if len(self._changes) >= 2 * self._history_length:  # rarely, rather than one each time
            forgotten = len(self._changes) - self._history_length
            self.oldest = self._changes[forgotten - 1].version
            del self._changes[:forgotten]
        return change
