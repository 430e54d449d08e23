"""Bounded byte pipes between coroutines. Whoever writes waits for whoever reads: nothing piles up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

CHUNK = 32 * 1024
HIGH_WATER = 64 * 1024


class BrokenPipe(Exception):
    """Nobody reads what is written here any more."""


class Source(Protocol):
    """Where bytes are read."""

    async def read(self, limit: int = CHUNK) -> bytes:
        """At least one byte and at most C{limit}, as soon as there are any; C{b""} at the end."""
        ...

    async def read_line(self) -> bytes:
        """Up to and including the next newline; less at the end, C{b""} after it."""
        ...


class Sink(Protocol):
    """Where bytes are written."""

    async def write(self, data: bytes) -> None:
        """
        Returns when more may be written.

        @raise BrokenPipe: nobody will read it.
        """
        ...


class Signal:
    """Wakes whoever waits for it."""

    def __init__(self) -> None:
        self._waiting: list[Deferred[None]] = []

    def wait(self) -> Deferred[None]:
        """Fires at the next L{fire}. May be cancelled."""
        waiting: Deferred[None] = Deferred(self._forget)
        self._waiting.append(waiting)
        return waiting

    def fire(self) -> None:
        """Wake them all."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.called:  # an earlier one may have cancelled it
                one.callback(None)

    def __bool__(self) -> bool:
        """Is anybody waiting?"""
        return bool(self._waiting)

    def _forget(self, waiting: Deferred[Any]) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)


class Pipe:
    """
    One reader, one or more writers.

    @ivar held: called with whether there is more in here than there should be, whenever that changes: for writers
        that cannot wait, such as a network connection.
    """

    def __init__(self, held: Callable[[bool], None] | None = None) -> None:
        self._chunks: deque[bytes] = deque()  # b"" is an end that reading goes on after, as Ctrl-D is
        self._size = 0
        self._ended = False
        self._broken = False
        self._readable = Signal()
        self._writable = Signal()
        self._held = held
        self._holding = False

    def put(self, data: bytes) -> None:
        """Write without waiting. C{b""} makes the reader see an end once. Ignored after L{end}."""
        if self._ended or self._broken:
            return
        self._chunks.append(data)
        self._size += len(data)
        self._readable.fire()
        self._balance()

    async def write(self, data: bytes) -> None:
        if self._broken or self._ended:
            raise BrokenPipe
        if data:
            self.put(data)
        while self._size > HIGH_WATER and not self._broken:
            await self._writable.wait()

    def end(self) -> None:
        """Nothing more will be written."""
        self._ended = True
        self._readable.fire()

    def break_off(self) -> None:
        """Nothing more will be read."""
        self._broken = True
        self._chunks.clear()
        self._size = 0
        self._writable.fire()
        self._balance()

    async def read(self, limit: int = CHUNK) -> bytes:
        while not self._chunks:
            if self._ended or self._broken:
                return b""
            await self._readable.wait()
        return self._take(limit)

    async def read_line(self) -> bytes:
        line = bytearray()
        while chunk := await self.read():
            head, newline, rest = chunk.partition(b"\n")
            line += head + newline
            if newline:
                if rest:
                    self._chunks.appendleft(rest)
                    self._size += len(rest)
                break
            if len(line) > HIGH_WATER:
                break
        return bytes(line)

    def _take(self, limit: int) -> bytes:
        chunk = self._chunks.popleft()
        if len(chunk) > limit:
            self._chunks.appendleft(chunk[limit:])
            chunk = chunk[:limit]
        self._size -= len(chunk)
        if self._size <= HIGH_WATER:
            self._writable.fire()
        self._balance()
        return chunk

    def _balance(self) -> None:
        holding = self._size > HIGH_WATER
        if holding != self._holding:
            self._holding = holding
            if self._held is not None:
                self._held(holding)


@implementer(IPushProducer)
class Gate:
    """
    Whether a transport wants more: registered as its producer.

    @ivar is_open: it does.
    @ivar is_gone: it never will again.
    @ivar followers: producers that write to the same transport by other ways; they pause and resume with it.
    """

    def __init__(self) -> None:
        self.followers: set[IPushProducer] = set()
        self.is_open = True
        self.is_gone = False
        self._changed = Signal()

    async def passable(self) -> None:
        """
        Returns when the transport wants more.

        @raise BrokenPipe: it is gone.
        """
        while not self.is_open and not self.is_gone:
            await self._changed.wait()
        if self.is_gone:
            raise BrokenPipe

    def pauseProducing(self) -> None:
        self.is_open = False
        for follower in list(self.followers):
            follower.pauseProducing()

    def resumeProducing(self) -> None:
        self.is_open = True
        self._changed.fire()
        for follower in list(self.followers):
            if not self.is_open:
                break
            follower.resumeProducing()

    def stopProducing(self) -> None:
        self.is_gone = True
        self._changed.fire()


class Discard:
    """A sink that keeps nothing: C{/dev/null}."""

    async def write(self, data: bytes) -> None:
        pass


class Empty:
    """A source at its end."""

    async def read(self, limit: int = CHUNK) -> bytes:
        return b""

    async def read_line(self) -> bytes:
        return b""
