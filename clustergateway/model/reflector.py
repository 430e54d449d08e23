"""
How a copy of a list in an apiserver is kept: list, watch, and what to do about everything that goes wrong.

Pure: the machine says what to do next to an L{Effects}, and is told through L{Reflector} what happened. It follows the
contract of Kubernetes' API concepts, "Efficient detection of changes".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from automat import TypeMachineBuilder

from .backoff import Backoff

PATIENCE = Backoff(first=1.0, most=30.0)


class Effects(Protocol):
    """What the machine can have done. Each is begun, not waited for; at most one is under way."""

    def list(self) -> None:
        """List everything, page by page; answer L{Reflector.listed}, L{Reflector.failed}."""
        ...

    def watch(self, resource_version: str) -> None:
        """
        Watch from there on; answer L{Reflector.progress}, then L{Reflector.ended}, L{Reflector.expired},
        L{Reflector.failed} or L{Reflector.silent}.
        """
        ...

    def wait(self, seconds: float) -> None:
        """Let time pass; answer L{Reflector.due}."""
        ...

    def abandon(self) -> None:
        """Give up what is under way; nothing more is heard of it."""
        ...


class Reflector(Protocol):
    """What can happen."""

    def start(self) -> None:
        """Begin."""

    def stop(self) -> None:
        """End, for ever."""

    def listed(self, resource_version: str) -> None:
        """The whole list is here, and is what it was at that version."""

    def progress(self, resource_version: str) -> None:
        """The watch has come as far as this version, by a change or a bookmark."""

    def ended(self) -> None:
        """The watch is over in good order: apiservers end each after some minutes."""

    def silent(self) -> None:
        """Nothing has been heard for longer than a living connection is silent."""

    def expired(self) -> None:
        """410: what happened since that version is no longer known."""

    def failed(self, retry_after: float) -> None:
        """The list or the watch failed; C{retry_after}: seconds that the server asks for, 0 if it does not."""

    def due(self) -> None:
        """The time waited for has come."""


class Progress:
    """
    What the machine remembers.

    @ivar resource_version: how far the copy has come.
    @ivar failures: in a row.
    @ivar fruitful: the watch under way has brought something.
    """

    def __init__(self, effects: Effects, chance: Callable[[], float], patience: Backoff = PATIENCE) -> None:
        """
        @param chance: draws from 0 to 1.
        """
        self.effects = effects
        self.chance = chance
        self.patience = patience
        self.resource_version = ""
        self.failures = 0
        self.fruitful = False

    def list(self) -> None:
        self.effects.list()

    def watch(self) -> None:
        self.fruitful = False
        self.effects.watch(self.resource_version)

    def reached(self, resource_version: str) -> None:
        self.resource_version = resource_version
        self.failures = 0
        self.fruitful = True

    def pause(self, at_least: float = 0.0) -> None:
        self.failures += 1
        self.effects.wait(max(at_least, self.patience.delay(self.failures, self.chance())))


def _machine() -> Callable[[Progress], Reflector]:
    """
    The table of transitions::

        state             listed    progress  ended          silent    expired          failed           due
        Idle
        Listing           Watching                                                      WaitingToList
        Watching                    Watching  WaitingToWatch Watching  WaitingToList    WaitingToWatch
        WaitingToList                                                                                    Listing
        WaitingToWatch                                                                                   Watching

    start leads from Idle to Listing, stop from everywhere to Stopped. A watch that ended after bringing something is
    followed by the next one without waiting; one that brought nothing is not, so that a server that ends each at once
    is not asked all the time.
    """
    builder = TypeMachineBuilder(Reflector, Progress)
    idle = builder.state("Idle")
    listing = builder.state("Listing")
    watching = builder.state("Watching")
    waiting_to_list = builder.state("WaitingToList")
    waiting_to_watch = builder.state("WaitingToWatch")
    stopped = builder.state("Stopped")

    @idle.upon(Reflector.start).to(listing)
    def begin(_: Reflector, core: Progress) -> None:
        core.list()

    @listing.upon(Reflector.listed).to(watching)
    def listed(_: Reflector, core: Progress, resource_version: str) -> None:
        core.reached(resource_version)
        core.watch()

    @listing.upon(Reflector.failed).to(waiting_to_list)
    def list_failed(_: Reflector, core: Progress, retry_after: float) -> None:
        core.pause(retry_after)

    @waiting_to_list.upon(Reflector.due).to(listing)
    def list_again(_: Reflector, core: Progress) -> None:
        core.list()

    @watching.upon(Reflector.progress).loop()
    def progress(_: Reflector, core: Progress, resource_version: str) -> None:
        core.reached(resource_version)

    @watching.upon(Reflector.ended).to(waiting_to_watch)
    def ended(_: Reflector, core: Progress) -> None:
        if core.fruitful:
            core.effects.wait(0.0)
        else:
            core.pause()

    @watching.upon(Reflector.silent).to(watching)
    def silent(_: Reflector, core: Progress) -> None:
        core.effects.abandon()
        core.watch()

    @watching.upon(Reflector.expired).to(waiting_to_list)
    def expired(_: Reflector, core: Progress) -> None:
        core.pause()

    @watching.upon(Reflector.failed).to(waiting_to_watch)
    def watch_failed(_: Reflector, core: Progress, retry_after: float) -> None:
        core.pause(retry_after)

    @waiting_to_watch.upon(Reflector.due).to(watching)
    def watch_again(_: Reflector, core: Progress) -> None:
        core.watch()

    for state in (listing, watching, waiting_to_list, waiting_to_watch):

        @state.upon(Reflector.stop).to(stopped)
        def stop(_: Reflector, core: Progress) -> None:
            core.effects.abandon()

    idle.upon(Reflector.stop).to(stopped).returns(None)
    # Whoever is told of a change may stop everything in the middle of it.
    for late in (Reflector.stop, Reflector.ended, Reflector.silent, Reflector.expired, Reflector.due):
        stopped.upon(late).loop().returns(None)
    for late_at in (Reflector.listed, Reflector.progress):
        stopped.upon(late_at).loop().returns(None)
    stopped.upon(Reflector.failed).loop().returns(None)
    return builder.build()


reflector = _machine()
"""Makes a machine, idle, of its L{Progress}."""
