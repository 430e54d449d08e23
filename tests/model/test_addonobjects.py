from __future__ import annotations

import base64

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.addon import Configuration, Egress
from clustergateway.model.addonobjects import (
    GATEWAY_RULES,
    LABELS,
    SELECTOR,
    api_service,
    arguments,
    around,
    copy_of_secret,
    deployment,
    serving_names,
)
from clustergateway.model.addonplacement import ANYWHERE
from clustergateway.model.manifest import documents
from clustergateway.service.options import Options

from ..test_docs import ROOT

DIRECT = Configuration("it", 4, "gateway:1", "install", "clusters")
PROXIED = Configuration("it", 4, "gateway:1", "install", "clusters", egress=Egress("proxy", 8090))


class ArgumentsTests(SynchronousTestCase):
    def test_the_gateway_understands_them(self) -> None:
        for configuration in (DIRECT, PROXIED):
            options = Options()
            options.parseOptions(arguments(configuration))
            self.assertEqual(options.warnings, ())
            settings = options.settings
            self.assertEqual((settings.secret_namespace, settings.ocm_integration), ("clusters", True))
        self.assertEqual((settings.proxy_host, settings.proxy_port), (("proxy",), 8090))

    def test_files_are_mounted(self) -> None:
        pod = deployment(PROXIED, ANYWHERE)[1]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        mounted = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        for argument in container["args"]:
            name, _, value = argument.partition("=")
            if value.startswith("/"):
                self.assertIn(value.rpartition("/")[0], mounted, name)
        self.assertEqual({each["name"] for each in pod["volumes"]}, set(mounted.values()))


class ObjectsTests(SynchronousTestCase):
    def test_everything_carries_our_label(self) -> None:
        made = [*around(DIRECT), api_service(DIRECT, b"PEM"), deployment(DIRECT, ANYWHERE)]
        for kind, content in made:
            labels = content["metadata"]["labels"]
            self.assertEqual({key: labels[key] for key in LABELS}, LABELS, kind.kind)
            self.assertEqual(bool(content["metadata"].get("namespace")), kind.namespaced, kind.kind)

    def test_service_selects_the_pods(self) -> None:
        (service,) = [content for kind, content in around(DIRECT) if kind.kind == "Service"]
        found = deployment(DIRECT, ANYWHERE)[1]
        self.assertEqual(service["spec"]["selector"], SELECTOR)
        self.assertEqual(found["spec"]["template"]["metadata"]["labels"], SELECTOR)
        self.assertEqual(found["metadata"]["labels"]["proxy.open-cluster-management.io/configuration-generation"], "4")

    def test_api_service(self) -> None:
        spec = api_service(DIRECT, b"PEM")[1]["spec"]
        self.assertEqual(base64.b64decode(spec["caBundle"]), b"PEM")
        self.assertEqual(spec["service"], {"name": "cluster-gateway", "namespace": "install", "port": 9443})
        self.assertIn("cluster-gateway.install.svc", serving_names("install"))

    def test_rights_are_those_of_the_plain_manifests(self) -> None:
        """Who installs by hand and who installs by add-on has the same gateway."""
        plain = {
            each["kind"]: each["rules"]
            for each in documents((ROOT / "k8s/base/rbac.yaml").read_bytes())
            if "rules" in each
        }

        def rights(rules: list[dict[str, list[str]]]) -> set[tuple[str, str, str]]:
            return {
                (g, r, v) for one in rules for g in one["apiGroups"] for r in one["resources"] for v in one["verbs"]
            }

        (role,) = [content for kind, content in around(DIRECT) if kind.kind == "Role"]
        self.assertEqual(rights(GATEWAY_RULES), rights(plain["ClusterRole"]))
        self.assertEqual(rights(role["rules"]), rights(plain["Role"]))

    def test_copy(self) -> None:
        found = copy_of_secret("a", "n", "Opaque", {"k": "dg=="})
        self.assertEqual((found["type"], found["data"], found["metadata"]["labels"]), ("Opaque", {"k": "dg=="}, LABELS))
