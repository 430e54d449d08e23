"""Tests for L{clustergateway.model.exchangeconfig}."""

from __future__ import annotations

import base64
import json
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError, Forbidden
from clustergateway.model.exchange import Configuration, External, Privileged, Static, first_match
from clustergateway.model.exchangeconfig import parse_annotation, parse_global
from clustergateway.model.identity import Identity
from clustergateway.model.impersonation import ImpersonationPolicy

EXAMPLE = """
apiVersion: cluster.core.oam.dev/v1alpha1
kind: ClusterGatewayProxyConfiguration
spec:
  clientIdentityExchanger:
    rules:
    - name: super-user
      type: PrivilegedIdentityExchanger
      source:
        group: sudoer
    - name: mapping
      type: StaticMappingIdentityExchanger
      source:
        userPattern: ^jan
        clusterPattern: east
      target:
        user: reader
        groups: [view, view, audit]
        uid: "7"
    - name: ask
      type: ExternalIdentityExchanger
      source: {}
      url: https://exchange.example/review
"""


def rules(*given: Any) -> str:
    return json.dumps({"spec": {"clientIdentityExchanger": {"rules": list(given)}}})


def static(**more: Any) -> dict[str, Any]:
    return {"name": "r", "type": "StaticMappingIdentityExchanger", "source": {}, "target": {"user": "u"}, **more}


class ExampleTests(SynchronousTestCase):
    def match(self, who: Identity, cluster: str) -> object:
        rule = first_match([parse_global(EXAMPLE)], who, cluster)
        return rule and rule.target

    def test_the_three_types(self) -> None:
        self.assertEqual(self.match(Identity("x", ("sudoer",)), "a"), Privileged())
        mapped = self.match(Identity("jane"), "far-east")
        self.assertEqual(mapped, Static(Identity("reader", ("view", "audit"), "7", source="exchange")))
        asked = self.match(Identity("jane"), "west")
        assert isinstance(asked, External)
        self.assertEqual(asked.webhook.url, "https://exchange.example/review")

    def test_json_is_yaml(self) -> None:
        self.assertEqual(parse_global(json.dumps(yaml.safe_load(EXAMPLE))), parse_global(EXAMPLE))

    def test_empty(self) -> None:
        for text in ("", "{}", "spec:", "spec: {clientIdentityExchanger: }", "# nothing"):
            self.assertEqual(parse_global(text), Configuration())

    def test_a_rule_without_a_name_is_called_by_its_place(self) -> None:
        rule = static()
        del rule["name"]
        self.assertEqual(parse_global(rules(static(), rule)).rules[1].name, "rules[1]")


class GlobalTests(SynchronousTestCase):
    def refused(self, text: str, *words: str) -> None:
        error = self.assertRaises(ConfigurationError, parse_global, text)
        for word in words:
            self.assertIn(word, error.message)

    def test_what_is_no_configuration(self) -> None:
        self.refused("a: [", "line ")
        self.refused("[]", "mapping")
        self.refused("{}\n---\n{}", "more than one")
        self.refused("kind: Pod", "kind")
        self.refused("apiVersion: v1", "apiVersion")
        self.refused("spec: {x: 1}", "spec", "unknown field 'x'")
        self.refused("spec: {clientIdentityExchanger: {rule: []}}", "unknown field 'rule'")
        self.refused("spec: {clientIdentityExchanger: {rules: {}}}", "expected a list")
        self.refused(rules(*[static()] * 1001), "1000")
        self.refused("x" * (1 << 21), "larger")

    def test_what_is_no_rule(self) -> None:
        table: list[tuple[Any, str]] = [
            ("x", "rules[0]: expected a mapping"),
            (static(sources={}), "unknown field 'sources'"),
            (static(source=[]), "source: expected a mapping"),
            (static(source={"userPatern": "x"}), "unknown field 'userPatern'"),
            (static(source={"user": 1}), "source.user: expected a text"),
            (static(source={"userPattern": "("}), "userPattern: not a regular expression"),
            (static(type="Other"), "type: expected"),
            (static(target=None), "target.user"),
            (static(target={"groups": ["x"]}), "target.user"),
            (static(target={"user": "u", "groups": "x"}), "groups: expected a list"),
            (static(target={"user": "u", "extra": {}}), "unknown field 'extra'"),
            (static(type="ExternalIdentityExchanger"), "url: expected an https URL"),
        ]
        for rule, words in table:
            self.refused(rules(rule), words, "rules[0]")

    def test_all_that_is_wrong_is_said_at_once(self) -> None:
        self.refused(
            rules(static(type="Other", source={"user": 1}), static(target=None)), "rules[0]", "rules[1]", "type"
        )

    def test_a_message_shows_no_value(self) -> None:
        error = self.assertRaises(ConfigurationError, parse_global, rules(static(target={"user": ["hunter2"]})))
        self.assertNotIn("hunter2", error.message)


