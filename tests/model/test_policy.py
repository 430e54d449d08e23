from __future__ import annotations

import re
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.identity import ANONYMOUS, Attributes, Identity
from clustergateway.model.policy import GROUP, OPEN, Policy, Rule, matches, parse_policy
from clustergateway.model.requestinfo import parse_request_info

JANE = Identity("jane", ("dev", "system:authenticated"))
ROOT = Identity("root", ("system:masters",))
VIEWER = Policy((Rule("viewers", groups=("dev",), clusters=("prod-*",), read_only=True),))
EDITOR = Policy((Rule("", users=("jane",), clusters=("east",), verbs=("get", "list", "create")),))


def gateway(verb: str, name: str = "", subresource: str = "") -> Attributes:
    return Attributes(verb, GROUP, "v1alpha1", "clustergateways", subresource, name=name)


def pods(verb: str, subresource: str = "", name: str = "") -> Attributes:
    return Attributes(verb, "", "v1", "pods", subresource, "default", name)


class MatchesTests(SynchronousTestCase):
    def test_patterns(self) -> None:
        for pattern, text in (
            ("east", "east"),
            ("*", ""),
            ("prod-*", "prod-"),
            ("*-1", "east-1"),
            ("a*b*c", "a-b-b-c"),
            ("[a].*", "[a].x"),
        ):
            self.assertTrue(matches(pattern, text), (pattern, text))
        for pattern, text in (("east", "eastern"), ("prod-*", "preprod-1"), ("ab*ba", "aba"), ("?", "x"), ("", "x")):
            self.assertFalse(matches(pattern, text), (pattern, text))

    @given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
    def test_as_a_regular_expression_would(self, pattern: str, text: str) -> None:
        wanted = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None
        self.assertEqual(matches(pattern, text), wanted)


class OpenTests(SynchronousTestCase):
    def test_authenticated_may_everything(self) -> None:
        for what in (gateway("list"), gateway("create", "east", "proxy"), Attributes("get", path="/metrics")):
            self.assertTrue(OPEN.decide(JANE, what).allowed)
        self.assertTrue(OPEN.decide_inner(JANE, "east", pods("get", "exec", "web"), True).allowed)

    def test_anonymous_may_see_health(self) -> None:
        self.assertTrue(OPEN.decide(ANONYMOUS, Attributes("get", path="/healthz")).allowed)
        for what in (Attributes("get", path="/apis"), Attributes("get", path="/metrics"), gateway("list")):
            self.assertFalse(OPEN.decide(ANONYMOUS, what).allowed)
        self.assertFalse(OPEN.decide_inner(ANONYMOUS, "east", pods("get"), False).allowed)


class DecideTests(SynchronousTestCase):
    def test_entering(self) -> None:
        self.assertTrue(VIEWER.decide(JANE, gateway("create", "prod-1", "proxy")).allowed)
        refused = VIEWER.decide(JANE, gateway("get", "test-1", "proxy"))
        self.assertFalse(refused.allowed)
        self.assertIn('clustergateways.cluster.core.oam.dev "test-1" is forbidden: User "jane"', refused.reason)
        self.assertFalse(VIEWER.decide(JANE, gateway("get", "", "proxy")).allowed)

    def test_one_gateway(self) -> None:
        self.assertTrue(VIEWER.decide(JANE, gateway("get", "prod-1")).allowed)
        self.assertFalse(VIEWER.decide(JANE, gateway("get", "test-1")).allowed)
        self.assertFalse(VIEWER.decide(JANE, gateway("update", "prod-1", "health")).allowed)

    def test_list_needs_every_cluster(self) -> None:
        self.assertFalse(VIEWER.decide(JANE, gateway("list")).allowed)
        every = Policy((Rule(users=("jane",), clusters=("*",), verbs=("list",)),))
        self.assertTrue(every.decide(JANE, gateway("list")).allowed)
        self.assertFalse(every.decide(JANE, gateway("watch")).allowed)

    def test_discovery_and_paths(self) -> None:
        self.assertTrue(Policy().decide(JANE, Attributes("get", path="/apis")).allowed)
        self.assertFalse(VIEWER.decide(JANE, Attributes("get", path="/metrics")).allowed)
        scraper = Policy((Rule(users=("jane",), paths=("/metrics",), verbs=("get",)),))
        self.assertTrue(scraper.decide(JANE, Attributes("get", path="/metrics")).allowed)
        self.assertFalse(scraper.decide(JANE, Attributes("post", path="/metrics")).allowed)
        self.assertFalse(scraper.decide(JANE, gateway("get", "east", "proxy")).allowed)

    def test_no_rule_is_no(self) -> None:
        self.assertFalse(Policy().decide(JANE, gateway("list")).allowed)
        self.assertFalse(VIEWER.decide(Identity("joe", ("system:authenticated",)), gateway("get", "prod-1")).allowed)
        self.assertFalse(OPEN.decide(JANE, pods("get")).allowed)

    def test_masters(self) -> None:
        self.assertTrue(Policy().decide(ROOT, gateway("list")).allowed)
        self.assertTrue(Policy().decide_inner(ROOT, "east", pods("delete"), False).allowed)


