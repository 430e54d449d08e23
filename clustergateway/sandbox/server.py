"""The API server put together, as a Twisted Web resource."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl

from cryptography.hazmat.primitives.serialization import Encoding
from twisted.internet.defer import Deferred, succeed
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from ..model.x509 import KeyPair
from .addresses import ServiceAddresses
from .aggregation import Aggregator
from .authn import Authenticator, Trust
from .bootstrap import roles, trust_data
from .call import Answer, Call, Stream, User
from .controllers import Controllers
from .definitions import Definitions
from .faces import Faces
from .forwarding import Forwarding, unavailable
from .frontproxy import FrontProxy
from .impersonation import impersonated
from .kinds import Kinds
from .names import new_uid
from .objects import Object, dumps
from .paths import Target, parse
from .rbac import Authorizer, access_of
from .registry import Registry
from .remotes import Remote
from .rest import Rest
from .reviews import Reviews
from .seed import plant
from .status import ApiError
from .store import Store
from .streams import PodStreams
from .tokens import ServiceAccountTokens

if TYPE_CHECKING:
    from twisted.internet.interfaces import IListeningPort, IReactorTCP, IReactorTime
    from twisted.web.http import Request

STREAMS = ("attach", "exec", "log", "portforward")


class Streams(Protocol):
    """What answers a pod's streaming subresources."""

    def render(self, request: Request, pod: Object, subresource: str) -> int | bytes: ...


@dataclass(frozen=True, slots=True)
class SandboxConfig:
    """
    One API server.

    @ivar name: of the cluster, which its node carries.
    @ivar tokens: static bearer tokens.
    @ivar client_ca: PEM bundle; client certificates that lead to it name their user.
    @ivar rbac: evaluate RBAC; without it everybody may do everything.
    @ivar anonymous: serve callers without credentials as C{system:anonymous}.
    @ivar controllers: run the controllers that make Deployments, namespaces and garbage collection work.
    @ivar objects: what there is at the start, besides the namespaces that every cluster has.
    @ivar address: as discovery shows it.
    @ivar front_proxy: with what certificate it presents itself to aggregated servers; C{None}: it aggregates none.
    @ivar front_proxy_ca: PEM, what that certificate leads to, as told to aggregated servers.
    """

    name: str = "sandbox"
    tokens: Mapping[str, User] = field(default_factory=dict, repr=False)
    client_ca: bytes = b""
    rbac: bool = False
    anonymous: bool = False
    controllers: bool = True
    objects: tuple[Object, ...] = ()
    address: str = "localhost:443"
    front_proxy: KeyPair | None = field(default=None, repr=False)
    front_proxy_ca: bytes = b""


