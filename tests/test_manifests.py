"""What is shipped below k8s/ belongs together; charts are rendered where helm is installed."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from clustergateway.model.addon import configuration_names, parse_configuration
from clustergateway.model.clusterprofile import parse_providers
from clustergateway.model.manifest import documents
from clustergateway.service.addonmanager import Options
from clustergateway.service.options import Options as GatewayOptions
from clustergateway.settings import FeatureGates, Settings

from .contracts.hub_processes import KUBECTL
from .test_docs import ROOT

K8S = ROOT / "k8s"
HELM = shutil.which("helm")


def shipped(folder: str) -> list[dict[str, Any]]:
    """Every object; other files, as of kustomize, are none."""
    found = [each for path in sorted((K8S / folder).glob("*.yaml")) for each in documents(path.read_bytes())]
    return [each for each in found if "metadata" in each]


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
    test.assertEqual(configuration_names(addon), (configuration.name,))
    (supported,) = addon["spec"]["supportedConfigs"]  # all that v1beta1 keeps
    test.assertEqual(supported["defaultConfig"], {"name": configuration.name})


class AddonManagerTests(SynchronousTestCase):
    def test_definition_of_the_chart_is_the_same(self) -> None:
        name = "clustergatewayconfigurations.yaml"
        chart = K8S / "charts" / "addon-manager" / "crds" / name
        self.assertEqual(chart.read_bytes(), (K8S / "crds" / name).read_bytes())

    def test_belongs_together(self) -> None:
        check_manager(self, shipped("addon-manager"))

    def test_kustomization_has_all_that_every_hub_needs(self) -> None:
        (listed,) = documents((K8S / "addon-manager" / "kustomization.yaml").read_bytes())
        there = {path.name for path in (K8S / "addon-manager").glob("*.yaml")}
        self.assertEqual(there - set(listed["resources"]), {"kustomization.yaml", "rbac-cluster-proxy.yaml"})

    def test_every_namespace_that_is_used_is_made(self) -> None:
        made = {each["metadata"]["name"] for each in shipped("addon-manager") if each["kind"] == "Namespace"}
        used = {each["metadata"]["namespace"] for each in shipped("addon-manager") if "namespace" in each["metadata"]}
        # One is every hub's, the other Open Cluster Management's to make.
        self.assertEqual(used - made, {"kube-system", "open-cluster-management-addon"})

    def test_no_rights_over_everything(self) -> None:
        for role in shipped("addon-manager"):
            for rule in role.get("rules", ()):
                self.assertNotIn("*", [*rule["apiGroups"], *rule["resources"], *rule["verbs"]])

    def test_secrets_of_all_namespaces_by_name_alone(self) -> None:
        role = one(shipped("addon-manager"), "ClusterRole")
        rules = [rule for rule in role["rules"] if "secrets" in rule["resources"]]
        self.assertEqual([rule["resourceNames"] for rule in rules], [["cluster-gateway"]])


def rights(rules: Iterable[dict[str, Any]]) -> set[tuple[str, ...]]:
    """Each right by itself, however the rules group them."""
    return {
        (group, resource, verb, *rule.get("resourceNames", ()))
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def comparable(content: Iterable[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    """By kind, namespace and name; without namespaces, which a chart does not make, and helm's own annotations."""
    found = {}
    for each in content:
        metadata = {key: value for key, value in each["metadata"].items() if key != "annotations"}
        each = {**each, "metadata": metadata}
        if "rules" in each:
            each["rules"] = rights(each["rules"])
        if each["kind"] != "Namespace":
            found[each["kind"], metadata.get("namespace", ""), metadata["name"]] = each
    return found


