"""The addresses of a name, each of which may be a server of its own."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import DNSLookupError
from twisted.internet.interfaces import (
    IAddress,
    IHostnameResolver,
    IHostResolution,
    IReactorTime,
    IResolutionReceiver,
)
from zope.interface import implementer

from .shared import Shared


class Addresses:
    """
    Resolves names, and again after a while.

    @param fresh: for how long an answer is used, seconds.
    """

    def __init__(self, clock: IReactorTime, resolver: IHostnameResolver, fresh: float = 30.0) -> None:
        self._clock = clock
        self._resolver = resolver
        self._fresh = fresh
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._asking: Shared[str, tuple[str, ...]] = Shared()

    def of(self, name: str) -> Deferred[tuple[str, ...]]:
        """
        @return: fires with the addresses, in the resolver's order. If it has none any more, with the last it had.
        @raise DNSLookupError: (the Deferred fails with it) there never was one.
        """
        try:
            return succeed((str(ip_address(name)),))
        except ValueError:
            pass
        until, addresses = self._known.get(name, (0.0, ()))
        if addresses and self._clock.seconds() < until:
            return succeed(addresses)
        return self._asking.wait(name, lambda: self._ask(name))

    def doubt(self, name: str) -> None:
        """Ask again the next time: an address turned out to be of no use."""
        if name in self._known:
            self._known[name] = (0.0, self._known[name][1])

    def _ask(self, name: str) -> Deferred[tuple[str, ...]]:
        receiver = _Receiver()
        self._resolver.resolveHostName(receiver, name)
        return receiver.complete.addCallback(self._answered, name)

    def _answered(self, addresses: Sequence[str], name: str) -> tuple[str, ...]:
        known = tuple(dict.fromkeys(addresses)) or self._known.get(name, (0.0, ()))[1]
        if not known:
            raise DNSLookupError(f"{name} has no address")
        self._known[name] = (self._clock.seconds() + self._fresh, known)
        return known


@implementer(IResolutionReceiver)
class _Receiver:
    def __init__(self) -> None:
        self.complete: Deferred[list[str]] = Deferred()
        self._addresses: list[str] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        pass

    def addressResolved(self, address: IAddress) -> None:
        host = getattr(address, "host", None)
        if isinstance(host, str):
            self._addresses.append(host)

    def resolutionComplete(self) -> None:
        self.complete.callback(self._addresses)
