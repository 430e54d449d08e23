"""Routes through konnectivity in gRPC mode: a few HTTP/2 connections to the proxy-servers, and many tunnels in them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import NoProtocol
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.python.failure import Failure
from zope.interface import implementer

from ...errors import ClusterUnavailable, GatewayError, ServiceUnavailable, UpstreamTimeout
from ...model.endpointchoice import EndpointChoice, Patience
from ...model.preamble import authority
from ..failures import connect_error
from .addresses import Addresses
from .h2session import H2Session
from .preamble import reworded
from .race import Race
from .shared import Quiet, Shared
from .tunnel import Tunnel

_SILENCE = 4.0
"""Dials that got no answer for so long, on a connection that brought nothing else either, make that one suspect."""
_PROBE = 2.0
"""How long a suspect connection has to prove that it is alive, seconds."""

_PATIENCE = Patience(first=0.25, most=5.0)


class Server(NamedTuple):
    """One proxy-server: the name it was configured with, which its certificate carries, and one of its addresses."""

    name: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class KonnectivityLimits:
    """
    @ivar tunnels: most tunnels at a time, those being dialled and those being closed included.
    @ivar connect_timeout: from the wish for a tunnel to the far end being connected, seconds.
    @ivar patience: with proxy-servers that cannot be connected to.
    """

    tunnels: int = 10000
    connect_timeout: float = 10.0
    patience: Patience = _PATIENCE


class Konnectivity:
    """
    The proxy-servers of one deployment.

    @param servers: names (each may have several addresses) and ports, in order of preference.
    @param reach: gives a way to a server, mutual TLS included.
    @param random: gives 63 random bits.
    @ivar dials: tunnels asked for so far.
    @ivar failures: how many of them did not come about.
    """

    def __init__(
        self,
        clock: IReactorTime,
        servers: Sequence[tuple[str, int]],
        addresses: Addresses,
        reach: Callable[[Server], IStreamClientEndpoint],
        random: Callable[[], int],
        limits: KonnectivityLimits | None = None,
    ) -> None:
        self.dials = 0
        self.failures = 0
        self._clock = clock
        self._servers = tuple(servers)
        self._addresses = addresses
        self._reach = reach
        self._random = random
        self._limits = limits or KonnectivityLimits()
        self._choice: EndpointChoice[Server] = EndpointChoice(self._limits.patience)
        self._opening: Shared[Server, H2Session] = Shared()
        self._sessions: dict[H2Session, Server] = {}
        self._tunnels: set[Tunnel] = set()
        self._refusal: dict[Server, GatewayError] = {}
        self._silent: dict[H2Session, tuple[int, float]] = {}
        self._closed = False

    # What there is, for metrics.

    @property
    def tunnels(self) -> int:
        """Tunnels that are connected."""
        return sum(1 for tunnel in self._tunnels if tunnel.connected)

    @property
    def unconnected(self) -> int:
        """Tunnels that are being dialled, or closed."""
        return len(self._tunnels) - self.tunnels

    @property
    def connections(self) -> int:
        """HTTP/2 connections to proxy-servers."""
        return len(self._sessions)

    # What it does.

    def endpoint(self, host: str, port: int) -> IStreamClientEndpoint:
        """The route to C{host} as the agents know it."""
        return KonnectivityEndpoint(self, host, port)

    def connect(self, host: str, port: int, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Have an agent connect to C{host:port}.

        @return: fires with the factory's protocol, on a L{Tunnel}; fails with a L{GatewayError}.
        """
        self.dials += 1
        wanted: Deferred[IProtocol] = Deferred.fromCoroutine(self._connect(host, port, factory))
        timeout = self._limits.connect_timeout

        def too_late(result: Any, _: float) -> Any:
            if isinstance(result, Failure) and result.check(CancelledError):
                target = authority(host, port)
                raise UpstreamTimeout(f"no konnectivity tunnel to {target} within {timeout:g} s", hop="tunnel")
            return result

        def failed(failure: Failure) -> Failure:
            self.failures += 1
            return failure

        return wanted.addTimeout(timeout, self._clock, too_late).addErrback(failed)

    def close(self) -> None:
        """Take no more; each connection ends with its last tunnel."""
        self._closed = True
        for session in tuple(self._sessions):
            session.retire()

    async def _connect(self, host: str, port: int, factory: IProtocolFactory) -> IProtocol:
        tried: set[Server] = set()
        error: GatewayError | None = None
        while True:
            session = self._open(tried)
            if session is None:
                servers = [server for server in await self._known() if server not in tried]
                if not servers:
                    raise error or ClusterUnavailable("there is no konnectivity proxy-server", hop="tunnel")
                session = await self._session(servers)
            if not session.room:
                # Others were faster. One that has no room from the start will not have any.
                if not session.streams:
                    tried.update(server for server in (self._sessions.get(session),) if server is not None)
                    error = ClusterUnavailable(f"{session.name} takes no tunnels", hop="tunnel")
                continue
            if len(self._tunnels) >= self._limits.tunnels:
                raise ServiceUnavailable("all konnectivity tunnels are in use", hop="tunnel", retry_after=1)
            tried.add(self._sessions[session])
            try:
                return await _Dial(self, session, host, port, factory).protocol
            except _Elsewhere as refused:
                error = refused.error

    def _open(self, tried: set[Server]) -> H2Session | None:
        if self._closed:
            raise ServiceUnavailable("the gateway is being stopped", hop="tunnel")
        for session, server in self._sessions.items():
            if session.room and server not in tried:
                return session
        return None

    async def _known(self) -> list[Server]:
        known = []
        failure: Exception | None = None
        for name, port in self._servers:
            try:
                addresses = await self._addresses.of(name)
            except CancelledError:
                raise
            except Exception as error:
                failure = error
                continue
            known += [Server(name, address, port) for address in addresses]
        if not known and failure is not None:
            raise reworded(connect_error(Failure(failure), ""), "the konnectivity proxy-server", "proxy")
        self._choice.keep(known)
        self._refusal = {server: error for server, error in self._refusal.items() if server in known}
        return known

    async def _session(self, servers: list[Server]) -> H2Session:
        now = self._clock.seconds()
        order = [
            server
            for server in self._choice.order(servers, now)
            if server in self._opening or server not in self._refusal or not self._choice.avoided(server, now)
        ]
        if not order:
            # All of them refused just now: say it again instead of knocking with every request.
            raise reworded(self._refusal[servers[0]], "tried a moment ago", "proxy")
        race: Race[Server, H2Session] = Race(self._clock, self._choice, order, self._begin)
        return (await race.run())[1]

    def _begin(self, server: Server) -> Deferred[H2Session]:
        return self._opening.wait(server, lambda: self._open_session(server))

    def _open_session(self, server: Server) -> Deferred[H2Session]:
        name = f"the konnectivity proxy-server {authority(server.name, server.port)}"
        if server.address != server.name:
            name += f" ({server.address})"
        sessions: list[H2Session] = []

        def build() -> H2Session:
            session = H2Session(self._clock, authority(server.name, server.port), name, self._lost)
            sessions.append(session)
            return session

        def connected(session: H2Session) -> Deferred[H2Session]:
            assert session.ready is not None
            return session.ready

        def ready(session: H2Session) -> H2Session:
            self._sessions[session] = server
            self._refusal.pop(server, None)
            if self._closed:
                session.retire()
            return session

        def failed(failure: Failure) -> Deferred[H2Session]:
            for session in sessions:
                session.abandon()
            self._addresses.doubt(server.name)
            error = reworded(connect_error(failure, ""), name, "proxy")
            self._refusal[server] = error
            raise error

        connecting: Deferred[Any] = self._reach(server).connect(Quiet.forProtocol(build))
        connecting.addCallback(connected)
        connecting.addTimeout(self._limits.connect_timeout, self._clock)
        return connecting.addCallbacks(ready, failed)

    def _lost(self, session: H2Session) -> None:
        self._sessions.pop(session, None)
        self._silent.pop(session, None)

    def unanswered(self, session: H2Session, reads: int, began: float) -> None:
        """A dial was given up, and the session has brought nothing since it began. Others may have fared likewise."""
        if session.lost:
            return
        known, since = self._silent.get(session, (-1, began))
        if known != reads:
            since = began
        self._silent[session] = (reads, since)
        if self._clock.seconds() - since >= _SILENCE:
            self._suspect(session)

    def _suspect(self, session: H2Session) -> None:
        """A session has been silent for long. If the server is, and not just an agent, new tunnels use another one."""
        session.probe()
        self._clock.callLater(_PROBE, self._judge, session, session.reads)

    def _judge(self, session: H2Session, reads: int) -> None:
        if session.reads == reads and not session.lost:
            session.retire()

    def new_tunnel(self, session: H2Session, host: str, port: int, dial: _Dial) -> Tunnel:
        """Begin to dial."""
        tunnel = Tunnel(self._clock, session, host, port, self._random(), dial)
        self._tunnels.add(tunnel)
        return tunnel

    def over(self, tunnel: Tunnel) -> None:
        """Nothing is left of a tunnel."""
        self._tunnels.discard(tunnel)

    def now(self) -> float:
        """By the clock that everything here uses."""
        return self._clock.seconds()


