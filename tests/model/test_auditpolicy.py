"""Tests for L{clustergateway.model.auditpolicy}."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.auditpolicy import (
    METADATA_OF_EVERYTHING,
    RECEIVED,
    STARTED,
    AuditPolicy,
    Level,
    Session,
    parse_audit_policy,
)
from clustergateway.model.identity import Identity
from clustergateway.model.record import Record

JANE = Identity("jane", ("dev", "system:authenticated"))


def record(verb: str, cluster: str, group: str = "", resource: str = "", *rest: str, path: str = "") -> Record:
    subresource, namespace, name = (*rest, "", "", "")[:3]
    return Record(
        *("GET", "/", 0.0),
        identity=JANE,
        verb=verb,
        cluster=cluster,
        group=group,
        resource=resource,
        subresource=subresource,
        namespace=namespace,
        name=name,
        path=path,
    )


POD = record("get", "east", "", "pods", "", "default", "web")
LOG = record("get", "east", "", "pods", "log", "default", "web")
DEPLOYMENT = record("patch", "west-1", "apps", "deployments", "", "prod", "api")
SCALE = record("update", "west-1", "apps", "deployments", "scale", "prod", "api")
NODE = record("list", "west-2", "", "nodes")
HEALTH = record("get", "east", path="/healthz/ping")
OWN = record("list", "", "cluster.core.oam.dev", "clustergateways")
EVERYTHING = {
    "pod": POD,
    "log": LOG,
    "deployment": DEPLOYMENT,
    "scale": SCALE,
    "node": NODE,
    "health": HEALTH,
    "own": OWN,
}


def policy(*rules: dict[str, Any], **more: Any) -> AuditPolicy:
    return parse_audit_policy(json.dumps({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": rules, **more}))


class MatchTests(SynchronousTestCase):
    def matched(self, **rule: Any) -> set[str]:
        found = policy({"level": "Request", **rule})
        return {name for name, what in EVERYTHING.items() if found.rule(what).level is Level.REQUEST}

    def test_a_rule_without_conditions_matches_everything(self) -> None:
        self.assertEqual(self.matched(), set(EVERYTHING))

    def test_who(self) -> None:
        self.assertEqual(self.matched(users=["joe"]), set())
        self.assertEqual(self.matched(users=["joe", "jane"]), set(EVERYTHING))
        self.assertEqual(self.matched(userGroups=["ops"]), set())
        self.assertEqual(self.matched(userGroups=["dev"]), set(EVERYTHING))

    def test_verbs(self) -> None:
        self.assertEqual(self.matched(verbs=["list"]), {"node", "own"})

    def test_clusters(self) -> None:
        self.assertEqual(self.matched(clusters=["east"]), {"pod", "log", "health"})
        self.assertEqual(self.matched(clusters=["west-*"]), {"deployment", "scale", "node"})
        self.assertEqual(self.matched(clusters=["*-1", "nowhere"]), {"deployment", "scale"})

    def test_resources(self) -> None:
        table: list[tuple[dict[str, Any], set[str]]] = [
            ({"group": ""}, {"pod", "log", "node"}),
            ({"group": "*"}, set(EVERYTHING) - {"health"}),
            ({"group": "", "resources": ["pods"]}, {"pod"}),
            ({"group": "", "resources": ["pods/log"]}, {"log"}),
            ({"group": "", "resources": ["pods/*"]}, {"pod", "log"}),
            ({"group": "", "resources": ["*"]}, {"pod", "log", "node"}),
            ({"group": "*", "resources": ["*/scale"]}, {"scale"}),
            ({"group": "apps", "resources": ["pods"]}, set()),
            ({"group": "", "resources": ["pods"], "resourceNames": ["web"]}, {"pod"}),
            ({"group": "", "resources": ["pods"], "resourceNames": ["other"]}, set()),
        ]
        for group, names in table:
            self.assertEqual(self.matched(resources=[group]), names, group)

    def test_namespaces(self) -> None:
        self.assertEqual(self.matched(namespaces=["prod"]), {"deployment", "scale"})
        self.assertEqual(self.matched(namespaces=[""]), {"node", "own"})
        self.assertEqual(self.matched(namespaces=["prod"], resources=[{"group": ""}]), set())

    def test_paths(self) -> None:
        self.assertEqual(self.matched(nonResourceURLs=["/healthz*"]), {"health"})
        self.assertEqual(self.matched(nonResourceURLs=["/healthz/ping"]), {"health"})
        self.assertEqual(self.matched(nonResourceURLs=["/healthz"]), set())

    def test_all_conditions_together(self) -> None:
        self.assertEqual(self.matched(verbs=["get"], clusters=["east"], resources=[{"group": ""}]), {"pod", "log"})

    def test_the_first_decides(self) -> None:
        found = policy({"level": "None", "verbs": ["get"]}, {"level": "Metadata"})
        self.assertEqual(found.rule(POD).level, Level.NONE)
        self.assertEqual(found.rule(NODE).level, Level.METADATA)

    def test_silence_without_a_rule(self) -> None:
        self.assertEqual(policy().rule(POD).level, Level.NONE)

    def test_the_default(self) -> None:
        rule = METADATA_OF_EVERYTHING.rule(POD)
        self.assertEqual((rule.level, rule.omitted), (Level.METADATA, {RECEIVED}))


class ParseTests(SynchronousTestCase):
    def test_stages_and_managed_fields(self) -> None:
        found = policy(
            {"level": "Metadata", "verbs": ["get"], "omitStages": [STARTED], "omitManagedFields": False},
            {"level": "Metadata"},
            omitStages=[RECEIVED],
            omitManagedFields=True,
        )
        first, second = found.rules
        self.assertEqual((first.omitted, first.omit_managed_fields), ({RECEIVED, STARTED}, False))
        self.assertEqual((second.omitted, second.omit_managed_fields), ({RECEIVED}, True))

    def test_sessions(self) -> None:
        found = policy({"level": "None", "recordSession": {}}, {"level": "None", "recordSession": {"required": True}})
        self.assertEqual([rule.session for rule in found.rules], [Session(), Session(required=True)])

    def test_what_is_none(self) -> None:
        bad: list[dict[str, Any]] = [
            *({}, {"level": "All"}, {"level": "Metadata", "user": ["x"]}, {"level": "Metadata", "verbs": "get"}),
            {"level": "Metadata", "omitStages": ["Begin"]},
            {"level": "Metadata", "resources": [{"groups": ""}]},
            {"level": "Metadata", "resources": [{"group": "", "resourceNames": ["x"]}]},
            {"level": "Metadata", "nonResourceURLs": ["/x"], "namespaces": ["x"]},
            {"level": "Metadata", "recordSession": True},
            {"level": "Metadata", "recordSession": {"stdin": "yes"}},
        ]
        for rule in bad:
            error = self.assertRaises(ConfigurationError, policy, rule)
            self.assertIn("rules[0]", error.message)
        for text in ("", "[]", "kind: Policy", "apiVersion: audit.k8s.io/v1beta1\nkind: Policy", "a: ["):
            self.assertRaises(ConfigurationError, parse_audit_policy, text)

    @given(
        st.lists(
            st.dictionaries(
                st.sampled_from(["level", "users", "verbs", "resources", "clusters", "omitStages", "recordSession"]),
                st.recursive(
                    st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.sampled_from(["Metadata", "*"])),
                    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
                    max_leaves=5,
                ),
            )
        )
    )
    def test_it_fails_in_no_other_way(self, rules: list[dict[str, Any]]) -> None:
        try:
            found = policy(*rules)
        except ConfigurationError:
            return
        for what in EVERYTHING.values():
            found.rule(what)

    @given(st.one_of(st.binary(), st.text()))
    def test_nor_with_any_text(self, text: bytes | str) -> None:
        try:
            parse_audit_policy(text)
        except ConfigurationError:
            pass
