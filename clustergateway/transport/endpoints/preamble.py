"""A route through a proxy that is first asked for the destination: the I/O around a L{Preamble}."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from typing import Protocol as Seam

from twisted.internet.defer import Deferred
from twisted.internet.error import NoProtocol
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

from ...errors import GatewayError, UpstreamReset, UpstreamTimeout
from ...model.preamble import Preamble
from ..failures import connect_error
from .shared import Quiet
from .tunnel import Tunnel


class Tally(Seam):
    """Who counts connections through a proxy."""

    def opened(self) -> None:
        """The destination is connected."""
        ...

    def closed(self) -> None:
        """It is no more."""
        ...


@implementer(IStreamClientEndpoint)
class PreambleEndpoint:
    """
    Connects to the proxy, has the conversation, and then gives the connection away: the protocol asked for is put in
    the place of the conversation on the very transport, so that nothing is left in between.

    @param proxy: gives a connection to the proxy, TLS included if it wants that.
    @param name: what to call the proxy in errors; holds no credential.
    @param preamble: makes a new conversation.
    @param timeout: for the connection to the proxy and the conversation altogether, seconds.
    @param tally: told of each connection that is given away, if somebody counts them. Then something is left in
        between, as it is with TLS to the proxy in any case.
    """

    def __init__(
        self,
        clock: IReactorTime,
        proxy: IStreamClientEndpoint,
        name: str,
        preamble: Callable[[], Preamble],
        timeout: float,
        tally: Tally | None = None,
    ) -> None:
        self._tally = tally
        self._clock = clock
        self._proxy = proxy
        self._name = name
        self._preamble = preamble
        self._timeout = timeout

    def connect(self, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        @return: fires with the factory's protocol, connected to the destination; fails with a L{GatewayError}. To
            cancel it hangs up on the proxy.
        """
        try:
            conversation = _Conversation(self._preamble(), factory, self._name, self._tally)
        except GatewayError as error:
            refused: Deferred[IProtocol] = Deferred()
            refused.errback(error)
            return refused
        result: Deferred[IProtocol] = Deferred(lambda _: conversation.abandon())
        conversation.result = result
        limit = self._clock.callLater(self._timeout, self._too_late, conversation)

        def over(outcome: Any) -> Any:
            if limit.active():
                limit.cancel()
            return outcome

        result.addBoth(over)
        conversation.connecting = self._proxy.connect(Quiet.forProtocol(lambda: conversation))
        conversation.connecting.addErrback(self._no_proxy, conversation)
        return result

    def _no_proxy(self, failure: Failure, conversation: _Conversation) -> None:
        conversation.refuse(reworded(connect_error(failure, ""), self._name, "proxy"))

    def _too_late(self, conversation: _Conversation) -> None:
        conversation.refuse(UpstreamTimeout(f"{self._name} did not answer in time", hop="proxy"))
        conversation.abandon()


class _Conversation(Protocol):
    """
    Talks to the proxy until it agrees or not.

    @ivar result: C{None} once it is known.
    @ivar connecting: the attempt to connect to the proxy.
    @ivar _heir: the protocol whose connection it now is, where TLS to the proxy keeps on delivering here or somebody
        counts.
    """

    def __init__(self, preamble: Preamble, factory: IProtocolFactory, name: str, tally: Tally | None) -> None:
        self.result: Deferred[IProtocol] | None = None
        self.connecting: Deferred[Any] | None = None
        self._preamble = preamble
        self._factory = factory
        self._name = name
        self._tally = tally
        self._heir: IProtocol | None = None

    def connectionMade(self) -> None:
        assert self.transport is not None
        if self.result is None:
            self.abandon()
            return
        self.transport.write(self._preamble.begin())

    def dataReceived(self, data: bytes) -> None:
        if self._heir is not None:
            self._heir.dataReceived(data)
            return
        if self.result is None:
            return
        try:
            step = self._preamble.feed(data)
        except GatewayError as error:
            self.refuse(reworded(error, self._name, error.hop))
            self.abandon()
            return
        assert self.transport is not None
        if step.send:
            self.transport.write(step.send)
        if step.rest is not None:
            self._give_away(step.rest)

    def _give_away(self, rest: bytes) -> None:
        transport: Any = self.transport
        protocol = self._factory.buildProtocol(transport.getPeer())
        if protocol is None:
            self.refuse(NoProtocol())
            self.abandon()
            return
        result, self.result = self.result, None
        assert result is not None
        if self._tally is None and isinstance(transport, Connection | Tunnel):
            transport.protocol = protocol
        else:
            self._heir = protocol
        if self._tally is not None:
            self._tally.opened()
        protocol.makeConnection(transport)
        result.callback(protocol)
        if rest:
            protocol.dataReceived(rest)

    def refuse(self, error: Exception) -> None:
        """Tell whoever waits, if somebody still does."""
        result, self.result = self.result, None
        if result is not None:
            result.errback(error)

    def abandon(self) -> None:
        """Hang up, and hear nothing more."""
        self.result = None
        if self.transport is not None:
            self.transport.abortConnection()  # type: ignore[attr-defined]
        elif self.connecting is not None:
            self.connecting.cancel()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._heir is not None:
            if self._tally is not None:
                self._tally.closed()
            self._heir.connectionLost(reason)
            return
        self.refuse(UpstreamReset(f"{self._name} closed the connection before it answered", hop="proxy"))


def reworded(error: GatewayError, name: str, hop: str) -> GatewayError:
    """The same error, said of C{name} and of another leg."""
    return type(error)(f"{name}: {error.message}", cluster=error.cluster, hop=hop, retry_after=error.retry_after)