class ChartTestCase(SynchronousTestCase):
    chart = ""

    def setUp(self) -> None:
        if HELM is None:
            raise SkipTest("helm is not installed")

    def helm(self, *arguments: str, **values: Any) -> subprocess.CompletedProcess[bytes]:
        assert HELM is not None
        given = [part for key, value in values.items() for part in ("--set-json", f"{key}={json.dumps(value)}")]
        return subprocess.run([HELM, *arguments, *given], capture_output=True, timeout=60, check=False)

    def render(self, namespace: str = "own", **values: Any) -> list[dict[str, Any]]:
        done = self.helm("template", "it", str(K8S / "charts" / self.chart), "--namespace", namespace, **values)
        self.assertEqual(done.returncode, 0, done.stderr)
        return documents(done.stdout)

    def refused(self, **values: Any) -> str:
        done = self.helm("template", "it", str(K8S / "charts" / self.chart), **values)
        self.assertNotEqual(done.returncode, 0, values)
        return done.stderr.decode()

    def check_values(self, other: dict[str, Any], *alone: str) -> None:
        """
        @param other: for each value of the chart another one; each has to show.
        @param alone: those that do not go with the rest.
        """
        (values,) = documents((K8S / "charts" / self.chart / "values.yaml").read_bytes())
        self.assertEqual(set(other), set(values))
        default = self.render()
        for key, value in other.items():
            self.assertNotEqual(self.render(**{key: value}), default, key)
        self.assertEqual(self.helm("lint", "--strict", str(K8S / "charts" / self.chart)).returncode, 0)
        together = {key: value for key, value in other.items() if key not in alone}
        self.assertEqual(self.helm("lint", "--strict", str(K8S / "charts" / self.chart), **together).returncode, 0)

    def pod(self, content: list[dict[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = one(content, "Deployment")["spec"]["template"]["spec"]
        return found


POD: dict[str, Any] = {
    "image": "registry.test/it:2",
    "imagePullSecrets": [{"name": "pull"}],
    "replicas": 5,
    "resources": {"limits": {"memory": "2Gi"}, "requests": {"cpu": "1", "memory": "1Gi"}},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "k", "operator": "Exists"}],
}
PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"
EXEC = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "command": "cloud-token",
    "interactiveMode": "Never",
}
PROVIDERS = {"namespace": "inventory", "providers": [{"name": "cloud", "execConfig": EXEC}]}


class GatewayChartTests(ChartTestCase):
    chart = "cluster-gateway"

    def test_as_the_plain_manifests(self) -> None:
        plain = comparable(shipped("base"))
        made = comparable(self.render("vela-system", ocmIntegration=True, certManagerCertificate="cluster-gateway"))
        container = made["Deployment", "vela-system", "cluster-gateway"]["spec"]["template"]["spec"]["containers"][0]
        container["args"].remove("--ocm-integration=true")
        self.assertEqual(made, plain)

    def test_values(self) -> None:
        self.check_values(
            {
                **POD,
                "secretNamespace": "clusters",
                "ocmIntegration": True,
                "clusterProfiles": PROVIDERS,
                "execPluginAllow": ["cloud-token"],
                "extraArgs": ["--v=2"],
                "caBundle": PEM,
                "certManagerCertificate": "serving",
                "tlsSecret": "other",
            },
            "certManagerCertificate",
        )

    def test_pod(self) -> None:
        content = self.render(**POD, tlsSecret="other")
        pod = self.pod(content)
        for key in ("imagePullSecrets", "nodeSelector", "tolerations"):
            self.assertEqual(pod[key], POD[key])
        self.assertEqual(pod["containers"][0]["image"], POD["image"])
        self.assertEqual(pod["containers"][0]["resources"], POD["resources"])
        self.assertEqual(one(content, "Deployment")["spec"]["replicas"], 5)
        self.assertEqual(pod["volumes"][0]["secret"], {"secretName": "other"})

    def test_arguments(self) -> None:
        """The gateway understands them all."""
        content = self.render(
            clusterProfiles=PROVIDERS,
            execPluginAllow=["cloud-token", "other"],
            ocmIntegration=True,
            secretNamespace="clusters",
            extraArgs=["--feature-gates=HealthinessCheck=true,SecretCache=false", "--v=2"],
        )
        options = GatewayOptions()
        options.parseOptions(self.pod(content)["containers"][0]["args"])
        settings = options.settings
        self.assertEqual(options.warnings, ())
        self.assertEqual(settings.secure_port, one(content, "Service")["spec"]["ports"][0]["port"])
        self.assertEqual((settings.secret_namespace, settings.ocm_integration), ("clusters", True))
        self.assertEqual(settings.exec_plugin_allow, ("cloud-token", "other"))
        self.assertEqual(settings.feature_gates, FeatureGates(HealthinessCheck=True, SecretCache=False))
        self.assertEqual(one(content, "Role", "cluster-gateway")["metadata"]["namespace"], "clusters")

    def test_api_service_with_its_ca_alone(self) -> None:
        self.assertNotIn("APIService", {each["kind"] for each in self.render()})
        given = one(self.render(caBundle=PEM), "APIService")
        self.assertEqual(base64.b64decode(given["spec"]["caBundle"]).decode(), PEM)
        injected = one(self.render(certManagerCertificate="serving"), "APIService")
        self.assertEqual(injected["metadata"]["annotations"], {"cert-manager.io/inject-ca-from": "own/serving"})
        self.assertNotIn("caBundle", injected["spec"])
        self.assertIn("give one", self.refused(caBundle=PEM, certManagerCertificate="serving"))

    def test_cluster_profiles(self) -> None:
        content = self.render("vela-system", clusterProfiles=PROVIDERS)
        name = "cluster-gateway:cluster-profiles"
        component = shipped("components/cluster-profile-source")
        for kind in ("Role", "RoleBinding"):
            self.assertEqual(comparable([one(content, kind, name)]), comparable([one(component, kind)]))
        config = one(content, "ConfigMap")
        pod = self.pod(content)
        settings = options_of(pod["containers"][0]["args"])
        (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "profiles"]
        (volume,) = [each for each in pod["volumes"] if each["name"] == "profiles"]
        self.assertEqual(volume["configMap"]["name"], config["metadata"]["name"])
        folder, _, file = settings.cluster_profile_providers.rpartition("/")
        self.assertEqual(folder, mount["mountPath"])
        self.assertEqual(list(parse_providers(config["data"][file].encode())), ["cloud"])
        self.assertEqual(settings.cluster_profile_namespace, "inventory")
        more = {**PROVIDERS, "providers": [{"name": "x", "execConfig": EXEC}]}
        annotations = [
            one(self.render(clusterProfiles=each), "Deployment")["spec"]["template"]["metadata"]["annotations"]
            for each in (PROVIDERS, more)
        ]
        self.assertNotEqual(*annotations)

    def test_refused(self) -> None:
        for values in (
            {"nosuch": 1},
            {"image": ""},
            {"replicas": "two"},
            {"secretNamespace": "Not A Namespace"},
            {"ocmIntegration": "yes"},
            {"extraArgs": "--v=2"},
            {"extraArgs": ["v=2"]},
            {"caBundle": "ca.crt"},
            {"clusterProfiles": {"namespace": "inventory"}},
            {"clusterProfiles": {"namespaces": "inventory"}},
            {"execPluginAllow": ["a,b"]},
            {"tlsSecret": None},
        ):
            self.assertIn("specifications of the schema", self.refused(**values), values)