class ApiServer(Resource):
    """
    An API server.

    @ivar registry: its objects, for tests to look at and change.
    @ivar before: asked about each request first; true means it is answered already (faults are injected so).
    """

    isLeaf = True

    def __init__(
        self,
        config: SandboxConfig,
        clock: IReactorTime,
        streams: Streams | None = None,
        source: random.Random | None = None,
    ) -> None:
        """
        @param streams: answers exec, attach, portforward and log; C{None} for the sandbox's own.
        @param source: of uids, generated names and keys.
        """
        super().__init__()
        self.config = config
        self._clock = clock
        self._streams = streams if streams is not None else PodStreams(clock, config.name)
        self._source = source or random.SystemRandom()
        self.kinds = Kinds()
        self.store = Store()
        self.registry = Registry(self.store, self.kinds, clock, self._source)
        self.authorizer = Authorizer(self.store, config.rbac)
        self.faces = Faces(self.kinds, config.address)
        self.before: list[Callable[[Request], bool]] = []
        self._rest = Rest(self.registry, clock)
        self._authenticate()
        Definitions(self.registry, self.kinds)
        self.registry.prepare.append(ServiceAddresses(self.store).prepare)
        self.controllers = Controllers(self.registry, clock, config.name) if config.controllers else None
        self.aggregator = self._aggregate(config.front_proxy) if config.front_proxy is not None else None
        plant(self.registry, (*self._bootstrap(), *config.objects))

    def _aggregate(self, identity: KeyPair) -> Aggregator:
        proxy = FrontProxy(self._clock, identity)
        aggregator = Aggregator(self.registry, self._clock, proxy, self.faces.openapi)
        self.faces.discovery.remote = aggregator.groups
        self._front_proxy = proxy
        return aggregator

    def _bootstrap(self) -> tuple[Object, ...]:
        found = roles() if self.config.rbac else ()
        if self.config.front_proxy_ca:
            found += (trust_data(self.config.client_ca, self.config.front_proxy_ca),)
        return found

    def _authenticate(self) -> None:
        issued = ServiceAccountTokens(self._source.getrandbits(256).to_bytes(32, "big"), self._clock.seconds)
        trust = Trust(self.config.client_ca, self.config.tokens, self.config.anonymous)
        self.authenticator = Authenticator(trust, issued, self.registry, self._clock.seconds)
        Reviews(self.registry, self.authenticator, self.authorizer, issued).install(self._rest)

    def site(self) -> Site:
        """To be listened with."""
        site = Site(self, reactor=self._clock)
        # Only HTTP/1.1: twisted.web's HTTP/2 channel has no upgrades and hides the connection below a stream.
        setattr(site, "acceptableProtocols", lambda: [b"http/1.1"])  # noqa: B010 (no assignment to a method)
        return site

    def listen(self, reactor: IReactorTCP, port: int = 0, tls: CertificateOptions | None = None) -> IListeningPort:
        """
        Serve on the loopback interface.

        @param port: 0 for a free one.
        @param tls: the serving side of TLS (see L{clustergateway.sandbox.tls}); C{None} for plain HTTP.
        """
        factory: Any = self.site() if tls is None else TLSMemoryBIOFactory(tls, False, self.site())
        return reactor.listenTCP(port, factory, interface="127.0.0.1")

    def stop(self) -> Deferred[None]:
        """
        End all watches, and have nothing happen by itself any more.

        @return: fires when connections to aggregated servers are closed.
        """
        if self.controllers is not None:
            self.controllers.stop()
        self._rest.stop()
        return self.aggregator.stop() if self.aggregator is not None else succeed(None)

    def render(self, request: Request) -> int | bytes:
        if any(before(request) for before in self.before):
            return NOT_DONE_YET
        return self.serve(request)

    def serve(self, request: Request) -> int | bytes:
        """Answer a request, without asking C{before}."""
        # Whoever comes with one keeps it, as with kube-apiserver.
        request.setHeader("Audit-Id", request.getHeader("Audit-Id") or new_uid(self._source))
        request.setHeader("Cache-Control", "no-cache, private")
        try:
            return self._answer(request)
        except ApiError as error:
            return self._send(request, refused(error))

    def _answer(self, request: Request) -> int | bytes:
        headers, folded = read_headers(request)
        user = self.authenticator.authenticate(peer_certificate(request), folded)
        path, query = split_uri(request.uri)
        method = request.method.decode("latin-1")
        target = parse(method, path, query)
        access = access_of(target, query)
        user = impersonated(user, headers, self.authorizer, access)
        self.authorizer.check(user, access)
        remote = self.aggregator.find(target.path) if self.aggregator is not None else None
        if remote is not None:
            return self._forward(request, user, headers, remote)
        body = request.content.read() if request.content is not None else b""
        return self._dispatch(request, Call(method, path, query, folded, body, user), target)

    def _forward(self, request: Request, user: User, headers: list[tuple[str, str]], remote: Remote) -> int:
        if remote.backend is None or not remote.available:
            raise unavailable()
        Forwarding(request, user, headers, remote.backend).start(self._front_proxy)
        return NOT_DONE_YET

    def _dispatch(self, request: Request, call: Call, target: Target) -> int | bytes:
        if (target.group, target.resource) == ("", "pods") and target.subresource in STREAMS:
            kind = self.kinds.find("", "v1", "pods")
            assert kind is not None
            pod = self.registry.get(kind, target.namespace, target.name)
            return self._streams.render(request, pod, target.subresource)
        answer = self._rest.answer(call, target) if target.resource else self.faces.answer(call, target)
        return self._send(request, answer)

    def _send(self, request: Request, answer: Answer | Stream) -> int | bytes:
        if not isinstance(answer, Answer):
            answer(request)
            return NOT_DONE_YET
        request.setResponseCode(answer.code)
        request.setHeader("Content-Type", answer.content_type)
        for name, value in answer.headers:
            request.responseHeaders.addRawHeader(name.encode(), value.encode())
        return answer.body


def refused(error: ApiError) -> Answer:
    """What an error is answered with."""
    if error.text:
        return Answer(error.code, error.text.encode(), "text/plain; charset=utf-8")
    after = (error.details or {}).get("retryAfterSeconds")
    headers = (("Retry-After", str(after)),) if after else ()
    return Answer(error.code, dumps(error.status()) + b"\n", headers=headers)


def read_headers(request: Request) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """All headers in order, names in lower case, and each name's values joined by commas."""
    headers = [
        (name.decode("latin-1").lower(), value.decode("utf-8", "replace"))
        for name, values in request.requestHeaders.getAllRawHeaders()
        for value in values
    ]
    folded: dict[str, str] = {}
    for name, value in headers:
        folded[name] = f"{folded[name]}, {value}" if name in folded else value
    return headers, folded


def split_uri(uri: bytes) -> tuple[str, dict[str, list[str]]]:
    """Path, still encoded, and parsed query."""
    path, _, query = uri.decode("latin-1").partition("?")
    found: dict[str, list[str]] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        found.setdefault(name, []).append(value)
    return path, found


def peer_certificate(request: Request) -> bytes | None:
    """The client's certificate in DER, not verified; C{None} for none."""
    transport: Any = request.channel.transport if request.channel is not None else None
    get = getattr(transport, "getPeerCertificate", None)
    found = get() if get is not None else None
    if found is None:
        return None
    return bytes(found.to_cryptography().public_bytes(Encoding.DER))
