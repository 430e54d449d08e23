"""What the parts can tell when somebody scrapes."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.interfaces import IReactorTime

from ..clusters.breaker import Breakers
from ..clusters.health import TrafficHealth
from ..clusters.upstreams import Upstreams
from ..credentials.source import Source
from ..observe.metrics import Reading
from ..transport.channel import GatewaySite
from ..transport.endpoints.connecttunnels import ConnectTunnels
from ..transport.endpoints.konnectivity import Konnectivity
from ..transport.endpoints.route import Routes
from ..transport.pool import Pool
from .sources import Sources


def readings(
    site: GatewaySite,
    upstreams: Upstreams[Pool],
    routes: Routes,
    sources: Sources,
    credentials: Source,
    breakers: Breakers,
    clock: IReactorTime,
) -> Iterable[Reading]:
    yield from sources.readings()
    pools = list(upstreams)
    clusters = list(sources.directory.all())
    yield "clustergateway_client_connections", "Clients connected.", (), {(): float(site.connections)}
    yield "clustergateway_clusters", "Clusters known.", (), {(): float(len(clusters))}
    yield (
        "clustergateway_upstream_connections",
        "Connections to clusters, by what they do.",
        ("cluster", "state"),
        {
            (name, state): float(count)
            for name, pool in pools
            for state, count in (("busy", pool.busy), ("idle", pool.idle))
        },
    )
    yield (
        "clustergateway_cluster_insecure",
        "1 for a cluster whose certificate is not verified.",
        ("cluster",),
        {(cluster.name,): 1.0 for cluster in clusters if any(endpoint.insecure for endpoint in cluster.endpoints)},
    )
    expiries = ((cluster.name, credentials.expires(cluster)) for cluster in clusters)
    yield (
        "clustergateway_credential_expiry_timestamp_seconds",
        "When a cluster's credential ends, seconds since the epoch.",
        ("cluster",),
        {(name,): at for name, at in expiries if at is not None},
    )
    health = TrafficHealth(breakers, clock)
    known = {cluster.name: health.of(cluster).healthy for cluster in clusters}
    yield (
        "clustergateway_cluster_healthy",
        "1 for a cluster known to be healthy, 0 for one known not to be, by its annotations and its traffic.",
        ("cluster",),
        {(name,): float(healthy) for name, healthy in known.items() if healthy is not None},
    )
    yield (
        "clustergateway_breaker_open",
        "1 for a cluster that is not tried at the moment because it could not be reached lately.",
        ("cluster",),
        {(name,): float(state != "closed") for name, state in breakers.states()},
    )
    if routes.tunnels is not None:
        yield from tunnel_readings(routes.tunnels)


def tunnel_readings(konnectivity: Konnectivity | ConnectTunnels) -> Iterable[Reading]:
    """The same numbers in either mode."""
    numbers = (
        ("tunnels", "Open konnectivity tunnels.", konnectivity.tunnels),
        ("tunnels_unconnected", "Tunnels that are being dialled or closed.", konnectivity.unconnected),
        ("proxy_server_connections", "Connections to proxy-servers.", konnectivity.connections),
        ("tunnel_dials", "Tunnels asked for so far.", konnectivity.dials),
        ("tunnel_dial_failures", "How many of them did not come about.", konnectivity.failures),
    )
    for name, doc, number in numbers:
        yield f"clustergateway_{name}", doc, (), {(): float(number)}
