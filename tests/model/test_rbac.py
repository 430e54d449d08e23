"""Tests for L{clustergateway.model.rbac}. That a real apiserver agrees is shown in C{tests.contracts.test_as_whom}."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.exchange import Configuration, Erroneous, Privileged, Rule, Source, Static, Target, compiled
from clustergateway.model.identity import AUTHENTICATED_GROUP, Identity
from clustergateway.model.impersonation import ImpersonationPolicy
from clustergateway.model.rbac import Callers, Needs, manifests, needs, service_account

NOBODY = Callers(anyone=False)
GATEWAY = {"kind": "ServiceAccount", "name": "gateway", "namespace": "gw"}
READER = Identity("reader", ("view", AUTHENTICATED_GROUP), "7")
DEPLOYER = Identity("system:serviceaccount:ci:deployer")


def configuration(*targets: Target, source: Source | None = Source(user="x")) -> Configuration:  # noqa: B008 - frozen
    return Configuration(tuple(Rule(f"r{number}", source, target) for number, target in enumerate(targets)))


def roles(found: Needs, **more: Any) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The rules of each role by (kind, namespace); checks that each is bound."""
    made = manifests(found, GATEWAY, "n", more.pop("policy", ImpersonationPolicy()), **more)
    bindings = [each for each in made if each["kind"].endswith("Binding")]
    found_roles = [each for each in made if not each["kind"].endswith("Binding")]
    for role, binding in zip(found_roles, bindings, strict=True):
        assert binding["roleRef"] == {
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": role["kind"],
            "name": role["metadata"]["name"],
        }
        assert binding["subjects"] == [GATEWAY]
        assert binding["metadata"] == role["metadata"]
    return {(each["metadata"]["name"], each["metadata"].get("namespace", "")): each["rules"] for each in found_roles}


class NeedsTests(SynchronousTestCase):
    def found(self, *configurations: Configuration, cluster: str = "", callers: Callers = NOBODY) -> Needs:
        return needs(configurations, cluster, callers, False)

    def test_whom_static_rules_name(self) -> None:
        found = self.found(configuration(Static(READER), Static(DEPLOYER), Static(Identity("system:node:n1"))))
        self.assertEqual((found.users, found.groups, found.uids), ({"reader"}, {"view"}, {"7"}))
        self.assertEqual((found.accounts, found.nodes), ({("ci", "deployer")}, {"n1"}))

    def test_callers(self) -> None:
        self.assertTrue(self.found(callers=Callers()).anyone)
        found = self.found(callers=Callers(False, ("jane",), ("dev", AUTHENTICATED_GROUP)))
        self.assertEqual((found.anyone, found.users, found.groups), (False, {"jane"}, {"dev"}))

    def test_callers_are_all_that_they_come_as(self) -> None:
        callers = Callers(False, ("jane", "system:serviceaccount:ci:bot"), ("dev",), ("42",))
        found = self.found(callers=callers)
        self.assertEqual((found.users, found.accounts, found.uids), ({"jane"}, {("ci", "bot")}, {"42"}))
        for keep, expected in (
            *((None, []), (("team", "scopes", "all/*"), ["userextras/scopes", "userextras/team"])),
            ((), []),
        ):
            rules = roles(found, policy=ImpersonationPolicy(keep=keep))["n", ""]
            self.assertEqual([rule["resources"] for rule in rules[:3]], [["users"], ["groups"], ["uids"]])
            self.assertEqual([each for rule in rules[3:] for each in rule["resources"]], expected)
        # Whoever is made of them by a rule has no extras.
        keep_team = ImpersonationPolicy(keep=("team",))
        self.assertEqual(len(roles(self.found(configuration(Static(READER))), policy=keep_team)["n", ""]), 3)

    def test_rules_for_nobody_and_wrong_ones_need_nothing(self) -> None:
        found = self.found(configuration(Static(READER), source=None), configuration(Erroneous("x")))
        self.assertEqual(found, Needs())

    def test_rules_for_other_clusters(self) -> None:
        east = Source(cluster="east", user="x")
        pattern = Source(cluster_pattern=compiled("^ea", ""), user="x")
        for source in (east, pattern):
            shared = configuration(Static(READER), source=source)
            self.assertEqual(self.found(shared, cluster="east").users, {"reader"})
            self.assertEqual(self.found(shared, cluster="west").users, set())
            self.assertEqual(self.found(shared).users, {"reader"})

    def test_nothing_comes_after_a_rule_for_everybody(self) -> None:
        last = configuration(Static(Identity("never")))
        for source, cluster in ((Source(), ""), (Source(), "east"), (Source(cluster="east"), "east")):
            found = self.found(configuration(Static(READER), source=source), last, cluster=cluster, callers=Callers())
            self.assertEqual((found.users, found.anyone), ({"reader"}, False))
        found = self.found(configuration(Static(READER), source=Source(cluster="east")), last)
        self.assertEqual(found.users, {"reader", "never"})

    def test_notes(self) -> None:
        found = self.found(configuration(Privileged(), Static(Identity("root", ("system:masters",)))))
        self.assertIn("r0", found.notes[0])
        self.assertIn("administrator", found.notes[1])

    def test_service_accounts(self) -> None:
        self.assertEqual(service_account("system:serviceaccount:a:b"), ("a", "b"))
        for user in ("a", "system:serviceaccount:a", "system:serviceaccount::b", "system:serviceaccount:a:b:c"):
            self.assertIsNone(service_account(user))