class AddonManagerChartTests(ChartTestCase):
    chart = "addon-manager"

    def test_as_the_plain_manifests(self) -> None:
        plain = shipped("addon-manager") + shipped("components/cluster-profile-publisher")
        spec = one(plain, "ClusterGatewayConfiguration")["spec"]
        egress = {"type": "ClusterProxy", "clusterProxy": {"proxyServerHost": "proxy"}}
        profiles = {"server": "https://hub.test"}
        spec |= {"egress": egress, "clusterProfiles": profiles}
        namespace = "open-cluster-management-cluster-gateway"
        content = self.render(namespace, configuration={"egress": egress, "clusterProfiles": profiles})
        spec.pop("secretManagement")
        self.assertEqual(comparable(content), comparable(plain))

    def test_belongs_together(self) -> None:
        check_manager(self, self.render())
        proxied = {"type": "ClusterProxy", "clusterProxy": {"proxyServerHost": "proxy"}}
        spec = {"installNamespace": "a", "secretNamespace": "b", "egress": proxied}
        content = self.render(configuration=spec)
        check_manager(self, content)
        namespaces = [each["metadata"]["namespace"] for each in content if each["kind"] == "Role"]
        self.assertEqual(sorted(namespaces), ["a", "b", "kube-system", "open-cluster-management-addon", "own"])

    def test_values(self) -> None:
        self.check_values(
            {**POD, "probeInterval": 7, "configuration": {"managedClusterPermissions": "Full", "image": "gateway:3"}}
        )

    def test_pod(self) -> None:
        content = self.render(**POD, probeInterval=7)
        pod = self.pod(content)
        for key in ("imagePullSecrets", "nodeSelector", "tolerations"):
            self.assertEqual(pod[key], POD[key])
        self.assertEqual(pod["containers"][0]["image"], POD["image"])
        self.assertEqual(pod["containers"][0]["resources"], POD["resources"])
        self.assertEqual(one(content, "Deployment")["spec"]["replicas"], 5)
        self.assertIn("--probe-interval=7", pod["containers"][0]["args"])
        self.assertEqual(one(content, "ClusterGatewayConfiguration")["spec"]["image"], POD["image"])

    def test_everything_in_one_namespace(self) -> None:
        """No two objects have the same name."""
        proxy = {"proxyServerHost": "proxy", "credentials": {"namespace": "own"}}
        spec = {
            "installNamespace": "own",
            "secretNamespace": "own",
            "egress": {"type": "ClusterProxy", "clusterProxy": proxy},
        }
        content = self.render("own", configuration=spec)
        self.assertEqual(len(comparable(content)), len(content))

    def test_names_that_the_configuration_gives(self) -> None:
        credentials = {"namespace": "n", "proxyClientSecretName": "c", "proxyClientCASecretName": "a"}
        spec = {
            "secretManagement": {"managedServiceAccount": {"name": "account"}},
            "egress": {"type": "ClusterProxy", "clusterProxy": {"proxyServerHost": "h", "credentials": credentials}},
        }
        content = self.render(configuration=spec)
        named = [rule.get("resourceNames") for rule in one(content, "ClusterRole")["rules"]]
        self.assertIn(["account"], named)
        role = one(content, "Role", "cluster-gateway-addon-manager:proxy")
        self.assertEqual((role["metadata"]["namespace"], role["rules"][0]["resourceNames"]), ("n", ["c", "a"]))

    def test_outlives_its_release(self) -> None:
        """What the add-on manager has to take away itself is not taken away with it."""
        kept = [each["kind"] for each in self.render() if "annotations" in each["metadata"]]
        self.assertEqual(sorted(kept), ["ClusterGatewayConfiguration", "ClusterManagementAddOn"])

    def test_refused(self) -> None:
        for values in (
            {"nosuch": 1},
            {"configuration": None},
            {"configuration": {"installNamespace": "Not A Namespace"}},
            {"probeInterval": 0},
        ):
            self.assertIn("specifications of the schema", self.refused(**values), values)
        self.assertIn("clusterProxy is needed", self.refused(configuration={"egress": {"type": "ClusterProxy"}}))


