"""What the answer to a probe through the gateway says of the cluster, and what only of the way there. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import GatewayError, UpstreamRejectedCredential, UpstreamTimeout
from .status import GROUP

CLUSTER_HOPS = frozenset(("dns", "connect", "tls", "proxy", "tunnel", "upstream", "credential"))
"""Legs that are a cluster's own; C{hub} is everybody's."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    @ivar kind: C{reached}: the cluster's apiserver answered. C{failed}: it did not, or that it is unwell. C{elsewhere}:
        the hub or the gateway did not do its part. C{unclear}: something is wrong, nobody says where.
    @ivar message: for people.
    @ivar reason: as C{status.healthyReason} is documented, of C{failed} and C{unclear}.
    """

    kind: Literal["reached", "failed", "elsewhere", "unclear"]
    message: str
    reason: str = ""


def judge(problem: GatewayError | None) -> Verdict:
    """
    @param problem: with which the probe failed, C{None} if it did not.
    """
    if problem is None:
        return Verdict("reached", "the cluster answers through the gateway")
    if problem.answer is None:
        return Verdict("unclear", problem.message, "ConnectionTimeout")
    code, status = problem.answer
    details = _mapping(status.get("details"))
    causes = details.get("causes")
    for cause in map(_mapping, causes if isinstance(causes, list) else ()):
        if cause.get("field") in CLUSTER_HOPS:
            return _of_cluster(str(status.get("message")), cause)
    if details.get("group") == GROUP or "causes" in details or code == 401:
        # The gateway's own, or the hub's about it: of the cluster's 401 the gateway makes a cause.
        return Verdict("elsewhere", problem.message)
    if code < 500:
        return Verdict("reached", f"the cluster answers through the gateway, /healthz with {code}")
    message = f"the cluster's /healthz answered {code}"
    return Verdict("unclear", message, f"Unknown: {message}")


def _of_cluster(message: str, cause: Mapping[str, Any]) -> Verdict:
    error = cause.get("reason")
    if error == UpstreamRejectedCredential.__name__:
        return Verdict("reached", "the cluster answers through the gateway, and does not accept its credential")
    if error == UpstreamTimeout.__name__:
        reason = "ConnectionTimeout"
    elif cause["field"] == "tls":
        reason = "CertificateMismatch"
    else:
        reason = f"Unknown: {cause.get('message')}"
    return Verdict("failed", message, reason)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
