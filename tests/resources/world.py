"""The tree on a real Twisted Web site, with a wire in memory instead of a socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import h11
from prometheus_client import CollectorRegistry
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IPushProducer
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import IResource
from twisted.web.server import Site

from clustergateway.errors import UnknownCluster
from clustergateway.interfaces import HealthWriter
from clustergateway.model.gateway import ClusterGateway, Endpoint, TokenCredential
from clustergateway.model.identity import ANONYMOUS, Attributes, Identity
from clustergateway.resources.health import Check
from clustergateway.resources.root import Parts, collections, root

GROUP = "/apis/cluster.core.oam.dev/v1alpha1"
GATEWAYS = f"{GROUP}/clustergateways"
TOKEN = "s3cr3t-token"


def gateway(name: str, version: str = "", **labels: str) -> ClusterGateway:
    return ClusterGateway(
        name, (Endpoint("10.0.0.1", 6443),), TokenCredential(TOKEN), labels=labels, resource_version=version
    )


class MemoryDirectory:
    """Clusters that the test puts there."""

    def __init__(self, *gateways: ClusterGateway) -> None:
        self.gateways = {gateway.name: gateway for gateway in gateways}
        self.listeners: list[Callable[[str, ClusterGateway], None]] = []

    def get(self, name: str) -> ClusterGateway:
        if name not in self.gateways:
            raise UnknownCluster(name)
        return self.gateways[name]

    def all(self) -> list[ClusterGateway]:
        return [self.gateways[name] for name in sorted(self.gateways)]

    def subscribe(self, listener: Callable[[str, ClusterGateway], None]) -> Callable[[], None]:
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener)

    def put(self, *gateways: ClusterGateway) -> None:
        for gateway in gateways:
            event = "MODIFIED" if gateway.name in self.gateways else "ADDED"
            self.gateways[gateway.name] = gateway
            self._tell(event, gateway)

    def delete(self, name: str) -> None:
        self._tell("DELETED", self.gateways.pop(name))

    def _tell(self, event: str, gateway: ClusterGateway) -> None:
        for listener in list(self.listeners):
            listener(event, gateway)


@dataclass
class Answer:
    """What came back so far."""

    code: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    complete: bool = False

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def events(self) -> list[Any]:
        """The lines of a watch."""
        return [json.loads(line) for line in self.body.splitlines()]


class Narrow(StringTransport):
    """A wire whose client takes one write and then no more, until somebody resumes the producer."""

    def write(self, data: bytes) -> None:
        super().write(data)
        self.pause()

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def pause(self) -> None:
        if self.producer is not None:
            self.producer.pauseProducing()


class Conversation:
    """One connection with one request on it."""

    def __init__(
        self,
        site: Site,
        method: str,
        target: str,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        wire: StringTransport | None = None,
    ) -> None:
        self.transport = wire or StringTransport()
        self._channel = site.buildProtocol(None)
        assert self._channel is not None
        self._channel.makeConnection(self.transport)
        self._client = h11.Connection(h11.CLIENT)
        self._taken = 0
        self._answer = Answer()
        head = [("Host", "gateway"), ("Content-Length", str(len(body))), *headers]
        request = self._client.send(h11.Request(method=method, target=target, headers=head))
        self._channel.dataReceived((request or b"") + body)
        self._client.send(h11.Data(body))
        self._client.send(h11.EndOfMessage())

    @property
    def answer(self) -> Answer:
        """Everything that has arrived by now."""
        sent = self.transport.value()
        if len(sent) > self._taken:
            self._client.receive_data(sent[self._taken :])
            self._taken = len(sent)
        while True:
            event = self._client.next_event()
            if isinstance(event, h11.Response):
                self._answer.code = event.status_code
                self._answer.headers = {name.decode(): value.decode() for name, value in event.headers}
            elif isinstance(event, h11.Data):
                self._answer.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self._answer.complete = True
            else:
                return self._answer

    @property
    def producer(self) -> IPushProducer:
        """What the transport pauses when the client does not read."""
        producer: IPushProducer | None = self.transport.producer
        assert producer is not None
        return producer

    def hang_up(self) -> None:
        assert self._channel is not None
        self._channel.connectionLost(Failure(ConnectionDone()))


class World:
    """
    A gateway's faces with these clusters.

    @ivar asked: what the guard was asked.
    @ivar verdict: what it says; an exception is raised, a Deferred returned.
    """

    def __init__(
        self,
        *gateways: ClusterGateway,
        version: Callable[[], int] = lambda: 100,
        heard: Callable[[], int] = lambda: 0,
        with_control_plane: bool = True,
        health_writer: HealthWriter | None = None,
        liveness: Sequence[Check] = (),
        readiness: Sequence[Check] = (),
    ) -> None:
        self.directory = MemoryDirectory(*gateways)
        self.clock = Clock()
        self.registry = CollectorRegistry()
        self.asked: list[Attributes] = []
        self.verdict: Identity | Deferred[Identity] | Exception = ANONYMOUS
        own, virtual = collections(self.directory, version, heard=heard, with_control_plane=with_control_plane)
        parts = Parts(
            guard=self.guard,
            gateways=own,
            virtual_clusters=virtual,
            registry=self.registry,
            clock=self.clock,
            version="1.2.3",
            health_writer=health_writer,
            liveness=liveness,
            readiness=readiness,
        )
        self.gateways = own
        self.virtual_clusters = virtual
        self.site = serve(root(parts))
        for path in (GATEWAYS, f"{GROUP}/virtualclusters"):
            self.get(path)  # somebody has asked before; a collection is made when first asked for
        self.asked.clear()

    def guard(self, request: Request, attributes: Attributes) -> Identity | Deferred[Identity]:
        self.asked.append(attributes)
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict

    def open(
        self,
        target: str,
        *headers: tuple[str, str],
        method: str = "GET",
        body: bytes = b"",
        wire: StringTransport | None = None,
    ) -> Conversation:
        return Conversation(self.site, method, target, headers, body, wire)

    def get(self, target: str, accept: str = "", method: str = "GET") -> Answer:
        headers = [("Accept", accept)] if accept else []
        return self.open(target, *headers, method=method).answer


def serve(resource: IResource) -> Site:
    site = Site(resource, reactor=Clock())
    site.timeOut = None
    return site
