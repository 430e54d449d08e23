"""
The seams: what each room offers the floors above it. Protocols only; every one has an in-memory twin in
L{clustergateway.testing}, and one test suite runs on both.

Hot-path rule: a method that returns C{T | Deferred[T]} answers with a plain C{T} whenever it needs no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

    from .errors import GatewayError
    from .model.gateway import ClusterGateway, Health
    from .model.http1 import RequestHead
    from .model.identity import Attributes, Claims, Decision, Identity
    from .model.record import Record
    from .transport.forward import Forward


class Authenticator(Protocol):
    """Who is asking."""

    def authenticate(self, claims: Claims) -> Identity | Deferred[Identity | None] | None:
        """
        @return: the identity these claims prove, or C{None} if they prove none that this authenticator knows.
        @raise Unauthenticated: (or the Deferred fails with it) the claims are of a kind this authenticator judges, and
            are bad: no later authenticator is asked.
        @raise HubUnavailable: (likewise) the judge does not answer.
        """
        ...


class Authorizer(Protocol):
    """May they."""

    def authorize(self, who: Identity, what: Attributes) -> Decision | Deferred[Decision]:
        """
        @raise HubUnavailable: (or the Deferred fails with it) nobody can tell. Never an open door.
        """
        ...


class ProxyAuthorizer(Protocol):
    """May they, of a request that goes through."""

    def authorize_proxy(
        self, who: Identity, outer: Attributes, inner: Attributes, upgrade: bool
    ) -> Decision | Deferred[Decision]:
        """
        @param outer: the verb on C{clustergateways/proxy}; its name is the cluster's.
        @param inner: what it is in that cluster.
        @param upgrade: whether it asks for another protocol.
        @raise HubUnavailable: (or the Deferred fails with it) nobody can tell.
        """
        ...


class Directory(Protocol):
    """Which clusters there are. Answers from memory."""

    def get(self, name: str) -> ClusterGateway:
        """
        @raise UnknownCluster: none has this name.
        """
        ...

    def all(self) -> Iterable[ClusterGateway]:
        """Every cluster, sorted by name."""
        ...

    def subscribe(self, listener: Callable[[str, ClusterGateway], None]) -> Callable[[], None]:
        """
        Have C{listener("ADDED" | "MODIFIED" | "DELETED", gateway)} called on every change from now on.

        @return: ends the subscription.
        """
        ...


class HealthWriter(Protocol):
    """Where C{clustergateways/health} is written."""

    def write(self, name: str, health: Health, resource_version: str) -> Deferred[ClusterGateway]:
        """
        @param resource_version: of the ClusterGateway the writer has seen; C{""} to write unconditionally.
        @raise Conflict: (the Deferred fails with it) it changed since.
        """
        ...


class Entry(Protocol):
    """With what a cluster is entered: its credential, made ready to be used for one connection or request."""

    @property
    def token(self) -> str:
        """Bearer token, C{""} for none."""
        ...

    @property
    def certificate(self) -> bytes:
        """PEM chain, C{b""} for none."""
        ...

    @property
    def key(self) -> bytes:
        """PEM key belonging to the certificate."""
        ...

    @property
    def version(self) -> str:
        """Changes whenever one of the others does."""
        ...


class Credentials(Protocol):
    """Turns the credential a cluster is configured with into what is put on the wire."""

    def entry(self, cluster: ClusterGateway) -> Entry | Deferred[Entry]:
        """
        @raise CredentialUnavailable: (or the Deferred fails with it) it could not be had, and why.
        """
        ...

    def rejected(self, cluster: ClusterGateway, entry: Entry) -> bool:
        """
        The cluster answered 401 to this entry.

        @return: whether asking again may give another one.
        """
        ...


class Tap(Protocol):
    """
    Sees what passes, without delaying it. All methods return at once and raise nothing.

    @ivar only_failures: whether answers below 400 need not be shown.
    """

    only_failures: bool

    def bind(self, stop: Callable[[GatewayError], object]) -> None:
        """
        Told once, before the others.

        @param stop: ends the exchange with this error; not to be called from within another method.
        """
        ...

    def request_data(self, data: bytes) -> None: ...

    def response_head(self, code: int, head: bytes) -> None: ...

    def response_data(self, data: bytes) -> None: ...

    def ended(self) -> None: ...

    def parting(self, error: GatewayError) -> bytes:
        """
        @return: what tells the client of an upgraded connection, in the protocol that is spoken there, that it ends
            with this error; to be sent behind what has passed so far. C{b""} if that cannot be told.
        """
        ...


class Upstream(Protocol):
    """
    Connections to one cluster with one credential: a pool over an ordered list of endpoints.

    What a connection is, and how it is handed out, is between L{clustergateway.transport.pool} and
    L{clustergateway.transport.exchange}; the floors above only create and close upstreams.
    """

    def close(self) -> None:
        """Close idle connections, and each busy one when its exchange is over. New requests are not taken."""
        ...


class Proxy(Protocol):
    """What the channel asks about a request whose target is a proxy target."""

    def matches(self, target: bytes) -> bool:
        """Is this request target one to be proxied? Anything else goes down the resource tree."""
        ...

    def decide(self, head: RequestHead, claims: Claims) -> Forward | Deferred[Forward]:
        """
        Parse -> who -> may they -> where -> with what.

        @raise GatewayError: (or the Deferred fails with it) the request is refused; C{refused} was not yet called.
        """
        ...

    def refused(self, head: RequestHead, claims: Claims, error: GatewayError) -> Record:
        """A record of a request that C{decide} refused, for the observers."""
        ...


class Observer(Protocol):
    """Told once about every request, at its end."""

    def finished(self, record: Record) -> None: ...
