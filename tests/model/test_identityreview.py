"""Tests for L{clustergateway.model.identityreview}."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError, ServiceUnavailable
from clustergateway.model.identity import Attributes, Identity
from clustergateway.model.identityreview import Answer, decode_answer, encode_review, parse_webhook

JANE = Identity("jane", ("dev",), "42", (("scopes", ("a", "b")),), "x509")


def answer(**status: Any) -> bytes:
    review = {"apiVersion": "cluster.core.oam.dev/v1alpha1", "kind": "ClientIdentityReview", "status": status}
    return json.dumps(review).encode()


class QuestionTests(SynchronousTestCase):
    def test_a_resource(self) -> None:
        attributes = Attributes("create", "", "v1", "pods", "exec", "default", "web")
        self.assertEqual(
            json.loads(encode_review(JANE, "east", "ask", attributes)),
            {
                "apiVersion": "cluster.core.oam.dev/v1alpha1",
                "kind": "ClientIdentityReview",
                "spec": {
                    "user": "jane",
                    "groups": ["dev"],
                    "uid": "42",
                    "extra": {"scopes": ["a", "b"]},
                    "cluster": "east",
                    "rule": "ask",
                    "resourceAttributes": {
                        "verb": "create",
                        "group": "",
                        "version": "v1",
                        "resource": "pods",
                        "subresource": "exec",
                        "namespace": "default",
                        "name": "web",
                    },
                },
            },
        )

    def test_a_path(self) -> None:
        spec = json.loads(encode_review(JANE, "east", "ask", Attributes("get", path="/version")))["spec"]
        self.assertEqual(spec["nonResourceAttributes"], {"verb": "get", "path": "/version"})
        self.assertNotIn("resourceAttributes", spec)


class AnswerTests(SynchronousTestCase):
    def test_allowed(self) -> None:
        got = decode_answer(
            answer(
                allowed=True, user="u", groups=["a", "a", "b"], uid="1", extra={"K": ["x"], "k": ["y"]}, ttlSeconds=9
            )
        )
        self.assertEqual(got, Answer(Identity("u", ("a", "b"), "1", (("k", ("x", "y")),), "exchange"), "", 9.0))

    def test_the_least(self) -> None:
        self.assertEqual(decode_answer(answer(allowed=True, user="u")), Answer(Identity("u", source="exchange")))
        self.assertEqual(decode_answer(answer(allowed=False)), Answer(None))

    def test_refused(self) -> None:
        self.assertEqual(decode_answer(answer(allowed=False, reason="no", ttlSeconds=1)), Answer(None, "no", 1.0))

    def test_an_answer_is_not_worth_more_than_an_hour(self) -> None:
        self.assertEqual(decode_answer(answer(allowed=True, user="u", ttlSeconds=1e9)).ttl, 3600.0)

    def test_what_is_no_answer(self) -> None:
        bodies = [
            *(b"", b"null", b"[]", b"{}", b"\xff", b"[" * 100_000, b'{"kind":"ClientIdentityReview"}'),
            answer(allowed=True, user="u").replace(b"v1alpha1", b"v2"),
            *(answer(), answer(allowed="true", user="u"), answer(allowed=1, user="u")),
            *(answer(allowed=True), answer(allowed=True, user=""), answer(allowed=True, user=["u"])),
            *(answer(allowed=True, user="u", groups="g"), answer(allowed=True, user="u", groups=[1])),
            *(answer(allowed=True, user="u", extra=[]), answer(allowed=True, user="u", extra={"k": "v"})),
            *(answer(allowed=True, user="u", ttlSeconds=-1), answer(allowed=True, user="u", ttlSeconds=float("nan"))),
            *(answer(allowed=True, user="u", ttlSeconds=True), answer(allowed=True, user="u", ttlSeconds=float("inf"))),
        ]
        for body in bodies:
            self.assertRaises(ServiceUnavailable, decode_answer, body)

    @given(st.binary())
    def test_it_fails_in_no_other_way(self, body: bytes) -> None:
        try:
            decode_answer(body)
        except ServiceUnavailable:
            pass

    @given(
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.floats(), st.text()),
            lambda inner: st.one_of(
                st.lists(inner),
                st.dictionaries(st.sampled_from(["allowed", "user", "groups", "uid", "extra", "ttlSeconds"]), inner),
            ),
        )
    )
    def test_nor_with_json(self, status: Any) -> None:
        review = {"apiVersion": "cluster.core.oam.dev/v1alpha1", "kind": "ClientIdentityReview", "status": status}
        try:
            got = decode_answer(json.dumps(review).encode())
        except ServiceUnavailable:
            return
        self.assertTrue(got.identity is None or got.identity.user)
        self.assertEqual(status["allowed"], got.identity is not None)


class WebhookTests(SynchronousTestCase):
    def test_urls(self) -> None:
        for url in ("https://x", "https://x.example:8443/a?b=c", "https://[::1]:1/"):
            self.assertEqual(parse_webhook(url, None, "r", True).url, url)
        for url in (
            "",
            "http://x",
            "https://",
            "https://x:99999",
            "https://x:0",
            "ftp://x",
            "https://x/\r\nA: b",
            "https://[x",
            "https://u:p@x",
            "https://u@x",
            "https://é",
        ):
            error = self.assertRaises(ConfigurationError, parse_webhook, url, None, "r", True)
            self.assertNotIn("u:p", error.message)

    def test_what_is_none(self) -> None:
        bad: list[Any] = [
            *([], {"cert": "x"}, {"certFile": "x"}, {"keyFile": "x"}, {"caBundle": "%"}, {"timeoutSeconds": 31}),
            {"caBundle": "AA==", "caFile": "/x"},
        ]
        for webhook in bad:
            self.assertRaises(ConfigurationError, parse_webhook, "https://x", webhook, "r", True)
