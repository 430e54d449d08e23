"""One gateway from start to end: parts are made, joined, started, and stopped in the other order."""

from __future__ import annotations

import os
import platform
import random
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version
from typing import Any, Literal, cast

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from twisted.application.service import Service
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from ..clusters.breaker import Breakers
from ..clusters.upstreams import Upstreams
from ..clusters.warned import Warned
from ..credentials.exchange import IdentityExchanger
from ..credentials.execplugin import ExecPlugins
from ..credentials.source import Source
from ..credentials.tokenfile import TokenFiles
from ..credentials.webhook import ReviewClient
from ..errors import BadRequest, ConfigurationError
from ..kube.https import agent
from ..model.execallow import allow_list
from ..model.headers import FieldTable, request_table
from ..model.http1 import TABLE
from ..observe.all import Observers
from ..observe.logs import AccessLog
from ..observe.metrics import Counters, Gauges, RequestMetrics
from ..pipeline import Pipeline
from ..resources.health import Check
from ..resources.proxy import ProxyResource
from ..resources.root import Parts, collections, root
from ..resources.view import Collection
from ..settings import Settings
from ..transport.channel import GatewaySite
from ..transport.contexts import ServerTls
from ..transport.endpoints.route import Routes
from ..transport.pool import Pool
from ..transport.reactor import lean, settle_gc
from ..transport.serving import CertificateFiles, SelfSigned, ServingCertificate, serving_names
from ..transport.tls import Mode, listen
from .auditing import Auditing
from .checks import NotShuttingDown, Problems, Ready
from .gauges import readings
from .guard import guard
from .sources import Sources
from .upstream import PoolBuilder, route_config

AFTERMATH = 5.0
"""Seconds after which nobody waits for cut connections any more."""