class AnnotationTests(SynchronousTestCase):
    def test_an_erroneous_rule_leaves_the_others_in_force(self) -> None:
        configuration = parse_annotation(
            rules(static(source={"user": "jane"}, target=None), static(source={"user": "joe"}))
        )
        self.assertRaises(Forbidden, first_match, [configuration], Identity("jane"), "c")
        self.assertIsNotNone(first_match([configuration], Identity("joe"), "c"))
        self.assertEqual(len(configuration.problems()), 1)

    def test_a_broken_condition_counts_as_met(self) -> None:
        for source in (
            {"user": "jane", "groupPattern": "("},
            {"user": "jane", "gruop": "x"},
            {"user": "jane", "uid": 1},
        ):
            configuration = parse_annotation(rules(static(source=source)))
            self.assertRaises(Forbidden, first_match, [configuration], Identity("jane"), "c")
            self.assertIsNone(first_match([configuration], Identity("joe"), "c"))

    def test_what_is_no_configuration_refuses_everybody(self) -> None:
        for text in ("a: [", "[]", "kind: Pod", rules("x"), rules(static(source="x")), "!!bool x"):
            configuration = parse_annotation(text)
            self.assertRaises(Forbidden, first_match, [configuration], Identity("anyone"), "c")
            self.assertEqual(len(configuration.problems()), 1)

    def test_it_names_no_files(self) -> None:
        rule = {"name": "e", "type": "ExternalIdentityExchanger", "source": {}, "url": "https://x"}
        for key in ("caFile", "certFile"):
            files = {key: "/etc/shadow", "keyFile": "/k"} if key == "certFile" else {key: "/etc/shadow"}
            self.assertRaises(
                Forbidden, first_match, [parse_annotation(rules({**rule, "webhook": files}))], Identity("a"), "c"
            )
            self.assertEqual(parse_global(rules({**rule, "webhook": files})).problems(), ())

    def test_a_ca_of_its_own(self) -> None:
        encoded = base64.b64encode(b"PEM").decode()
        rule = {"type": "ExternalIdentityExchanger", "source": {}, "url": "https://x", "webhook": {"caBundle": encoded}}
        target = parse_annotation(rules(rule)).rules[0].target
        assert isinstance(target, External)
        self.assertEqual(target.webhook.ca, b"PEM")


class ImpersonationTests(SynchronousTestCase):
    def policy(self, **given: Any) -> ImpersonationPolicy | None:
        return parse_global(json.dumps({"spec": {"impersonation": given}})).policy

    def test_policy(self) -> None:
        self.assertIsNone(parse_global("{}").policy)
        self.assertEqual(self.policy(), ImpersonationPolicy())
        self.assertEqual(
            self.policy(extras={"keep": ["Scopes"], "drop": []}, maxGroups=3, maxHeaderBytes=9),
            ImpersonationPolicy(("scopes",), (), 3, 9),
        )

    def test_what_is_none(self) -> None:
        bad: list[dict[str, Any]] = [{"extras": []}, {"extras": {"kept": []}}, {"maxGroups": 0}, {"maxGroups": "1"}]
        for each in (*bad, {"x": 1}):
            self.assertRaises(ConfigurationError, self.policy, **each)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=8,
)
some_rule = st.dictionaries(
    st.sampled_from(["name", "type", "source", "target", "url", "webhook", "x"]),
    st.one_of(
        json_values,
        st.sampled_from(["PrivilegedIdentityExchanger", "StaticMappingIdentityExchanger", "ExternalIdentityExchanger"]),
        st.dictionaries(
            st.sampled_from(["user", "group", "userPattern", "groupPattern", "groups", "uid", "caBundle", "keyFile"]),
            st.one_of(json_values, st.sampled_from(["jane", "(", "^j", ""])),
        ),
    ),
)


class FuzzTests(SynchronousTestCase):
    @given(st.one_of(st.text(), json_values.map(json.dumps), st.lists(some_rule).map(lambda each: rules(*each))))
    def test_it_fails_in_no_other_way(self, text: str) -> None:
        own = parse_annotation(text)
        try:
            shared = parse_global(text)
        except ConfigurationError:
            pass
        else:
            self.assertEqual(shared.problems(), ())
        try:
            first_match([own], Identity("jane", ("dev",)), "east")
        except Forbidden:
            self.assertNotEqual(own.problems(), ())

    @given(st.binary())
    def test_bytes(self, data: bytes) -> None:
        try:
            parse_global(data)
        except ConfigurationError:
            pass
