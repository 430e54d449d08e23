"""
The life of one proxied request, on one page: parse -> who -> may they -> where -> with what -> forward -> record.

Every step is a method of L{Pipeline} that takes the request's state, adds what it found out, and passes it on; a step
that has its answer in memory passes it on at once, so that a warm request is decided without a turn of the reactor.
What happens after the decision is in L{clustergateway.transport.exchange}.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from .errors import BadRequest, ClusterUnavailable, Forbidden, GatewayError, Unauthenticated
from .model.identity import ANONYMOUS, Attributes, Claims, Decision, Identity
from .model.record import Record
from .model.requestinfo import parse_request_info
from .model.reviews import is_health
from .model.route import Route, is_proxied, parse_route
from .transport.forward import Forward

if TYPE_CHECKING:
    from .credentials.exchange import Exchanged
    from .interfaces import Authenticator, Credentials, Entry, ProxyAuthorizer, Upstream
    from .model.gateway import ClusterGateway
    from .model.http1 import RequestHead
    from .observe.audit import Audit

T = TypeVar("T")
R = TypeVar("R")

PARSED = 4096
"""Most parsed targets remembered: clients ask the same few things all day."""
PARSED_TARGET = 512
"""Longest target remembered, in bytes."""

GROUP = "cluster.core.oam.dev"
VERSION = "v1alpha1"
_NOTHING = Attributes("")
_OUTER_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What a method and a target ask for; the same for every request with the same two.

    @ivar outer: as the hub's RBAC sees it: a verb on C{clustergateways/proxy}.
    @ivar inner: as the managed cluster sees it.
    """

    route: Route
    upstream_target: bytes
    method: str
    target: str
    outer: Attributes
    inner: Attributes


@dataclass(frozen=True, slots=True)
class _Ends:
    """
    What every head sent to a cluster begins and ends with, while cluster and entry stay the same objects.

    @ivar tail: the gateway's own header lines and the blank line.
    """

    cluster: ClusterGateway
    entry: Entry
    base_path: bytes
    tail: bytes = field(repr=False)


class Passing:
    """The state of one request on its way through the pipeline."""

    __slots__ = ("asked", "claims", "cluster", "entry", "head", "identity_block", "record", "retry")

    def __init__(self, head: RequestHead, claims: Claims, asked: Asked, record: Record) -> None:
        self.head = head
        self.claims = claims
        self.asked = asked
        self.record = record
        self.identity_block = b""
        self.retry = True
        self.cluster: ClusterGateway
        self.entry: Entry


def then(value: T | Deferred[T], step: Callable[[T], R | Deferred[R]]) -> R | Deferred[R]:
    """C{step(value)}, now if the value is here, else when it comes."""
    # Deferred has an abstract metaclass: isinstance costs a microsecond here, several times in every request.
    if type(value) is Deferred:
        return cast("Deferred[R]", value.addCallback(step))
    return step(cast("T", value))


