"""A configuration that is not there under its name ends nothing, and everybody is told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from twisted.logger import ILogObserver, LogEvent, globalLogPublisher

from clustergateway.model.addon import CONFIGURATIONS, addon_types
from clustergateway.model.addonobjects import DEPLOYMENTS
from clustergateway.model.manifestwork import MANIFEST_WORKS
from clustergateway.model.resourcetype import SECRETS

from .test_installer import InstallerTestCase, JoinedTestCase
from .world import ACCOUNTS, World

if TYPE_CHECKING:
    from twisted.web.http import Request

ADDON = "cluster-gateway"


class MisnamedTests(JoinedTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.kept = self.everything()
        self.assertEqual(len(self.world.every(MANIFEST_WORKS)), 1)

    def everything(self) -> list[object]:
        found = [each["metadata"]["uid"] for kind in (ACCOUNTS, MANIFEST_WORKS) for each in self.world.every(kind)]
        return [self.made(), found]

    def name(self, **spec: Any) -> None:
        self.world.patch(self.world.types.cluster_addons, ADDON, {"spec": spec})
        self.world.settle()

    def test_nothing_is_removed_and_it_says_so(self) -> None:
        self.world.create(CONFIGURATIONS, {"metadata": {"name": "spare"}, "spec": {"image": "gateway:2"}})
        self.name(addOnConfiguration={"crName": "typo"})
        self.assertEqual(self.everything(), self.kept)
        for each in self.world.every(CONFIGURATIONS):
            said = self.world.condition(each, "ClusterGatewayDeployed")
            self.assertEqual(said, ("False", "ConfigurationMissing"), each["metadata"]["name"])
        self.name(addOnConfiguration={"crName": ADDON})
        self.assertEqual(self.world.configured(), ("True", "Deployed"))

    def test_it_is_logged_once(self) -> None:
        events: list[LogEvent] = []
        observer = cast(ILogObserver, events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.name(addOnConfiguration={"crName": "typo"})
        self.world.settle(1300, 100)
        (said,) = [
            each["why"] for each in events if each["log_namespace"] == "clustergateway.addon.installer.Installer"
        ]
        self.assertIn("typo", said)

    def test_clusters_are_looked_after_meanwhile(self) -> None:
        self.name(addOnConfiguration={"crName": "typo"})
        self.world.managers[-1].stop()
        self.world.manager()
        self.world.join("west")
        self.world.settle()
        self.assertIsNotNone(self.world.get(SECRETS, "west", "vela-system"))

    def test_two_names_that_differ(self) -> None:
        group = {"group": CONFIGURATIONS.group, "resource": CONFIGURATIONS.resource}
        self.name(supportedConfigs=[{**group, "defaultConfig": {"name": "other"}}])
        self.assertEqual(self.everything(), self.kept)
        self.assertEqual(self.world.configured(), ("False", "ConfigurationAmbiguous"))

    def test_what_was_in_force_can_be_deleted_all_the_same(self) -> None:
        self.name(addOnConfiguration={"crName": "typo"})
        self.world.delete(CONFIGURATIONS, ADDON)
        self.world.settle()
        self.assertIsNone(self.world.get(CONFIGURATIONS, ADDON))
        self.assertEqual(self.made(), [("Secret", "east", ADDON)])

    def test_another_one_that_is_being_deleted_ends_nothing(self) -> None:
        held = {"name": "other", "finalizers": ["somebody.test/else"]}
        self.world.create(CONFIGURATIONS, {"metadata": held, "spec": {"image": "gateway:2"}})
        self.world.delete(CONFIGURATIONS, "other")
        self.name(addOnConfiguration={"crName": "other"})
        self.assertEqual(self.everything(), self.kept)
        self.assertEqual(self.world.configured(), ("False", "ConfigurationMissing"))


class NewerApiTests(InstallerTestCase):
    """What v1beta1 shows of a ClusterManagementAddOn that was written as v1alpha1: without addOnConfiguration."""

    def make_world(self) -> World:
        return World("v1beta1", "v1alpha1")

    def setUp(self) -> None:
        super().setUp()
        self.former: str | None = None
        self.world.server.server.before.append(self.answer)
        for name in ("cluster-gateway", "prod"):
            spec = {"image": name, "installNamespace": name}
            self.world.create(CONFIGURATIONS, {"metadata": {"name": name}, "spec": spec})
        none = {"group": CONFIGURATIONS.group, "resource": CONFIGURATIONS.resource, "name": "__reserved_no_default__"}
        self.world.create(
            self.world.types.cluster_addons, {"metadata": {"name": ADDON}, "spec": {"defaultConfigs": [none]}}
        )

    def answer(self, request: Request) -> bool:
        """v1alpha1, which shows it, or is not served any more."""
        if request.uri.decode() != addon_types("v1alpha1").cluster_addons.path(ADDON):
            return False
        spec = {"addOnConfiguration": {"crName": self.former}}
        body = {"kind": "Status"} if self.former is None else {"metadata": {"name": ADDON}, "spec": spec}
        request.setResponseCode(404 if self.former is None else 200)
        request.setHeader("Content-Type", "application/json")
        request.write(json.dumps(body).encode())
        request.finish()
        return True

    def test_name_of_v1alpha1_and_kept_when_that_is_gone(self) -> None:
        self.former = "prod"
        self.world.manager()
        self.assertEqual(self.container("prod")["image"], "prod")
        self.former = None
        self.world.settle(700, 50)
        self.assertEqual([each["metadata"]["namespace"] for each in self.world.every(DEPLOYMENTS)], ["prod"])
        self.assertEqual(
            self.world.condition(self.world.get(CONFIGURATIONS, "prod"), "ClusterGatewayDeployed")[0], "True"
        )

    def test_default_name(self) -> None:
        self.world.manager()
        self.assertEqual(self.container("cluster-gateway")["image"], "cluster-gateway")
