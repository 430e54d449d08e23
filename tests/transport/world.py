"""A gateway's data path with everything around it in memory: clients, a proxy that decides, a cluster that answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from zope.interface import implementer

from clustergateway.errors import GatewayError
from clustergateway.model.http1 import RequestHead
from clustergateway.model.identity import Claims
from clustergateway.model.record import Record
from clustergateway.settings import Limits
from clustergateway.testing.wires import MemoryEndpoint, Network, Wire
from clustergateway.transport.channel import GatewaySite
from clustergateway.transport.forward import Forward
from clustergateway.transport.pool import Pool

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@implementer(IHalfCloseableProtocol)
class Raw(Protocol):
    """Keeps what it is sent."""

    transport: Wire

    def __init__(self) -> None:
        self.received = b""
        self.half_closed = False
        self.lost: Failure | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def readConnectionLost(self) -> None:
        self.half_closed = True

    def writeConnectionLost(self) -> None:
        pass

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason

    def take(self) -> bytes:
        """What came since the last call."""
        received, self.received = self.received, b""
        return received


class World:
    """
    @ivar decision: what the proxy says next: C{None} for the usual forward, or something to return or raise.
    @ivar heads: of the requests it was asked about.
    @ivar clusters: the cluster's ends of the connections opened to it, in order.
    """

    def __init__(
        self, limits: Limits | None = None, resource: IResource | None = None, high_water: int = 65536
    ) -> None:
        self.limits = limits or Limits()
        self.clock = Clock()
        self.network = Network(high_water)
        self.clusters: list[Raw] = []
        self.endpoint = MemoryEndpoint(self.network, self._accept)
        self.pool = Pool(self.endpoint, self.clock, self.limits, "east")
        self.records: list[Record] = []
        self.heads: list[RequestHead] = []
        self.claims: list[Claims] = []
        self.decision: Any = None
        self.options: dict[str, Any] = {}
        self.fill: Callable[[Record], None] = lambda record: None
        self.site = GatewaySite(resource or Resource(), self, self, self.limits, self.clock)

    def _accept(self) -> Raw:
        self.clusters.append(Raw())
        return self.clusters[-1]

    # As the proxy, and as the observer.

    def matches(self, target: bytes) -> bool:
        return target.startswith(b"/east/")

    def decide(self, head: RequestHead, claims: Claims) -> Forward | Deferred[Forward]:
        self.heads.append(head)
        self.claims.append(claims)
        if isinstance(self.decision, Exception):
            raise self.decision
        if self.decision is not None:
            return self.decision  # type: ignore[no-any-return]
        return self.forward(head)

    def forward(self, head: RequestHead) -> Forward:
        record = Record(head.method.decode(), head.target.decode(), self.clock.seconds(), cluster="east")
        self.fill(record)
        more = b"Connection: Upgrade\r\nUpgrade: %s\r\n" % head.upgrade if head.upgrade else b""
        wire = b"%s %s HTTP/1.1\r\nHost: up\r\n%s%s\r\n" % (head.method, head.target[5:], head.block, more)
        return Forward(self.pool, wire, record, **self.options)

    def refused(self, head: RequestHead, claims: Claims, error: GatewayError) -> Record:
        return Record(head.method.decode(), head.target.decode(), self.clock.seconds())

    def finished(self, record: Record) -> None:
        self.records.append(record)

    # What happens.

    def client(self) -> Raw:
        """A new client."""
        client = Raw()
        channel = self.site.buildProtocol(None)
        assert channel is not None
        self.network.connect(client, channel)
        return client

    def send(self, end: Raw, data: bytes) -> None:
        end.transport.write(data)
        self.network.pump()

    def advance(self, seconds: float) -> None:
        """Time passes, a second at a time."""
        for _ in range(int(seconds)):
            self.clock.advance(1)
            self.network.pump()

    @property
    def cluster(self) -> Raw:
        """The cluster's end of the connection opened last."""
        return self.clusters[-1]

    @property
    def outcomes(self) -> list[tuple[int, str]]:
        """Code and outcome of each request that is over."""
        return [(record.code, record.outcome) for record in self.records]


def request(line: str, *lines: str, body: bytes = b"") -> bytes:
    """A request with a Host."""
    return "\r\n".join([f"{line} HTTP/1.1", "Host: gw", *lines, "", ""]).encode() + body


def answer(data: bytes) -> tuple[int, dict[str, str], bytes]:
    """Code, header fields (names lowercased) and body of one whole answer."""
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    return int(status.split(" ")[1]), {name.lower(): value for name, value in fields.items()}, body


def status(data: bytes) -> dict[str, Any]:
    """The metav1.Status that an answer consists of."""
    _, fields, body = answer(data)
    assert fields["content-type"] == "application/json", fields
    assert int(fields["content-length"]) == len(body), fields
    return dict(json.loads(body))
