"""Tests for L{clustergateway.model.probeanswer}."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import (
    ClusterUnavailable,
    Forbidden,
    GatewayError,
    HubSilent,
    HubUnavailable,
    UpstreamRefused,
    UpstreamRejectedCredential,
    UpstreamTimeout,
    UpstreamTlsFailed,
)
from clustergateway.model.kubefault import fault
from clustergateway.model.probeanswer import judge
from clustergateway.model.status import status


def answered(code: int, content: Any = None) -> GatewayError:
    return fault(code, content)


def said(error: GatewayError) -> GatewayError:
    """What the gateway answered with this error is, to who asked."""
    return fault(error.code, status(error))


class JudgeTests(SynchronousTestCase):
    def kind(self, problem: GatewayError | None) -> str:
        return judge(problem).kind

    def test_reached(self) -> None:
        self.assertEqual(self.kind(None), "reached")
        forbidden = {"kind": "Status", "reason": "Forbidden", "message": 'cannot get path "/healthz"', "details": {}}
        for code in (302, 403, 404, 429):
            self.assertEqual(self.kind(answered(code, forbidden)), "reached", code)

    def test_a_credential_that_is_rejected_was_seen_by_somebody(self) -> None:
        error = UpstreamRejectedCredential("it answered 401", cluster="east", hop="upstream")
        self.assertEqual(self.kind(said(error)), "reached")

    def test_reasons_come_from_the_cause_and_not_from_words(self) -> None:
        for error, reason in (
            (UpstreamTlsFailed("expired", cluster="east", hop="tls"), "CertificateMismatch"),
            (UpstreamTimeout("slow", cluster="east", hop="tls"), "ConnectionTimeout"),
            (ClusterUnavailable("lately: expired", cluster="east", hop="tls"), "CertificateMismatch"),
            (
                UpstreamRefused("refused within a certificate", cluster="tls-east", hop="connect"),
                "Unknown: refused within a certificate",
            ),
        ):
            verdict = judge(said(error))
            self.assertEqual((verdict.kind, verdict.reason), ("failed", reason))

    def test_what_is_not_the_cluster_s(self) -> None:
        for problem in (
            said(ClusterUnavailable("the hub has not accepted it", cluster="east")),
            said(Forbidden("no", cluster="east")),
            said(HubUnavailable("The hub does not answer.", hop="hub")),
            answered(401, {"kind": "Status"}),
        ):
            self.assertEqual(self.kind(problem), "elsewhere", problem.message)

    def test_unclear(self) -> None:
        for problem, reason in (
            (HubSilent("not within 15 s"), "ConnectionTimeout"),
            (answered(500), "Unknown: the cluster's /healthz answered 500"),
            (answered(503, {"details": "odd", "message": "no"}), "Unknown: the cluster's /healthz answered 503"),
        ):
            verdict = judge(problem)
            self.assertEqual((verdict.kind, verdict.reason), ("unclear", reason))