class PlainTests(SynchronousTestCase):
    def test_names(self) -> None:
        found = needs([configuration(Static(READER), Static(DEPLOYER))], "", NOBODY, False)
        self.assertEqual(
            roles(found),
            {
                ("n", ""): [
                    {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"], "resourceNames": ["reader"]},
                    {"apiGroups": [""], "resources": ["groups"], "verbs": ["impersonate"], "resourceNames": ["view"]},
                    {
                        "apiGroups": ["authentication.k8s.io"],
                        "resources": ["uids"],
                        "verbs": ["impersonate"],
                        "resourceNames": ["7"],
                    },
                ],
                ("n", "ci"): [
                    {
                        "apiGroups": [""],
                        "resources": ["serviceaccounts"],
                        "verbs": ["impersonate"],
                        "resourceNames": ["deployer"],
                    }
                ],
            },
        )

    def test_nothing(self) -> None:
        self.assertEqual(roles(needs([], "", NOBODY, False)), {})

    def test_anyone(self) -> None:
        rules = roles(needs([], "", Callers(), False))["n", ""]
        self.assertEqual(
            [rule["resources"] for rule in rules], [["users"], ["groups"], ["serviceaccounts"], ["uids"], ["*"]]
        )
        self.assertFalse(any("resourceNames" in rule for rule in rules))

    def test_extras_that_are_listed(self) -> None:
        found = needs([], "", Callers(), False)
        for keep, expected in (
            (("team", "scopes"), [["userextras/scopes", "userextras/team"]]),
            (("team*",), [["*"]]),
            ((), []),
        ):
            rules = roles(found, policy=ImpersonationPolicy(keep=keep))["n", ""]
            self.assertEqual([rule["resources"] for rule in rules[4:]], expected)


class ConstrainedTests(SynchronousTestCase):
    def test_modes(self) -> None:
        found = needs([configuration(Static(READER), Static(DEPLOYER))], "", NOBODY, True)
        made = roles(found, verbs=("get", "create"))
        rules = made["n", ""]
        self.assertEqual([rule["verbs"] for rule in rules[:3]], [["impersonate:user-info"]] * 3)
        self.assertEqual({rule["apiGroups"][0] for rule in rules[:3]}, {"authentication.k8s.io"})
        self.assertEqual(
            rules[3:5],
            [
                {
                    "apiGroups": ["*"],
                    "resources": ["*"],
                    "verbs": ["impersonate-on:user-info:get", "impersonate-on:user-info:create"],
                },
                {
                    "nonResourceURLs": ["*"],
                    "verbs": [f"impersonate-on:user-info:{verb}" for verb in ("get", "head", "options", "post")],
                },
            ],
        )
        self.assertEqual(rules[5]["verbs"][0], "impersonate-on:serviceaccount:get")
        self.assertEqual(made["n", "ci"][0]["verbs"], ["impersonate:serviceaccount"])

    def test_nodes(self) -> None:
        found = needs([configuration(Static(Identity("system:node:n1")))], "", NOBODY, True)
        first, *rest = roles(found, verbs=("list",))["n", ""]
        self.assertEqual((first["resources"], first["resourceNames"]), (["nodes"], ["n1"]))
        self.assertEqual([rule["verbs"] for rule in rest], [["impersonate-on:arbitrary-node:list"]])

    def test_a_caller_who_is_a_service_account_comes_in_groups(self) -> None:
        callers = Callers(False, ("jane", "system:serviceaccount:ci:bot"), ("dev",))
        made = roles(needs([], "", callers, True), verbs=("get",))
        self.assertEqual(set(made), {("n", ""), ("n-plain", ""), ("n-plain", "ci")})
        self.assertEqual([rule["resources"] for rule in made["n-plain", ""]], [["groups"]])

    def test_what_cannot_be_constrained_is_granted_plainly(self) -> None:
        mixed = Identity("system:serviceaccount:ci:deployer", ("view",))
        found = needs([configuration(Static(mixed), Static(Identity("r", ("system:masters",))))], "", NOBODY, True)
        made = roles(found)
        self.assertEqual(set(made), {("n-plain", ""), ("n-plain", "ci")})
        self.assertEqual({rule["verbs"][0] for rules in made.values() for rule in rules}, {"impersonate"})
        self.assertEqual(len(found.notes), 3)