class _Elsewhere(Exception):
    """This server could not, another may."""

    def __init__(self, error: GatewayError) -> None:
        super().__init__(error)
        self.error = error


class _Dial:
    """
    One attempt on one session.

    @ivar protocol: fires when the far end is connected. To cancel it gives up the dial.
    """

    def __init__(
        self, owner: Konnectivity, session: H2Session, host: str, port: int, factory: IProtocolFactory
    ) -> None:
        self.protocol: Deferred[IProtocol] = Deferred(self._cancelled)
        self._owner = owner
        self._session = session
        self._factory = factory
        self._began = owner.now()
        self._reads = session.reads
        self._tunnel = owner.new_tunnel(session, host, port, self)

    def _cancelled(self, _: Deferred[IProtocol]) -> None:
        if self._session.reads == self._reads:
            self._owner.unanswered(self._session, self._reads, self._began)
        self._tunnel.giveUp()

    def opened(self, tunnel: Tunnel) -> None:
        """The far end is connected."""
        protocol = self._factory.buildProtocol(tunnel.getPeer())
        if protocol is None:
            tunnel.giveUp()
            self.protocol.errback(NoProtocol())
            return
        tunnel.protocol = protocol
        protocol.makeConnection(tunnel)
        self.protocol.callback(protocol)

    def refused(self, error: GatewayError, elsewhere: bool) -> None:
        """There will be no connection."""
        self.protocol.errback(_Elsewhere(error) if elsewhere else error)

    def finished(self, tunnel: Tunnel) -> None:
        """Nothing is left of the tunnel."""
        self._owner.over(tunnel)


@implementer(IStreamClientEndpoint)
class KonnectivityEndpoint:
    """The route to one far end."""

    def __init__(self, konnectivity: Konnectivity, host: str, port: int) -> None:
        self._konnectivity = konnectivity
        self._host = host
        self._port = port

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """As L{Konnectivity.connect}."""
        return self._konnectivity.connect(self._host, self._port, factory)
