"""A bounded cache whose entries each have their own end. Pure: the caller says what time it is."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class ExpiringCache(Generic[K, V]):
    """
    Holds at most C{size} values; when full, the entry that was put in first makes room.

    @ivar size: entries, at least 1.
    """

    __slots__ = ("_entries", "size")

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError("a cache holds at least one entry")
        self.size = size
        self._entries: dict[K, tuple[float, V]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: K, now: float) -> V | None:
        """
        @param now: seconds, of the clock that C{put} counted with.
        @return: the value put under this key, or C{None} when there is none or its time has come.
        """
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry[0] <= now:
            del self._entries[key]
            return None
        return entry[1]

    def put(self, key: K, value: V, until: float) -> None:
        """Keep C{value} until the clock shows C{until}."""
        entries = self._entries
        entries.pop(key, None)
        while len(entries) >= self.size:
            del entries[next(iter(entries))]
        entries[key] = (until, value)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
