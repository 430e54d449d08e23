from __future__ import annotations

import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.manifestwork import (
    AGENT_NAMESPACE,
    INSTALL_NAMESPACE_ANNOTATION,
    agent_namespace,
    permissions,
)

ANNOTATION = "cluster.core.oam.dev/cluster-gateway-proxy-configuration"


def rule(name: str, **target: Any) -> dict[str, Any]:
    return {"name": name, "type": "StaticMappingIdentityExchanger", "source": {"user": name}, "target": target}


def ruled(*rules: dict[str, Any]) -> dict[str, Any]:
    content = {
        "apiVersion": "cluster.core.oam.dev/v1alpha1",
        "kind": "ClusterGatewayProxyConfiguration",
        "spec": {"clientIdentityExchanger": {"rules": list(rules)}},
    }
    return {"metadata": {"name": "east", "annotations": {ANNOTATION: json.dumps(content)}}}


def manifests(full: bool, secret: dict[str, Any] | None = None, version: str = "v1.30.2") -> list[dict[str, Any]]:
    managed = {"metadata": {"name": "east"}, "status": {"version": {"kubernetes": version}}}
    work = permissions(managed, "agents", "cluster-gateway", full, secret)
    found: list[dict[str, Any]] = work["spec"]["workload"]["manifests"]
    return found


class PermissionsTests(SynchronousTestCase):
    def granted(self, *rules: dict[str, Any], version: str = "v1.30.2") -> list[dict[str, Any]]:
        return [each for made in manifests(False, ruled(*rules), version) for each in made.get("rules", ())]

    def test_least(self) -> None:
        secrets: tuple[dict[str, Any] | None, ...] = (None, {"metadata": {}}, ruled())
        for secret in secrets:
            self.assertEqual([each["roleRef"]["name"] for each in manifests(False, secret)], ["view"])

    def test_whom_the_rules_name_and_nobody_else(self) -> None:
        found = self.granted(rule("ann", user="dev", groups=["devs"]), rule("bob", user="ops", uid="7"))
        self.assertEqual({verb for each in found for verb in each["verbs"]}, {"impersonate"})
        self.assertEqual([each["resourceNames"] for each in found], [["dev", "ops"], ["devs"], ["7"]])

    def test_nothing_that_would_be_everything(self) -> None:
        webhook = {"name": "w", "type": "ExternalIdentityExchanger", "source": {"user": "w"}, "url": "https://w.test"}
        itself = {"name": "p", "type": "PrivilegedIdentityExchanger", "source": {"user": "p"}}
        admin = rule("root", user="root", groups=["system:masters"])
        for each in (webhook, itself, admin, {"nonsense": 1}):
            self.assertEqual(self.granted(each), [], each)

    def test_behind_a_rule_for_everybody(self) -> None:
        everybody = {"name": "w", "type": "ExternalIdentityExchanger", "source": {}, "url": "https://w.test"}
        self.assertEqual(self.granted(everybody, rule("ann", user="dev")), [])

    def test_constrained_where_the_cluster_has_it(self) -> None:
        verbs = {verb for each in self.granted(rule("ann", user="dev"), version="v1.36.0") for verb in each["verbs"]}
        self.assertIn("impersonate:user-info", verbs)
        self.assertNotIn("impersonate", verbs)

    def test_full(self) -> None:
        self.assertEqual([each["roleRef"]["name"] for each in manifests(True)], ["cluster-admin"])

    def test_whom(self) -> None:
        account = {"kind": "ServiceAccount", "name": "cluster-gateway", "namespace": "agents"}
        for full in (True, False):
            for each in manifests(full):
                self.assertEqual(each.get("subjects", [account]), [account])

    def test_no_two_of_a_name(self) -> None:
        made = manifests(False, ruled(rule("ann", user="dev")))
        self.assertEqual(len(made), 3)
        names = [(each["kind"], each["metadata"]["name"]) for each in made]
        self.assertEqual(len(set(names)), len(names))


class AgentNamespaceTests(SynchronousTestCase):
    def test_what_says_most_counts(self) -> None:
        for agent, found in (
            (None, AGENT_NAMESPACE),
            ({}, AGENT_NAMESPACE),
            ({"spec": {"installNamespace": "spec"}}, "spec"),
            ({"spec": {"installNamespace": "spec"}, "status": {"namespace": "status"}}, "status"),
            ({"spec": "nonsense", "status": []}, AGENT_NAMESPACE),
            ({"metadata": {"annotations": {INSTALL_NAMESPACE_ANNOTATION: "moved"}}}, "moved"),
            ({"metadata": {"annotations": "nonsense"}}, AGENT_NAMESPACE),
        ):
            self.assertEqual(agent_namespace(agent), found)
