"""How far a Deployment has come, by its status; as C{kubectl rollout status} sees it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .addonconditions import condition_of


def unfinished(running: Mapping[str, Any]) -> str:
    """
    What is still to be done before all replicas are as the Deployment says, C{""} for nothing.

    Whether they are available is another question: one that is restarted later is no rollout.
    """
    wanted = _number(_of(running, "spec"), "replicas", 1)
    status = _of(running, "status")
    updated, present = _number(status, "updatedReplicas"), _number(status, "replicas")
    if not _observed(running):
        return "the Deployment has not been looked at since it was changed"
    if updated < wanted:
        return f"{updated} of {wanted} replicas are as configured"
    if present > updated:
        return f"{present - updated} replicas are still as configured before"
    return ""


def stuck(running: Mapping[str, Any]) -> str:
    """Why replicas will not become as the Deployment says unless something is changed, C{""} if nothing says so."""
    if not _observed(running):
        return ""  # the conditions are about what was before
    for type, status in (("ReplicaFailure", "True"), ("Progressing", "False")):
        found = condition_of(running, type)
        if found.get("status") == status and found.get("reason") != "DeploymentPaused":
            return f"{found.get('reason') or type}: {found.get('message') or 'no message'}"
    return ""


def _observed(running: Mapping[str, Any]) -> bool:
    metadata, status = _of(running, "metadata"), _of(running, "status")
    return _number(status, "observedGeneration") >= _number(metadata, "generation", 1)


def _of(content: Mapping[str, Any], member: str) -> Mapping[str, Any]:
    found = content.get(member)
    return found if isinstance(found, Mapping) else {}


def _number(content: Mapping[str, Any], member: str, default: int = 0) -> int:
    found = content.get(member)
    return found if isinstance(found, int) else default
