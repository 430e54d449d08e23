"""From a cluster and its credential to connections: a route, TLS on it, several of them in order, a pool on top."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.logger import Logger

from ..clusters.breaker import Breakers
from ..errors import ConfigurationError
from ..interfaces import Entry
from ..model.gateway import ClusterGateway, Endpoint
from ..settings import Settings
from ..transport.contexts import ClientTls
from ..transport.endpoints.failover import FailoverEndpoint
from ..transport.endpoints.route import RouteConfig, Routes, label
from ..transport.pool import Pool
from ..transport.tls import Mode, wrap_tls


def route_config(settings: Settings, mode: Mode) -> RouteConfig:
    return RouteConfig(
        proxy_servers=tuple((host, settings.proxy_port) for host in settings.proxy_host),
        proxy_mode="http-connect" if settings.proxy_mode == "http-connect" else "grpc",
        proxy_ca=settings.proxy_ca_cert,
        proxy_cert=settings.proxy_cert,
        proxy_key=settings.proxy_key,
        connect_timeout=settings.limits.connect_timeout,
        tls_mode=mode,
    )


class PoolBuilder:
    """Makes the pool of one cluster."""

    _log = Logger()

    def __init__(self, reactor: Any, settings: Settings, routes: Routes, mode: Mode, breakers: Breakers) -> None:
        self._reactor = reactor
        self._settings = settings
        self._routes = routes
        self._mode = mode
        self._breakers = breakers

    def build(self, cluster: ClusterGateway, entry: Entry) -> Pool:
        """
        @raise ConfigurationError: no endpoint can be reached in the way it asks for.
        """
        first = cluster.endpoints[0]
        # A head is written once, for the first endpoint's base path: others are alternatives if they share it.
        usable = [endpoint for endpoint in cluster.endpoints if endpoint.base_path == first.base_path]
        refusals: list[ConfigurationError] = []
        found = [(label(endpoint), self._way(endpoint, entry, refusals)) for endpoint in usable]
        ways = [(name, way) for name, way in found if way is not None]
        if not ways:
            raise refusals[0]
        for refusal in refusals:
            self._log.warn("cluster {name}: one endpoint less: {why}", name=cluster.name, why=refusal.message)
        patience = self._settings.limits.connect_timeout / 2
        failover = FailoverEndpoint(self._reactor, ways)
        guarded = self._breakers.guard(cluster, failover, patience)
        alternatives = failover if len(ways) > 1 else None
        return Pool(guarded, self._reactor, self._settings.limits, cluster.name, alternatives)

    def _way(
        self, endpoint: Endpoint, entry: Entry, refusals: list[ConfigurationError]
    ) -> IStreamClientEndpoint | None:
        tls = ClientTls(endpoint.ca, endpoint.insecure, endpoint.server_name, entry.certificate, entry.key)
        high_water = self._settings.limits.high_water
        try:
            route = self._routes.route(endpoint)
        except ConfigurationError as error:
            refusals.append(error)
            return None
        return wrap_tls(route, endpoint.host, tls, self._mode, high_water)