class Pipeline:
    """
    Implements L{clustergateway.interfaces.Proxy}.

    @param find: gives the cluster of a name; raises (or its Deferred fails with) L{UnknownCluster}.
    @param exchange: says as whom the cluster is entered; C{None}: always as the gateway itself.
    @param always_exchange: ask it for every request, not only for those that say C{impersonate=true}.
    @param check_health: refuse requests for a cluster whose annotations say that it is unhealthy.
    @param audit: told of each request that is forwarded; C{None}: nothing is audited.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        authorizer: ProxyAuthorizer,
        find: Callable[[str], ClusterGateway | Deferred[ClusterGateway]],
        credentials: Credentials,
        upstream: Callable[[ClusterGateway, Entry], Upstream],
        clock: IReactorTime,
        exchange: Callable[[Identity, ClusterGateway, Attributes], Exchanged | Deferred[Exchanged]] | None = None,
        always_exchange: bool = False,
        check_health: bool = False,
        audit: Audit | None = None,
    ) -> None:
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._find = find
        self._credentials = credentials
        self._upstream = upstream
        self._clock = clock
        self._exchange = exchange
        self._always_exchange = always_exchange
        self._check_health = check_health
        self._audit = audit
        self._undecided: dict[int, Record] = {}
        self._asked: dict[tuple[bytes, bytes], Asked] = {}
        self._ends: dict[str, _Ends] = {}

    def matches(self, target: bytes) -> bool:
        return is_proxied(target)

    def decide(self, head: RequestHead, claims: Claims) -> Forward | Deferred[Forward]:
        asked = self.parse(head)
        request = Passing(head, claims, asked, self._record(head, claims, asked))
        self._undecided[id(head)] = request.record
        return then(
            then(then(then(then(self.who(request), self.may), self.where), self.as_whom), self.with_what),
            self.forward,
        )

    # parse

    def parse(self, head: RequestHead) -> Asked:
        key = (head.method, head.target)
        asked = self._asked.get(key)
        if asked is None:
            asked = _parse(head.method, head.target)
            if len(head.target) <= PARSED_TARGET:
                if len(self._asked) >= PARSED:
                    self._asked.clear()
                self._asked[key] = asked
        return asked

    # who

    def who(self, request: Passing) -> Passing | Deferred[Passing]:
        def known(identity: Identity | None) -> Passing:
            if identity is not None:
                request.record.sent_by(identity, request.claims)
            if identity is None or identity.user == ANONYMOUS.user:
                raise Unauthenticated("the request carries no credential that this gateway accepts")
            return request

        return then(self._authenticator.authenticate(request.claims), known)

    # may they

    def may(self, request: Passing) -> Passing | Deferred[Passing]:
        asked = request.asked

        def judged(decision: Decision) -> Passing:
            if not decision.allowed:
                raise Forbidden(decision.reason, cluster=asked.route.name)
            return request

        return then(
            self._authorizer.authorize_proxy(
                request.record.identity, asked.outer, asked.inner, request.head.upgrade is not None
            ),
            judged,
        )

    # where

    def where(self, request: Passing) -> Passing | Deferred[Passing]:
        return then(self._find(request.asked.route.name), partial(self._routable, request))

    def _routable(self, request: Passing, cluster: ClusterGateway) -> Passing:
        request.record.cluster = cluster.name
        why = cluster.unroutable
        # Whoever probes has to see when a cluster recovers.
        if self._check_health and cluster.health.healthy is False and not is_health(request.asked.inner):
            why = why or f"it is unhealthy: {cluster.health.reason or 'no reason is given'}"
        if why:
            # No Retry-After: kubectl would wait and ask ten times over before it shows this sentence.
            raise ClusterUnavailable(f"cluster {cluster.name} is not routed to: {why}", cluster=cluster.name)
        request.cluster = cluster
        return request

    # as whom

    def as_whom(self, request: Passing) -> Passing | Deferred[Passing]:
        if self._exchange is None or not (self._always_exchange or request.asked.route.impersonate):
            return request

        def exchanged(outcome: Exchanged) -> Passing:
            request.record.impersonated = outcome.identity
            request.record.rule = outcome.rule
            request.identity_block = outcome.block
            return request

        return then(self._exchange(request.record.identity, request.cluster, request.asked.inner), exchanged)

    # with what

    def with_what(self, request: Passing) -> Passing | Deferred[Passing]:
        def had(entry: Entry) -> Passing:
            request.entry = entry
            return request

        return then(self._credentials.entry(request.cluster), had)

    # forward

    def forward(self, request: Passing) -> Forward:
        cluster, entry = request.cluster, request.entry
        record = request.record
        record.decided = self._clock.seconds()
        forward = Forward(
            self._upstream(cluster, entry),
            self._head(request),
            record,
            partial(self._rejected, request) if request.retry else None,
            None if self._audit is None else self._audit.begin(record, request.asked.inner, request.head),
        )
        self._undecided.pop(id(request.head), None)
        return forward

    def _head(self, request: Passing) -> bytes:
        """The head that goes to the cluster: the client's lines, then those that are the gateway's to say."""
        ends = self._ends.get(request.cluster.name)
        if ends is None or ends.cluster is not request.cluster or ends.entry is not request.entry:
            ends = self._ends[request.cluster.name] = _ends(request.cluster, request.entry)
        head = request.head
        target = ends.base_path + request.asked.upstream_target
        block = head.block
        if head.upgrade is not None:
            block += b"Connection: Upgrade\r\nUpgrade: " + head.upgrade + b"\r\n"
        if request.record.audit_id:
            # The client's own line does not travel: here and there it is to be the same one, whatever was sent.
            block += b"Audit-Id: " + request.record.audit_id.encode("latin-1") + b"\r\n"
        return b"%b %b HTTP/1.1\r\n%b%b%b" % (head.method, target, block, request.identity_block, ends.tail)

    def _rejected(self, request: Passing) -> Forward | Deferred[Forward | None] | None:
        """The cluster did not accept the gateway's credential: is there another one to try?"""
        if not self._credentials.rejected(request.cluster, request.entry):
            return None
        request.retry = False
        return then(self.with_what(request), self.forward)

    # record

    def refused(self, head: RequestHead, claims: Claims, error: GatewayError) -> Record:
        try:
            asked = self.parse(head)
        except GatewayError:
            asked = _unparsed(head)
        record = self._undecided.pop(id(head), None) or self._record(head, claims, asked)
        record.failed_with(error, answered=True)
        record.unread = head.has_body
        # Whoever it was: a policy for one cluster is to see strangers knock there, too.
        record.cluster = record.cluster or error.cluster or asked.route.name
        return record

    def _record(self, head: RequestHead, claims: Claims, asked: Asked) -> Record:
        inner = asked.inner
        given = head.audit_id.decode("latin-1")
        return Record(
            asked.method,
            asked.target,
            self._clock.seconds(),
            address=claims.address,
            user_agent=head.user_agent.decode("latin-1"),
            audit_id=given if self._audit is None else self._audit.audit_id(given),
            proxied=True,
            verb=inner.verb,
            resource=inner.resource,
            subresource=inner.subresource,
            namespace=inner.namespace,
            name=inner.name,
            group=inner.group,
            version=inner.version,
            path=inner.path,
        )


def _parse(method: bytes, target: bytes) -> Asked:
    route = parse_route(target)
    if route is None:
        raise BadRequest("the request target is not one of a cluster's proxy")
    verb = method.decode("ascii")
    outer = Attributes(
        _OUTER_VERBS.get(verb, "get"),
        group=GROUP,
        version=VERSION,
        resource="clustergateways",
        subresource="proxy",
        name=route.name,
    )
    inner = parse_request_info(verb, (route.rest or b"/").decode("latin-1"), route.query[1:].decode("latin-1"))
    return Asked(route, route.target, verb, target.decode("latin-1"), outer, inner)


def _unparsed(head: RequestHead) -> Asked:
    """What can be told of a request whose target is refused."""
    return Asked(Route("", b""), b"", head.method.decode("ascii"), head.target.decode("latin-1"), _NOTHING, _NOTHING)


def _ends(cluster: ClusterGateway, entry: Entry) -> _Ends:
    endpoint = cluster.endpoints[0]
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    lines = [f"Host: {host}" if endpoint.port == 443 else f"Host: {host}:{endpoint.port}"]
    if entry.token:
        lines.append(f"Authorization: Bearer {entry.token}")
    tail = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return _Ends(cluster, entry, endpoint.base_path.encode("ascii"), tail)
