"""What is shipped below k8s/ belongs together; charts are rendered where helm is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.addon import parse_configuration
from clustergateway.model.manifest import documents
from clustergateway.service.addonmanager import Options

from .test_docs import ROOT

K8S = ROOT / "k8s"
HELM = shutil.which("helm")


def shipped(folder: str) -> list[dict[str, Any]]:
    return [each for path in sorted((K8S / folder).glob("*.yaml")) for each in documents(path.read_bytes())]


def one(content: list[dict[str, Any]], kind: str, name: str = "") -> dict[str, Any]:
    (found,) = [each for each in content if each["kind"] == kind and name in ("", each["metadata"]["name"])]
    return found


def check_manager(test: SynchronousTestCase, content: list[dict[str, Any]]) -> None:
    """Of a Deployment of the add-on manager and what it comes with."""
    (container,) = one(content, "Deployment")["spec"]["template"]["spec"]["containers"]
    options = Options()
    options.parseOptions([str(each) for each in container["args"]])
    test.assertEqual(options.health_port, container["ports"][0]["containerPort"])
    configuration = parse_configuration(one(content, "ClusterGatewayConfiguration"))
    roles = {each["metadata"].get("namespace") for each in content if each["kind"] == "Role"}
    test.assertLessEqual({configuration.install_namespace, configuration.secret_namespace, "kube-system"}, roles)
    addon = one(content, "ClusterManagementAddOn")
    test.assertEqual(addon["spec"]["addOnConfiguration"]["crName"], configuration.name)


class AddonManagerTests(SynchronousTestCase):
    def test_belongs_together(self) -> None:
        check_manager(self, shipped("addon-manager"))

    def test_kustomization_has_all_that_every_hub_needs(self) -> None:
        (listed,) = documents((K8S / "addon-manager" / "kustomization.yaml").read_bytes())
        there = {path.name for path in (K8S / "addon-manager").glob("*.yaml")}
        self.assertEqual(there - set(listed["resources"]), {"kustomization.yaml", "rbac-cluster-proxy.yaml"})

    def test_no_rights_over_everything(self) -> None:
        for role in shipped("addon-manager"):
            for rule in role.get("rules", ()):
                self.assertNotIn("*", [*rule["apiGroups"], *rule["resources"], *rule["verbs"]])

    def test_secrets_of_all_namespaces_by_name_alone(self) -> None:
        role = one(shipped("addon-manager"), "ClusterRole")
        rules = [rule for rule in role["rules"] if "secrets" in rule["resources"]]
        self.assertEqual([rule["resourceNames"] for rule in rules], [["cluster-gateway"]])


class ChartTests(SynchronousTestCase):
    def render(self, chart: str, **values: Any) -> list[dict[str, Any]]:
        assert HELM is not None
        given = [part for key, value in values.items() for part in ("--set-json", f"{key}={json.dumps(value)}")]
        command = [HELM, "template", "it", str(K8S / "charts" / chart), "--namespace", "own", *given]
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return documents(done.stdout)

    def test_definition_is_the_same(self) -> None:
        name = "clustergatewayconfigurations.yaml"
        chart = K8S / "charts" / "addon-manager" / "crds" / name
        self.assertEqual(chart.read_bytes(), (K8S / "crds" / name).read_bytes())

    def test_addon_manager(self) -> None:
        check_manager(self, self.render("addon-manager"))
        proxied = {"type": "ClusterProxy", "clusterProxy": {"proxyServerHost": "proxy"}}
        spec = {"installNamespace": "a", "secretNamespace": "b", "egress": proxied}
        content = self.render("addon-manager", configuration=spec)
        check_manager(self, content)
        namespaces = [each["metadata"]["namespace"] for each in content if each["kind"] == "Role"]
        self.assertIn("open-cluster-management-addon", namespaces)

    def test_gateway_has_the_rights_of_the_plain_manifests(self) -> None:
        content = self.render("cluster-gateway", ocmIntegration=True)
        self.assertEqual(one(content, "ClusterRole")["rules"], one(shipped("base"), "ClusterRole")["rules"])

    if HELM is None:
        for test in (test_addon_manager, test_gateway_has_the_rights_of_the_plain_manifests):
            test.skip = "helm is not installed"  # type: ignore[attr-defined]
