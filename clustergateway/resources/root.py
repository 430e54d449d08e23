"""The tree of everything that the gateway answers itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from prometheus_client import CollectorRegistry
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import Request
from twisted.web.resource import IResource, Resource

from ..interfaces import Directory, HealthWriter
from ..model.kinds import CLUSTER_GATEWAYS, VIRTUAL_CLUSTERS
from ..model.objects import API_VERSION
from ..model.secrets import GROUP
from ..model.version import version_info
from .answer import UNCACHED, send
from .collection import Many
from .discovery import core, groups, resource_list
from .documents import Documents
from .guarded import Guard, Missing
from .health import Check, Health
from .healthsub import HealthOf
from .metrics import Metrics
from .openapi import openapi
from .view import Collection

PATHS = (
    "/api",
    "/apis",
    f"/apis/{GROUP}",
    f"/apis/{API_VERSION}",
    "/healthz",
    "/livez",
    "/metrics",
    "/openapi/v2",
    "/openapi/v3",
    "/readyz",
    "/version",
)


@dataclass(frozen=True, slots=True)
class Parts:
    """
    What the tree is made of.

    @ivar gateways: the ClusterGateways.
    @ivar virtual_clusters: the VirtualClusters.
    @ivar health_writer: C{None} if health cannot be written here.
    @ivar liveness: checks of C{/livez} and C{/healthz}.
    @ivar readiness: checks of C{/readyz}.
    @ivar version: of this project.
    @ivar proxy: the leaf for C{clustergateways/NAME/proxy}; its channel asks it before the tree is walked.
    """

    guard: Guard
    gateways: Collection
    virtual_clusters: Collection
    registry: CollectorRegistry
    clock: IReactorTime
    version: str
    health_writer: HealthWriter | None = None
    liveness: Sequence[Check] = ()
    readiness: Sequence[Check] = ()
    proxy: IResource | None = None


def collections(
    directory: Directory,
    version: Callable[[], int],
    *,
    heard: Callable[[], int] = lambda: 0,
    with_control_plane: bool = True,
    registered: Directory | None = None,
) -> tuple[Collection, Collection]:
    """
    ClusterGateways and VirtualClusters of one directory.

    @param version: as for L{Collection}.
    @param heard: as for L{Collection}.
    @param with_control_plane: whether C{local} is among the VirtualClusters.
    @param registered: of the VirtualClusters, if these are more.
    """
    virtual = VIRTUAL_CLUSTERS if with_control_plane else replace(VIRTUAL_CLUSTERS, fixed=())
    own = Collection(CLUSTER_GATEWAYS, directory, version, heard=heard)
    return own, Collection(virtual, registered or directory, version, heard=heard)


def root(parts: Parts) -> IResource:
    """Everything but the proxy, whose requests never come this way."""
    guard = parts.guard
    top = Root(guard)
    top.putChild(b"", Documents(guard, {"paths": list(PATHS)}))
    top.putChild(b"api", core(guard))
    top.putChild(b"apis", groups(guard, _resources(parts)))
    top.putChild(b"openapi", openapi(guard, parts.version))
    top.putChild(b"version", Documents(guard, version_info(parts.version)))
    top.putChild(b"metrics", Metrics(guard, parts.registry))
    for name, checks in (("healthz", parts.liveness), ("livez", parts.liveness), ("readyz", parts.readiness)):
        top.putChild(name.encode("ascii"), Health(name, checks))
    return top


class Root(Missing):
    """What is above C{/}: only its children are ever asked for, and C{OPTIONS *}, of the server itself."""

    isLeaf = False

    def answer(self, request: Request) -> None:
        send(request, b"", (UNCACHED,))


def _resources(parts: Parts) -> Resource:
    """C{/apis/GROUP/VERSION} with the two collections below."""
    below: dict[bytes, Callable[[str], IResource]] = {
        b"health": partial(HealthOf, parts.guard, parts.gateways, parts.clock, parts.health_writer)
    }
    if parts.proxy is not None:
        proxy = parts.proxy
        below[b"proxy"] = lambda _: proxy
    gateways = Many(parts.guard, parts.gateways, parts.clock, below)
    listed = resource_list(parts.guard)
    listed.putChild(parts.gateways.kind.plural.encode("ascii"), gateways)
    virtual = Many(parts.guard, parts.virtual_clusters, parts.clock)
    listed.putChild(parts.virtual_clusters.kind.plural.encode("ascii"), virtual)
    return listed
