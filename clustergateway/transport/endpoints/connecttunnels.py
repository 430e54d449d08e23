"""Routes through konnectivity in http-connect mode: each tunnel is a connection of its own; counted, and so many."""

from __future__ import annotations

from typing import TypeVar

from twisted.internet.defer import Deferred, fail
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from ...errors import ServiceUnavailable

_Result = TypeVar("_Result")


class ConnectTunnels:
    """
    The tunnels of one deployment, told of by the endpoints that open them.

    @ivar tunnels: that are connected.
    @ivar unconnected: wishes for a tunnel that are not answered yet.
    @ivar dials: tunnels asked for so far.
    @ivar failures: how many of them did not come about.
    """

    def __init__(self, most: int) -> None:
        """
        @param most: tunnels at a time, those being dialled included.
        """
        self._most = most
        self.tunnels = 0
        self.unconnected = 0
        self.dials = 0
        self.failures = 0

    @property
    def connections(self) -> int:
        """Connections to proxy-servers."""
        return self.tunnels

    def opened(self) -> None:
        """A tunnel is connected."""
        self.tunnels += 1

    def closed(self) -> None:
        """One that was opened is no more."""
        self.tunnels -= 1

    def limited(self, way: IStreamClientEndpoint) -> IStreamClientEndpoint:
        """The endpoint, as long as there is room for another tunnel."""
        return _LimitedEndpoint(self, way)

    def dial(self, way: IStreamClientEndpoint, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        @return: fires as the endpoint's does; fails with L{ServiceUnavailable} if there is no room.
        """
        self.dials += 1
        if self.tunnels + self.unconnected >= self._most:
            self.failures += 1
            return fail(ServiceUnavailable("all konnectivity tunnels are in use", hop="tunnel", retry_after=1))
        self.unconnected += 1
        connecting: Deferred[IProtocol] = way.connect(factory)
        return connecting.addBoth(self._answered)

    def _answered(self, result: _Result) -> _Result:
        self.unconnected -= 1
        if isinstance(result, Failure):
            self.failures += 1
        return result


@implementer(IStreamClientEndpoint)
class _LimitedEndpoint:
    def __init__(self, tunnels: ConnectTunnels, way: IStreamClientEndpoint) -> None:
        self._tunnels = tunnels
        self._way = way

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        return self._tunnels.dial(self._way, factory)
