from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.manifestwork import AGENT_NAMESPACE, agent_namespace, permissions


def manifests(full: bool) -> list[dict[str, Any]]:
    work = permissions("east", "agents", "cluster-gateway", full)
    found: list[dict[str, Any]] = work["spec"]["workload"]["manifests"]
    return found


class PermissionsTests(SynchronousTestCase):
    def test_least(self) -> None:
        verbs = {verb for each in manifests(False) for rule in each.get("rules", ()) for verb in rule["verbs"]}
        roles = {each["roleRef"]["name"] for each in manifests(False) if "roleRef" in each}
        self.assertEqual(verbs, {"impersonate"})
        self.assertEqual(roles, {"view", "open-cluster-management:cluster-gateway"})

    def test_full(self) -> None:
        self.assertEqual([each["roleRef"]["name"] for each in manifests(True)], ["cluster-admin"])

    def test_whom(self) -> None:
        account = {"kind": "ServiceAccount", "name": "cluster-gateway", "namespace": "agents"}
        for full in (True, False):
            for each in manifests(full):
                self.assertEqual(each.get("subjects", [account]), [account])

    def test_no_two_of_a_name(self) -> None:
        names = [(each["kind"], each["metadata"]["name"]) for each in manifests(False)]
        self.assertEqual(len(set(names)), len(names))


class AgentNamespaceTests(SynchronousTestCase):
    def test_what_says_most_counts(self) -> None:
        for agent, found in (
            (None, AGENT_NAMESPACE),
            ({}, AGENT_NAMESPACE),
            ({"spec": {"installNamespace": "spec"}}, "spec"),
            ({"spec": {"installNamespace": "spec"}, "status": {"namespace": "status"}}, "status"),
            ({"spec": "nonsense", "status": []}, AGENT_NAMESPACE),
        ):
            self.assertEqual(agent_namespace(agent), found)
