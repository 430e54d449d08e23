"""The two kinds: order, what is always there, names."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.gateway import ClusterGateway, NoCredential
from clustergateway.model.kinds import CLUSTER_GATEWAYS, KINDS, VIRTUAL_CLUSTERS


def gateway(name: str, created: str = "", version: str = "") -> ClusterGateway:
    return ClusterGateway(name, (), NoCredential(), creation_timestamp=created, resource_version=version)


class KindTests(SynchronousTestCase):
    def test_gateways_are_sorted_by_name(self) -> None:
        found = CLUSTER_GATEWAYS.initial([gateway("b"), gateway("a")], 5)
        self.assertEqual([item.name for item in CLUSTER_GATEWAYS.order(found)], ["a", "b"])

    def test_virtual_clusters_begin_with_local_then_the_newest(self) -> None:
        old, new = "2025-01-01T00:00:00Z", "2026-01-01T00:00:00Z"
        found = VIRTUAL_CLUSTERS.initial([gateway("a", old), gateway("c", new), gateway("b", new), gateway("z")], 5)
        self.assertEqual([item.name for item in VIRTUAL_CLUSTERS.order(found)], ["local", "b", "c", "a", "z"])

    def test_a_cluster_called_local_is_a_gateway_but_no_virtual_cluster(self) -> None:
        found = VIRTUAL_CLUSTERS.initial([gateway("a"), gateway("local", version="3")], 5)
        self.assertEqual([(item.name, item.version) for item in found], [("a", 5), ("local", 1)])
        self.assertEqual([item.name for item in CLUSTER_GATEWAYS.initial([gateway("local")], 5)], ["local"])
        self.assertEqual((VIRTUAL_CLUSTERS.reserved, CLUSTER_GATEWAYS.reserved), ({"local"}, set()))

    def test_versions(self) -> None:
        found = VIRTUAL_CLUSTERS.initial([gateway("a", version="3"), gateway("b", version="x"), gateway("c")], 5)
        self.assertEqual([(item.name, item.version) for item in found], [("a", 3), ("b", 5), ("c", 5), ("local", 1)])

    def test_as_many_cells_as_columns(self) -> None:
        for kind in KINDS:
            self.assertEqual(len(kind.cells(kind.show(gateway("a"), 1))), len(kind.columns))

    def test_columns(self) -> None:
        self.assertEqual(
            [column.name for column in CLUSTER_GATEWAYS.columns],
            ["Name", "Provider", "Credential-Type", "Endpoint-Type", "Healthy"],
        )
        self.assertEqual(
            [(column.name, column.priority) for column in VIRTUAL_CLUSTERS.columns],
            [
                ("Name", 0),
                ("Alias", 0),
                ("Credential_Type", 0),
                ("Endpoint", 0),
                ("Accepted", 0),
                ("Labels", 0),
                ("Creation_Timestamp", 10),
            ],
        )

    def test_not_found(self) -> None:
        self.assertEqual(CLUSTER_GATEWAYS.not_found("x"), 'clustergateways.cluster.core.oam.dev "x" not found')
