"""The two kinds of object that this API group lists: names, columns, order, and how they are made of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .gateway import ClusterGateway
from .objects import (
    LOCAL,
    Object,
    cluster_gateway,
    cluster_gateway_cells,
    local_cluster,
    virtual_cluster,
    virtual_cluster_cells,
)
from .rendered import Rendered, render
from .secrets import GROUP
from .watchcache import parse_version

VERBS = ("get", "list", "watch")


@dataclass(frozen=True, slots=True)
class Column:
    """
    A column of a Table.

    @ivar format: C{name} marks the name column for kubectl; else C{""}.
    @ivar priority: 0 is always shown, more only in wide output.
    """

    name: str
    type: str
    description: str
    format: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Subresource:
    """@ivar kind: what it is called in discovery: the object it answers with, or the options it takes."""

    name: str
    kind: str
    verbs: tuple[str, ...]


OLDEST = 1
"""A resource version that nothing is older than."""


@dataclass(frozen=True, slots=True)
class Kind:
    """
    @ivar show: the object of a cluster at a resource version.
    @ivar cells: the table cells of such an object, one for each column.
    @ivar order: how lists are sorted.
    @ivar fixed: objects of no cluster, that are always there and never change: they are made for a resource version.
        Their names are theirs alone.
    """

    kind: str
    plural: str
    singular: str
    description: str
    columns: tuple[Column, ...]
    show: Callable[[ClusterGateway, int], Object]
    cells: Callable[[Object], list[Any]]
    order: Callable[[Iterable[Rendered]], list[Rendered]]
    short_names: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    fixed: tuple[Callable[[int], Object], ...] = ()

    @property
    def reserved(self) -> frozenset[str]:
        """Names of objects of no cluster: a cluster of such a name has no object of this kind."""
        return frozenset(make(OLDEST)["metadata"]["name"] for make in self.fixed)

    def render(self, gateway: ClusterGateway, version: int) -> Rendered:
        """The object of a cluster, ready to be answered."""
        shown = self.show(gateway, version)
        return render(shown, self.cells(shown), version)

    def initial(self, gateways: Iterable[ClusterGateway], version: int) -> list[Rendered]:
        """
        Everything there is to begin with.

        @param version: of the clusters that have none of their own.
        """
        reserved = self.reserved
        found = [
            self.render(gateway, parse_version(gateway.resource_version) or version)
            for gateway in gateways
            if gateway.name not in reserved
        ]
        for make in self.fixed:
            # Whenever a replica began, it is the same object.
            shown = make(OLDEST)
            found.append(render(shown, self.cells(shown), OLDEST))
        return found

    def not_found(self, name: str) -> str:
        """How kube-apiserver says that there is no such object."""
        return f'{self.plural}.{GROUP} "{name}" not found'


def by_name(items: Iterable[Rendered]) -> list[Rendered]:
    """As every list in Kubernetes is sorted."""
    return sorted(items, key=lambda item: item.name)


def local_first_then_newest(items: Iterable[Rendered]) -> list[Rendered]:
    """By name among those of the same second."""
    newest_first = sorted(by_name(items), key=lambda item: item.created, reverse=True)
    return sorted(newest_first, key=lambda item: item.name != LOCAL)


CLUSTER_GATEWAYS = Kind(
    kind="ClusterGateway",
    plural="clustergateways",
    singular="clustergateway",
    description="ClusterGateway is a cluster that can be reached through this gateway.",
    columns=(
        Column("Name", "string", "the name of the cluster", format="name"),
        Column("Provider", "string", "who runs the cluster"),
        Column("Credential-Type", "string", "the kind of credential the cluster is entered with"),
        Column("Endpoint-Type", "string", "the kind of route to the cluster"),
        Column("Healthy", "string", "whether the cluster was healthy when last probed"),
    ),
    show=cluster_gateway,
    cells=cluster_gateway_cells,
    order=by_name,
    subresources=(
        Subresource("health", "ClusterGateway", ("get", "update")),
        Subresource("proxy", "ClusterGatewayProxyOptions", ("create", "delete", "get", "patch", "update")),
    ),
)

VIRTUAL_CLUSTERS = Kind(
    kind="VirtualCluster",
    plural="virtualclusters",
    singular="virtualcluster",
    description="VirtualCluster is a cluster that is known here, with or without a way into it.",
    columns=(
        Column("Name", "string", "the name of the cluster", format="name"),
        Column("Alias", "string", "another name, for people"),
        Column("Credential_Type", "string", "the kind of credential the cluster is entered with"),
        Column("Endpoint", "string", "where the cluster is"),
        Column("Accepted", "boolean", "whether the cluster is accepted"),
        Column("Labels", "string", "the labels of the cluster"),
        Column("Creation_Timestamp", "dateTime", "since when the cluster is known", priority=10),
    ),
    show=virtual_cluster,
    cells=virtual_cluster_cells,
    order=local_first_then_newest,
    short_names=("vc", "vcluster", "vclusters", "virtual-cluster", "virtual-clusters"),
    fixed=(local_cluster,),
)

KINDS = (CLUSTER_GATEWAYS, VIRTUAL_CLUSTERS)
