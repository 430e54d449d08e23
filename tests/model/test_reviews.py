from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import HubUnavailable
from clustergateway.model.identity import Attributes, Decision, Identity
from clustergateway.model.reviews import (
    access_review,
    forbidden,
    is_discovery,
    is_health,
    needed_verbs,
    read_access_review,
    read_token_review,
    token_review,
)

JANE = Identity("jane", ("ops",), "7", (("scopes", ("a", "b")),))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)
USERS = st.fixed_dictionaries({}, optional={"username": JSON, "groups": JSON, "uid": JSON, "extra": JSON})
STATUSES = st.fixed_dictionaries({"authenticated": st.just(True), "user": USERS}, optional={"audiences": JSON})


class PathTests(SynchronousTestCase):
    def test_health(self) -> None:
        for path in ("/healthz", "/livez/ping", "/readyz"):
            self.assertTrue(is_health(Attributes("get", path=path)))
        for path in ("/healthzz", "/metrics", "/healthz/../metrics", ""):
            self.assertFalse(is_health(Attributes("get", path=path)))

    def test_discovery(self) -> None:
        for path in ("/api", "/apis", "/apis/cluster.core.oam.dev/v1alpha1", "/openapi/v2", "/version"):
            self.assertTrue(is_discovery(Attributes("get", path=path)))
        self.assertFalse(is_discovery(Attributes("post", path="/apis")))
        self.assertFalse(is_discovery(Attributes("get", path="/metrics")))
        self.assertFalse(is_discovery(Attributes("get", resource="clustergateways")))


class NeededVerbsTests(SynchronousTestCase):
    def test_get_that_acts(self) -> None:
        for subresource in ("exec", "attach", "portforward"):
            what = Attributes("get", resource="pods", subresource=subresource)
            self.assertEqual(needed_verbs(what), ("get", "create"))

    def test_all_others(self) -> None:
        self.assertEqual(needed_verbs(Attributes("create", resource="pods", subresource="exec")), ("create",))
        self.assertEqual(needed_verbs(Attributes("get", resource="pods", subresource="log")), ("get",))
        self.assertEqual(needed_verbs(Attributes("watch", resource="pods")), ("watch",))


class ForbiddenTests(SynchronousTestCase):
    def test_wordings(self) -> None:
        for what, said in (
            (
                Attributes("list", "", "v1", "pods", namespace="default"),
                'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"',
            ),
            (
                Attributes("get", "apps", "v1", "deployments", "scale", "default", "web"),
                'deployments.apps "web" is forbidden: User "jane" cannot get resource "deployments/scale" '
                'in API group "apps" in the namespace "default"',
            ),
            (
                Attributes("list", "", "v1", "nodes"),
                'nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope',
            ),
            (Attributes("get", path="/metrics"), 'forbidden: User "jane" cannot get path "/metrics"'),
        ):
            self.assertEqual(forbidden(JANE, what), said)
            self.assertEqual(forbidden(JANE, what, "because"), said + ": because")

    def test_quoted(self) -> None:
        self.assertIn('User "a\\"b\\n"', forbidden(Identity('a"b\n'), Attributes("get", path="/x")))


class TokenReviewTests(SynchronousTestCase):
    def test_question(self) -> None:
        self.assertEqual(
            token_review("t", ["us"]),
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenReview",
                "spec": {"token": "t", "audiences": ["us"]},
            },
        )
        self.assertEqual(token_review("t")["spec"], {"token": "t"})

    def test_known(self) -> None:
        status = {
            "authenticated": True,
            "user": {"username": "jane", "uid": "7", "groups": ["ops", "ops"], "extra": {"Scopes": ["a", "b"]}},
        }
        self.assertEqual(
            read_token_review({"status": status}),
            Identity("jane", ("ops",), "7", (("scopes", ("a", "b")),), "tokenreview"),
        )

    def test_unknown(self) -> None:
        for status in ({}, {"authenticated": False}, {"authenticated": "true", "user": {"username": "jane"}}):
            self.assertIsNone(read_token_review({"status": status}))

    def test_audiences(self) -> None:
        def status(*audiences: str) -> dict[str, Any]:
            return {"status": {"authenticated": True, "user": {"username": "jane"}, "audiences": list(audiences)}}

        self.assertIsNotNone(read_token_review(status("us", "them"), ["us"]))
        self.assertIsNone(read_token_review(status("them"), ["us"]))
        self.assertIsNone(read_token_review(status(), ["us"]))

    def test_no_answer(self) -> None:
        for review in ({}, {"status": None}, {"status": {"authenticated": True}}):
            self.assertRaises(HubUnavailable, read_token_review, review)

    @given(STATUSES | JSON)
    def test_fails_in_no_other_way(self, status: Any) -> None:
        try:
            who = read_token_review({"status": status}, ["us"])
        except HubUnavailable:
            return
        if who is not None:
            self.assertTrue(who.user)
            self.assertTrue(all(isinstance(group, str) for group in who.groups))


class AccessReviewTests(SynchronousTestCase):
    def test_resource(self) -> None:
        what = Attributes("get", "cluster.core.oam.dev", "v1alpha1", "clustergateways", "proxy", name="east")
        self.assertEqual(
            access_review(JANE, what),
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": {
                    "user": "jane",
                    "groups": ["ops"],
                    "uid": "7",
                    "extra": {"scopes": ["a", "b"]},
                    "resourceAttributes": {
                        "verb": "get",
                        "group": "cluster.core.oam.dev",
                        "version": "v1alpha1",
                        "resource": "clustergateways",
                        "subresource": "proxy",
                        "name": "east",
                    },
                },
            },
        )

    def test_path(self) -> None:
        spec = access_review(Identity("jane"), Attributes("get", path="/metrics"))["spec"]
        self.assertEqual(
            spec, {"user": "jane", "groups": [], "nonResourceAttributes": {"path": "/metrics", "verb": "get"}}
        )

    def test_answers(self) -> None:
        self.assertEqual(read_access_review({"status": {"allowed": True}}), Decision(True))
        self.assertEqual(read_access_review({"status": {"allowed": False, "reason": "no"}}), Decision(False, "no"))
        self.assertFalse(read_access_review({"status": {"allowed": True, "denied": True}}).allowed)

    def test_no_answer(self) -> None:
        reviews: list[dict[str, Any]] = [{}, {"status": None}, {"status": {}}, {"status": {"allowed": "true"}}]
        for review in reviews:
            self.assertRaises(HubUnavailable, read_access_review, review)

    @given(JSON)
    def test_fails_in_no_other_way(self, status: Any) -> None:
        try:
            decision = read_access_review({"status": status})
        except HubUnavailable:
            return
        self.assertEqual(decision.allowed, status["allowed"] is True and status.get("denied") is not True)