class ComponentTests(SynchronousTestCase):
    """Components are built with their base by kubectl."""

    def setUp(self) -> None:
        if KUBECTL is None:
            raise SkipTest("there is no kubectl on PATH, nor in KUBEBUILDER_ASSETS")

    def build(self, base: str, component: str) -> list[dict[str, Any]]:
        assert KUBECTL is not None
        folder = Path(self.mktemp()).resolve()
        folder.mkdir()
        kinds = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization"}
        named = {
            "resources": [os.path.relpath(K8S / base, folder)],
            "components": [os.path.relpath(K8S / "components" / component, folder)],
        }
        (folder / "kustomization.yaml").write_text(json.dumps({**kinds, **named}))
        done = subprocess.run([KUBECTL, "kustomize", str(folder)], capture_output=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return documents(done.stdout)

    def test_source(self) -> None:
        content = self.build("base", "cluster-profile-source")
        pod = one(content, "Deployment")["spec"]["template"]["spec"]
        settings = options_of(pod["containers"][0]["args"])
        namespace = one(content, "Role", "cluster-gateway:cluster-profiles")["metadata"]["namespace"]
        self.assertEqual(settings.cluster_profile_namespace, namespace)
        config = one(content, "ConfigMap")
        (volume,) = [each for each in pod["volumes"] if each["name"] == "profiles"]
        self.assertEqual(volume["configMap"]["name"], config["metadata"]["name"])
        (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "profiles"]
        folder, _, file = settings.cluster_profile_providers.rpartition("/")
        self.assertEqual(folder, mount["mountPath"])
        commands = {each.command for each in parse_providers(config["data"][file].encode()).values()}
        self.assertEqual(commands, set(settings.exec_plugin_allow))

    def test_publisher(self) -> None:
        content = self.build("addon-manager", "cluster-profile-publisher")
        (binding,) = [
            each
            for each in content
            if each["kind"] == "ClusterRoleBinding" and each["metadata"]["name"].endswith(":cluster-profiles")
        ]
        role = one(content, "ClusterRole", binding["roleRef"]["name"])
        verbs = {("list", "clusterprofiles"), ("watch", "clusterprofiles")}
        verbs |= {("patch", "clusterprofiles/status"), ("update", "clusterprofiles/status")}
        self.assertEqual({(verb, resource) for _, resource, verb in rights(role["rules"])}, verbs)
        account = one(content, "ServiceAccount")["metadata"]
        (subject,) = binding["subjects"]
        self.assertEqual((subject["name"], subject["namespace"]), (account["name"], account["namespace"]))

    def test_nobody_else_has_rights_on_profiles(self) -> None:
        for folder in ("base", "addon-manager"):
            for role in shipped(folder):
                for rule in role.get("rules", ()):
                    self.assertNotIn("multicluster.x-k8s.io", rule["apiGroups"])


def options_of(arguments: list[str]) -> Settings:
    options = GatewayOptions()
    options.parseOptions(arguments)
    return options.settings