class DecideInnerTests(SynchronousTestCase):
    def inner(self, policy: Policy, cluster: str, what: Attributes, upgrade: bool = False) -> bool:
        return policy.decide_inner(JANE, cluster, what, upgrade).allowed

    def test_reading(self) -> None:
        for verb in ("get", "list", "watch"):
            self.assertTrue(self.inner(VIEWER, "prod-1", pods(verb)))
        self.assertTrue(self.inner(VIEWER, "prod-1", pods("get", "log", "web")))
        self.assertTrue(self.inner(VIEWER, "prod-1", Attributes("get", path="/version")))
        self.assertTrue(self.inner(VIEWER, "prod-1", pods("watch"), upgrade=True))

    def test_acting(self) -> None:
        for verb in ("create", "update", "patch", "delete", "deletecollection", "post", "proxy"):
            self.assertFalse(self.inner(VIEWER, "prod-1", pods(verb)))

    def test_questions_about_oneself(self) -> None:
        """Asking what one may, or who one is, is a POST that changes nothing; only in exactly this place."""
        access, rules = "selfsubjectaccessreviews", "selfsubjectrulesreviews"
        authorization, authentication = "authorization.k8s.io", "authentication.k8s.io"

        def asking(group: str, resource: str, verb: str = "create", **more: str) -> Attributes:
            return Attributes(verb, group, "v1", resource, **more)

        for what, allowed in (
            (asking(authorization, access), True),
            (asking(authorization, rules), True),
            (asking(authentication, "selfsubjectreviews"), True),
            (asking(authorization, "subjectaccessreviews"), False),
            (asking(authorization, "localsubjectaccessreviews", namespace="default"), False),
            (asking(authentication, "tokenreviews"), False),
            (asking(authentication, access), False),
            (asking(authorization, "selfsubjectreviews"), False),
            (asking("", access), False),
            (asking("example.org", access), False),
            (asking(authorization, access, subresource="status"), False),
            (asking(authorization, access, name="x"), False),
            (asking(authorization, access, namespace="default"), False),
            (asking(authorization, access, "update"), False),
            (asking(authorization, access, "delete"), False),
        ):
            self.assertEqual(self.inner(VIEWER, "prod-1", what), allowed, what)
            self.assertFalse(self.inner(VIEWER, "prod-1", what, upgrade=True), what)
        getter = Policy((Rule(users=("jane",), clusters=("*",), verbs=("get",), read_only=True),))
        self.assertFalse(self.inner(getter, "prod-1", asking(authorization, access)))

    def test_options(self) -> None:
        """kube-apiserver has no verb for OPTIONS of a resource; here it has one, and it reads."""
        asker = Policy((Rule(users=("jane",), clusters=("*",), verbs=("options",)),))
        for path in ("/api/v1/namespaces/default/pods", "/api/v1/pods/x", "/version"):
            what = parse_request_info("OPTIONS", path, "")
            self.assertTrue(self.inner(VIEWER, "prod-1", what), path)
            self.assertTrue(self.inner(asker, "prod-1", what), path)
            self.assertFalse(self.inner(VIEWER, "prod-1", what, upgrade=True), path)
            self.assertFalse(self.inner(EDITOR, "east", what), path)
        for subresource in ("proxy", "exec"):
            what = parse_request_info("OPTIONS", f"/api/v1/nodes/x/{subresource}", "")
            self.assertFalse(self.inner(VIEWER, "prod-1", what), subresource)
        refused = EDITOR.decide_inner(JANE, "east", parse_request_info("OPTIONS", "/api/v1/pods", ""), False)
        self.assertIn('User "jane" cannot options resource "pods"', refused.reason)
        self.assertTrue(VIEWER.decide(JANE, gateway("", "prod-1")).allowed)
        self.assertIn("cannot options resource", EDITOR.decide(JANE, gateway("")).reason)

    def test_get_that_acts(self) -> None:
        for subresource in ("exec", "attach", "portforward", "proxy"):
            for verb in ("get", "list", "watch"):
                self.assertFalse(self.inner(VIEWER, "prod-1", pods(verb, subresource, "web"), upgrade=True))
                self.assertFalse(self.inner(VIEWER, "prod-1", pods(verb, subresource, "web")))
        self.assertFalse(self.inner(VIEWER, "prod-1", pods("get", "console", "web"), upgrade=True))

    def test_verbs(self) -> None:
        self.assertTrue(self.inner(EDITOR, "east", pods("create")))
        self.assertFalse(self.inner(EDITOR, "east", pods("delete")))
        self.assertTrue(self.inner(EDITOR, "east", pods("get", "exec", "web"), upgrade=True))
        getter = Policy((Rule(users=("jane",), clusters=("*",), verbs=("get",)),))
        self.assertFalse(self.inner(getter, "east", pods("get", "exec", "web"), upgrade=True))

    def test_other_cluster(self) -> None:
        refused = EDITOR.decide_inner(JANE, "west", pods("list"), False)
        self.assertFalse(refused.allowed)
        self.assertIn('in the namespace "default": no rule', refused.reason)
        self.assertIn('"west"', refused.reason)


