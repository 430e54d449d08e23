from __future__ import annotations

import base64
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.addon import (
    Configuration,
    Egress,
    Publication,
    addon_types,
    configuration_names,
    deleting,
    deployment_config_name,
    in_force,
    parse_configuration,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = (
    "image",
    "installNamespace",
    "secretNamespace",
    "secretManagement",
    "egress",
    "clusterProfiles",
    "managedClusterPermissions",
)
SPEC = st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, JSON))


def content(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "it", "generation": 3}, "spec": {"image": "gateway:1", **spec}}


class ConfigurationTests(SynchronousTestCase):
    def test_defaults(self) -> None:
        self.assertEqual(
            parse_configuration(content()), Configuration("it", 3, "gateway:1", "vela-system", "vela-system")
        )

    def test_everything(self) -> None:
        proxy = {
            "proxyServerHost": "proxy",
            "proxyServerPort": 443,
            "credentials": {"namespace": "n", "proxyClientSecretName": "c", "proxyClientCASecretName": "a"},
        }
        found = parse_configuration(
            content(
                installNamespace="i",
                secretNamespace="s",
                secretManagement={"type": "Manual", "managedServiceAccount": {"name": "m"}},
                egress={"type": "ClusterProxy", "clusterProxy": proxy},
                managedClusterPermissions="Full",
                clusterProfiles={"server": "https://hub/", "caBundle": base64.b64encode(b"-PEM-").decode()},
            )
        )
        self.assertEqual(
            found,
            Configuration(
                "it",
                3,
                "gateway:1",
                "i",
                "s",
                True,
                "m",
                Egress("proxy", 443, "n", "c", "a"),
                True,
                Publication("https://hub", b"-PEM-"),
            ),
        )

    def test_what_is_wrong_is_named(self) -> None:
        for spec, place in (
            ({"image": ""}, "spec.image"),
            ({"image": 7}, "spec.image"),
            ({"egress": "Direct"}, "spec.egress"),
            ({"egress": {"type": "Pigeon"}}, "spec.egress.type"),
            ({"egress": {"type": "ClusterProxy"}}, "spec.egress.clusterProxy.proxyServerHost"),
            (
                {"egress": {"type": "ClusterProxy", "clusterProxy": {"proxyServerHost": "p", "proxyServerPort": 0}}},
                "spec.egress.clusterProxy.proxyServerPort",
            ),
            ({"secretManagement": {"type": "Else"}}, "spec.secretManagement.type"),
            ({"clusterProfiles": {"server": "http://hub"}}, "spec.clusterProfiles.server"),
            ({"clusterProfiles": {"server": "https://hub", "caBundle": "%"}}, "spec.clusterProfiles.caBundle"),
        ):
            error = self.assertRaises(ConfigurationError, parse_configuration, content(**spec))
            self.assertIn(place, error.message)

    @given(SPEC)
    def test_fails_in_no_other_way(self, spec: dict[str, Any]) -> None:
        try:
            found = parse_configuration({"metadata": {"name": "it"}, "spec": spec})
        except ConfigurationError:
            return
        self.assertEqual(found.image, spec["image"])


class ReferenceTests(SynchronousTestCase):
    def test_configuration_of_either_version(self) -> None:
        group = {"group": "proxy.open-cluster-management.io", "resource": "clustergatewayconfigurations"}
        for spec, name in (
            ({}, ()),
            ({"addOnConfiguration": {"crName": "old"}}, ("old",)),
            ({"supportedConfigs": [{**group, "defaultConfig": {"name": "default"}}]}, ("default",)),
            ({"defaultConfigs": [{"group": "x", "resource": "y", "name": "z"}, {**group, "name": "new"}]}, ("new",)),
            ({"supportedConfigs": [group]}, ()),
            ({"supportedConfigs": "nonsense"}, ()),
            # What the conversion of v1alpha1 makes of an entry without a default.
            ({"defaultConfigs": [{**group, "name": "__reserved_no_default__"}]}, ()),
            (
                {
                    "addOnConfiguration": {"crName": "old"},
                    "supportedConfigs": [{**group, "defaultConfig": {"name": "new"}}],
                },
                ("new", "old"),
            ),
        ):
            self.assertEqual(configuration_names({"spec": spec}), name)

    def test_what_is_in_force(self) -> None:
        ahead = content(image="gateway:2")
        force = {"generation": 2, "spec": {"image": "gateway:1"}}
        for status, found in (
            ({"inForce": force}, Configuration("it", 2, "gateway:1", "vela-system", "vela-system")),
            ({"inForce": {}}, None),
            ({"inForce": {"generation": 2, "spec": {}}}, None),
            ({}, None),
            (None, None),
        ):
            self.assertEqual(in_force({**ahead, "status": status}), found)

    def test_deployment_config_of_either_version(self) -> None:
        group = {"group": "addon.open-cluster-management.io", "resource": "addondeploymentconfigs"}
        where = {"namespace": "n", "name": "c"}
        for spec, found in (
            ({}, None),
            ({"supportedConfigs": [{**group, "defaultConfig": where}]}, ("n", "c")),
            ({"defaultConfigs": [{**group, **where}]}, ("n", "c")),
            ({"defaultConfigs": [{**group, "name": "c"}]}, None),
            ({"defaultConfigs": [{**group, "name": "__reserved_no_default__"}]}, None),
        ):
            self.assertEqual(deployment_config_name({"spec": spec}), found)

    def test_deleting(self) -> None:
        self.assertTrue(deleting({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}))
        self.assertFalse(deleting({"metadata": {}}))

    def test_paths(self) -> None:
        self.assertEqual(
            addon_types("v1beta1").managed_addons.path("cluster-gateway", "east"),
            "/apis/addon.open-cluster-management.io/v1beta1/namespaces/east/managedclusteraddons/cluster-gateway",
        )
