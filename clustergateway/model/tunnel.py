"""
One connection through konnectivity: what each packet means at each moment, as a machine without I/O.

    ============  =====================================================================================
    state         what ends it
    ============  =====================================================================================
    DIALLING      DIAL_RSP with our random: OPEN or refused. DIAL_CLS, the stream's end: refused.
                  L{TunnelLife.close}: CANCELLED, by DIAL_CLS
    OPEN          CLOSE_RSP, the stream's end: lost. L{TunnelLife.close}: CLOSING, by CLOSE_REQ
    CANCELLED     a DIAL_RSP that was already under way: CLOSING, by CLOSE_REQ. Waited long enough: DONE
    CLOSING       CLOSE_RSP. Waited long enough: DONE
    DONE          nothing; the HTTP/2 stream is over
    ============  =====================================================================================

There is no half close: each connection has a stream of its own, and both end together.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from ..errors import ClusterUnavailable, GatewayError, UpstreamRefused, UpstreamTimeout, UpstreamUnresolvable
from .konnectivity import (
    NO_AGENT,
    CloseDial,
    CloseRequest,
    CloseResponse,
    Data,
    DialRequest,
    DialResponse,
    Drain,
    Packet,
)

_SHOWN = 300


class State(Enum):
    """Where a tunnel is in its life."""

    DIALLING = auto()
    OPEN = auto()
    CANCELLED = auto()
    CLOSING = auto()
    DONE = auto()


@dataclass(frozen=True, slots=True)
class Send:
    """Send this packet."""

    packet: Packet


@dataclass(frozen=True, slots=True)
class Opened:
    """The far end is connected; data goes under this id."""

    connect_id: int


@dataclass(frozen=True, slots=True)
class Refused:
    """
    There will be no connection.

    @ivar elsewhere: another proxy-server may well succeed.
    """

    error: GatewayError
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Deliver:
    """Bytes from the far end."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection is over; C{reason} is empty if it was closed in good order."""

    reason: str = ""


@dataclass(frozen=True, slots=True)
class Linger:
    """Wait for a last packet, but not for ever: then call L{TunnelLife.waited}."""


@dataclass(frozen=True, slots=True)
class Finish:
    """End the HTTP/2 stream."""


@dataclass(frozen=True, slots=True)
class Retire:
    """Use this proxy-server's connection for nothing new."""


Action = Send | Opened | Refused | Deliver | Lost | Linger | Finish | Retire


def dial_error(target: str, text: str) -> GatewayError:
    """What the agent's words for a failed dial (those of Go's net package) mean. C{target} is C{host:port}."""
    text = "".join(c if c.isprintable() else " " for c in text[:_SHOWN])
    said = f"the konnectivity agent could not connect to {target}: {text}"
    if NO_AGENT in text:
        return ClusterUnavailable(f"no konnectivity agent is connected for {target}", hop="tunnel")
    if "no such host" in text or "server misbehaving" in text:
        return UpstreamUnresolvable(said, hop="dns")
    if "timeout" in text or "timed out" in text or "deadline" in text:
        return UpstreamTimeout(said, hop="connect")
    return UpstreamRefused(said, hop="connect")


class TunnelLife:
    """
    Decides. Every method returns the actions to take, in order.

    @param target: C{host:port} as the agent is to dial it.
    @param random: names the attempt; unguessable enough not to repeat (63 bits).
    """

    def __init__(self, target: str, random: int) -> None:
        self.state = State.DIALLING
        self.connect_id = 0
        self._target = target
        self._random = random

    def dial(self) -> list[Action]:
        """The first thing to do."""
        return [Send(DialRequest(self._target, self._random))]

    def received(self, packet: Packet) -> list[Action]:
        """
        A packet came. What does not concern this connection (another's id or random, a packet out of order) changes
        nothing: bytes of a stranger must never get into a connection.
        """
        match packet:
            case Drain():
                return [Retire()]
            case Data(connect_id, data):
                mine = self.state is State.OPEN and connect_id == self.connect_id
                return [Deliver(data)] if mine and data else []
            case DialResponse(random) if random == self._random:
                return self._answered(packet)
            case CloseDial(random) if random == self._random and self.state in (State.DIALLING, State.CANCELLED):
                return self._over("the konnectivity agent gave up the dial", elsewhere=True)
            case CloseResponse(connect_id, error) if connect_id == self.connect_id:
                return self._over(error)
            case CloseRequest(connect_id) if connect_id == self.connect_id:
                return self._over("")
        return []

    def _answered(self, answer: DialResponse) -> list[Action]:
        failed = bool(answer.error) or not answer.connect_id
        if self.state is State.CANCELLED and not failed:
            self.state = State.CLOSING
            self.connect_id = answer.connect_id
            return [Send(CloseRequest(answer.connect_id))]
        if self.state is State.CANCELLED:
            return self._over("")
        if self.state is not State.DIALLING:
            return []
        if failed:
            self.state = State.DONE
            error = dial_error(self._target, answer.error or "the answer has no connection id")
            return [Refused(error, elsewhere=isinstance(error, ClusterUnavailable)), Finish()]
        self.state = State.OPEN
        self.connect_id = answer.connect_id
        return [Opened(answer.connect_id)]

    def _over(self, reason: str, *, elsewhere: bool = False) -> list[Action]:
        was, self.state = self.state, State.DONE
        if was is State.DIALLING:
            said = reason or "the proxy-server closed the tunnel"
            return [Refused(dial_error(self._target, said), elsewhere), Finish()]
        if was is State.OPEN:
            return [Lost(reason), Finish()]
        return [] if was is State.DONE else [Finish()]

    def close(self) -> list[Action]:
        """This end wants no more of it: hangs up, or gives up the dial."""
        if self.state is State.DIALLING:
            self.state = State.CANCELLED
            return [Send(CloseDial(self._random)), Linger()]
        if self.state is State.OPEN:
            self.state = State.CLOSING
            return [Send(CloseRequest(self.connect_id)), Linger(), Lost()]
        return []

    def waited(self) -> list[Action]:
        """No last packet came in time."""
        return self._over("it did not answer in time")

    def stream_ended(self, error: GatewayError) -> list[Action]:
        """The HTTP/2 stream is over, whoever ended it: the server, a lost connection."""
        was, self.state = self.state, State.DONE
        if was is State.DIALLING:
            return [Refused(error, elsewhere=True)]
        if was is State.OPEN:
            return [Lost(error.message)]
        return []