class ParseTests(SynchronousTestCase):
    def test_all_fields(self) -> None:
        text = """
        rules:
        - name: viewers
          users: [jane]
          groups: ["team-*"]
          clusters: ["prod-*", test]
          verbs: [get, list]
          paths: [/metrics]
          readOnly: true
        - users: ["*"]
          clusters: [sandbox]
        """
        self.assertEqual(
            parse_policy(text),
            Policy(
                (
                    Rule("viewers", ("jane",), ("team-*",), ("prod-*", "test"), ("get", "list"), ("/metrics",), True),
                    Rule(users=("*",), clusters=("sandbox",)),
                )
            ),
        )

    def test_no_rules(self) -> None:
        self.assertEqual(parse_policy("rules: []"), Policy())

    def test_errors_name_the_place(self) -> None:
        for text, said in (
            ("", "must have one field, rules"),
            ("rules: {}", "must have one field, rules"),
            ("rules: []\nrule: []", "must have one field, rules"),
            ("rules:\n- [", "not YAML, line"),
            ("rules: [x]", "rules[0]: expected a mapping"),
            ("rules: [{users: [a], clusters: [b], verb: [get]}]", "rules[0]: unknown field 'verb'"),
            ("rules: [{users: a, clusters: [b]}]", "rules[0].users: expected a list"),
            ("rules: [{users: [1], clusters: [b]}]", "rules[0].users: expected a list"),
            ("rules: [{clusters: [b]}]", "at least one of users and groups"),
            ("rules: [{users: [b]}]", "at least one of clusters and paths"),
            ("rules: [{users: [a], clusters: [b], verbs: [read]}]", "rules[0].verbs: 'read'"),
            ("rules: [{users: [a], clusters: [b], readOnly: 1}]", "rules[0].readOnly: expected true"),
            ("rules: [{users: [a], clusters: [b], name: 1}]", "rules[0].name: expected a text"),
        ):
            error = self.assertRaises(ConfigurationError, parse_policy, text)
            self.assertIn(said, error.message)

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.sampled_from(["rules", "users", "clusters", "*", "get"]),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["rules", "users", "clusters", "verbs", "readOnly"]), inner)
            ),
        )
        | st.text()
    )
    def test_fails_in_no_other_way(self, value: Any) -> None:
        try:
            parse_policy(value if isinstance(value, str) else yaml.safe_dump({"rules": value}))
        except ConfigurationError:
            pass
