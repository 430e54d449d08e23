"""Discovery documents: what kubectl and the aggregator look for in them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.discovery import (
    AGGREGATED,
    aggregated,
    api_group,
    api_group_list,
    api_resource_list,
    api_versions,
)

GROUP = "cluster.core.oam.dev"


class DiscoveryTests(SynchronousTestCase):
    def test_groups(self) -> None:
        version = {"groupVersion": f"{GROUP}/v1alpha1", "version": "v1alpha1"}
        group = {"name": GROUP, "versions": [version], "preferredVersion": version}
        self.assertEqual(api_group_list(), {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group]})
        self.assertEqual(api_group(), {"kind": "APIGroup", "apiVersion": "v1", **group})
        self.assertEqual(api_versions()["versions"], [])

    def test_resources(self) -> None:
        found = {each["name"]: each for each in api_resource_list()["resources"]}
        self.assertEqual(
            {name: (each["kind"], each["verbs"], each["namespaced"]) for name, each in found.items()},
            {
                "clustergateways": ("ClusterGateway", ["get", "list", "watch"], False),
                "clustergateways/health": ("ClusterGateway", ["get", "update"], False),
                "clustergateways/proxy": (
                    "ClusterGatewayProxyOptions",
                    ["create", "delete", "get", "patch", "update"],
                    False,
                ),
                "virtualclusters": ("VirtualCluster", ["get", "list", "watch"], False),
            },
        )
        self.assertEqual(found["clustergateways"]["singularName"], "clustergateway")
        self.assertEqual(
            found["virtualclusters"]["shortNames"],
            ["vc", "vcluster", "vclusters", "virtual-cluster", "virtual-clusters"],
        )

    def test_aggregated_says_the_same(self) -> None:
        for _, group, version in AGGREGATED:
            found = aggregated(version, core=False)
            self.assertEqual((found["kind"], found["apiVersion"]), ("APIGroupDiscoveryList", f"{group}/{version}"))
            (item,) = found["items"]
            self.assertEqual(item["metadata"]["name"], GROUP)
            (served,) = item["versions"]
            names = []
            for resource in served["resources"]:
                self.assertEqual(resource["scope"], "Cluster")
                self.assertEqual(resource["responseKind"]["group"], GROUP)
                names.append(resource["resource"])
                names += [f"{resource['resource']}/{sub['subresource']}" for sub in resource.get("subresources", [])]
            self.assertEqual(names, [each["name"] for each in api_resource_list()["resources"]])

    def test_the_core_group_is_empty(self) -> None:
        self.assertEqual(aggregated("v2", core=True)["items"], [])