class GatewayService(Service):
    """
    @ivar port: what is listened on, once the service is started.
    """

    _log = Logger()

    def __init__(
        self,
        settings: Settings,
        sources: Sources,
        reactor: Any,
        environment: Mapping[str, str],
        write_log: Callable[[str], object] | None,
    ) -> None:
        """
        @param reactor: L{IReactorTCP}, L{IReactorTime}, L{IReactorProcess} and L{IReactorPluggableNameResolver}.
        @param environment: what exec plugins inherit.
        @param write_log: takes the lines of the access log; C{None} for none.
        @raise ConfigurationError: the serving certificate cannot be used.
        """
        self._settings = settings
        self._sources = sources
        self._reactor = reactor
        self._mode: Mode = cast("Literal['merged', 'twisted']", settings.tls_transport)
        self._certificate = _serving_certificate(settings, reactor)
        self._routes = Routes(reactor, route_config(settings, self._mode))
        self._breakers = Breakers(reactor, random.random)
        builder = PoolBuilder(reactor, settings, self._routes, self._mode, self._breakers)
        self._upstreams: Upstreams[Pool] = Upstreams(builder.build)
        self._credentials = _credentials(settings, sources, reactor, environment)
        reviews = ReviewClient(partial(agent, reactor), reactor)
        self._exchanger = IdentityExchanger(reviews, reactor, settings.cluster_gateway_proxy_config)
        self._auditing = Auditing(settings, reactor, environment)
        self._metrics = RequestMetrics()
        self._access_log = AccessLog(write_log, reactor) if write_log is not None else None
        self._shutdown = NotShuttingDown()
        self._identity_headers: tuple[frozenset[bytes], tuple[bytes, ...]] = (frozenset(), ())
        self._field_table = TABLE
        self._site: GatewaySite | None = None
        self._collections: tuple[Collection, ...] = ()
        self.port: IListeningPort | None = None
        self._stopping: Deferred[None] | None = None

    # start

    def startService(self) -> Deferred[None]:
        """
        @return: fires once the gateway listens.
        """
        super().startService()
        return self._sources.start().addCallback(lambda _: self._begin())

    def _begin(self) -> None:
        directory = self._sources.directory
        directory.subscribe(self._upstreams.changed)
        directory.subscribe(self._credentials.changed)
        directory.subscribe(self._breakers.changed)
        for follower in (self._exchanger.cluster_changed, Warned(self._reactor).changed):
            directory.subscribe(follower)
            # Files have been read by now. The three above only forget.
            for cluster in directory.all():
                follower("ADDED", cluster)
        self._exchanger.start()
        self._auditing.start()
        proxy = ProxyResource(self._pipeline())
        told = (self._metrics, self._access_log, self._auditing.audit)
        observers = [each for each in told if each is not None]
        limits = self._settings.limits
        self._site = GatewaySite(
            root(self._parts(proxy)), proxy, Observers(*observers), limits, self._reactor, self._table
        )
        self._sources.on_trust(self._site.retire)
        self._certificate.start()
        self.port = self._listen(self._site)
        lean(self._reactor)
        settle_gc()
        server = self.url
        self._sources.serving(server, self._certificate.trust)
        # Whoever reads this may send a signal: it is said when signals are handled, once the reactor runs.
        self._reactor.callWhenRunning(self._log.info, "serving on {server}", server=server)

    def _listen(self, site: GatewaySite) -> IListeningPort:
        port, address = self._settings.secure_port, self._settings.bind_address
        try:
            return listen(self._reactor, port, address, site, self._tls(), self._mode)
        except CannotListenError as error:
            raise ConfigurationError(f"cannot listen on port {port} of {address}: {error.socketError}") from None

    @property
    def url(self) -> str:
        """Where clients on this machine reach the gateway."""
        assert self.port is not None
        host = self._settings.bind_address
        if host in ("0.0.0.0", "::", ""):  # noqa: S104 - compared with, not bound to
            host = "127.0.0.1"
        address = cast("Any", self.port.getHost())
        return f"https://[{host}]:{address.port}" if ":" in host else f"https://{host}:{address.port}"

    def _pipeline(self) -> Pipeline:
        sources = self._sources
        return Pipeline(
            sources.authenticator,
            sources.proxy_authorizer,
            sources.find,
            self._credentials,
            self._upstreams.get,
            self._reactor,
            self._exchanger.exchange,
            self._settings.feature_gates.ClientIdentityPenetration,
            self._settings.feature_gates.HealthinessCheck,
            self._auditing.audit,
        )

    def _parts(self, proxy: ProxyResource) -> Parts:
        gateways, virtual_clusters = collections(
            self._sources.directory,
            self._sources.version,
            heard=self._sources.heard,
            # A gateway without a hosting cluster runs nowhere that could be called local.
            with_control_plane=self._settings.virtual_cluster_with_control_plane and not self._settings.standalone,
            registered=self._sources.registered,
        )
        self._collections = (gateways, virtual_clusters)
        checks: list[Check] = [Ready(self._sources.unready), self._shutdown, Problems(self._problems)]
        return Parts(
            guard(self._sources, self._auditing.audit),
            gateways,
            virtual_clusters,
            self._registry(),
            self._reactor,
            version("cluster-gateway"),
            self._sources,
            readiness=checks,
            proxy=proxy,
        )

    def _registry(self) -> CollectorRegistry:
        registry = CollectorRegistry()
        registry.register(self._metrics)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        registry.register(Gauges(self._readings))
        for collector in self._sources.collectors:
            registry.register(collector)
        if self._auditing.audit is not None:
            registry.register(Counters(self._auditing.audit.readings))
        return registry

    def _readings(self) -> Any:
        assert self._site is not None
        return readings(
            self._site,
            self._upstreams,
            self._routes,
            self._sources,
            self._credentials,
            self._breakers,
            self._reactor,
        )

    def _problems(self) -> Mapping[str, str]:
        found = dict(self._sources.problems())
        for collection in self._collections:
            found |= collection.problems()
        found |= {f"identity exchange {number}": why for number, why in enumerate(self._exchanger.problems())}
        found |= {f"audit policy {number}": why for number, why in enumerate(self._auditing.problems())}
        if self._certificate.problem():
            found["serving certificate"] = self._certificate.problem()
        return found

    def _table(self) -> FieldTable:
        """Which header fields carry identity. The same while nothing changes: a table remembers what it saw."""
        headers = self._sources.identity_headers()
        if headers != self._identity_headers:
            self._identity_headers = headers
            self._field_table = request_table(BadRequest, *headers)
        return self._field_table

    def _tls(self) -> Callable[[], ServerTls]:
        """The same value for as long as nothing changes: a new one means a new context."""
        latest: list[ServerTls] = []

        def current() -> ServerTls:
            pair, client_ca = self._certificate.pair, self._sources.client_ca()
            if not latest or latest[0].certificate is not pair.certificate or latest[0].client_ca != client_ca:
                latest[:] = [ServerTls(pair.certificate, pair.key, client_ca)]
            return latest[0]

        return current

    # stop

    def stopService(self) -> Deferred[None]:
        """
        Take no new connections, finish what is in flight, and cut what is not over within C{--shutdown-grace}.

        @return: fires when all is over.
        """
        if self._stopping is None:
            super().stopService()
            self._shutdown.shutting_down = True
            self._stopping = Deferred.fromCoroutine(self._stop())
        return self._stopping

    async def _stop(self) -> None:
        if self.port is not None:
            await maybeDeferred(self.port.stopListening)
        if self._site is not None:
            site = self._site
            gone = site.begin_shutdown()
            for collection in self._collections:
                collection.close()
            cut = self._reactor.callLater(self._settings.shutdown_grace, site.abort)
            # Cut connections are gone at once; should one not be, the process ends all the same.
            gone.addTimeout(self._settings.shutdown_grace + AFTERMATH, self._reactor, lambda *_: None)
            await gone
            if cut.active():
                cut.cancel()
        self._upstreams.close()
        self._routes.close()
        self._credentials.close()
        self._certificate.stop()
        self._exchanger.stop()
        self._sources.stop()
        self._auditing.stop()
        if self._access_log is not None:
            self._access_log.flush()


def _serving_certificate(settings: Settings, reactor: Any) -> ServingCertificate:
    if settings.tls_cert_file:
        return CertificateFiles(settings.tls_cert_file, settings.tls_private_key_file, reactor)
    names = serving_names([settings.bind_address], platform.node())
    return SelfSigned(settings.cert_dir, names, reactor)


def _credentials(settings: Settings, sources: Sources, reactor: Any, environment: Mapping[str, str]) -> Source:
    allow = allow_list(settings.exec_plugin_allow, settings.exec_plugin_allow_env)
    if not settings.exec_plugin_allow and sources.exec_allowed_by_default:
        allow = None
    plugins = ExecPlugins(reactor, reactor, environment, allow, settings.exec_plugin_timeout)
    return Source(TokenFiles(reactor), plugins)


def environment() -> Mapping[str, str]:
    """Of this process."""
    return dict(os.environ)
