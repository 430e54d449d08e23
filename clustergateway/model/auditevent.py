"""One audit event of audit.k8s.io/v1, from what is known of a request. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any

from .auditbody import hidden
from .auditpolicy import COMPLETE, LEVEL_NAMES, PANIC, STARTED, Level
from .identity import Identity
from .record import Record

API_VERSION = "audit.k8s.io/v1"
PREFIX = "cluster.core.oam.dev/"
"""What this gateway's annotations begin with."""

_AUDIT_ID = re.compile(r"[!-~]{1,256}")


@dataclass(slots=True)
class Told:
    """
    What an event tells beside the record.

    @ivar request: the object in the request's body, C{None} for none; likewise C{response}.
    @ivar message: of the cluster's metav1.Status, C{""} for none; likewise C{reason}.
    @ivar exit_code: of a command that ran.
    @ivar notes: further annotations, without their prefix.
    """

    notes: dict[str, str]
    request: Any = None
    response: Any = None
    exit_code: int | None = None
    message: str = ""
    reason: str = ""


# What apiservers count as long-running: the beginning of the answer is a stage of its own, and no object is in it.
_LONG_VERBS = frozenset(("watch", "proxy"))
_LONG_SUBRESOURCES = frozenset(("exec", "attach", "portforward", "proxy", "log"))


def is_long_running(record: Record) -> bool:
    """Is it a request whose answer lasts until somebody has had enough of it?"""
    return record.verb in _LONG_VERBS or record.subresource in _LONG_SUBRESOURCES


def account(told: Told, record: Record, level: Level) -> None:
    """
    See to it that each object which the level asks for is told, or why it is not.
    """
    if level < Level.REQUEST:
        return
    why = f"omitted: {hidden(record.resource, record.subresource, record.verb) or 'it was not looked at'}"
    if told.request is None and (record.bytes_in or record.unread):
        told.notes.setdefault("request-object", why)
    if level < Level.REQUEST_RESPONSE or not record.bytes_out:
        return
    if record.refusal is not None:
        told.response = record.refusal
        told.notes.pop("response-object", None)
    elif told.response is None:
        told.notes.setdefault("response-object", why)


def audit_id(given: str, fresh: Callable[[], str]) -> str:
    """
    The id under which a request is audited here and in every server behind.

    @param given: the request's C{Audit-Id} header, C{""} for none. kube-apiserver believes it as well.
    @param fresh: makes one, for a request without or with one that does not fit into a log (256 visible characters).
    """
    return given if _AUDIT_ID.fullmatch(given) else fresh()


def micro_time(seconds: float) -> str:
    """A metav1.MicroTime."""
    whole, micro = divmod(round(seconds * 1_000_000), 1_000_000)
    return f"{_stamp(whole)}.{micro:06d}Z"


@lru_cache(256)
def _stamp(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


@lru_cache(1024)
def user_info(identity: Identity) -> Mapping[str, Any]:
    """An authentication.k8s.io/v1 UserInfo. Nobody changes it."""
    user: dict[str, Any] = {"username": identity.user}
    if identity.uid:
        user["uid"] = identity.uid
    if identity.groups:
        user["groups"] = list(identity.groups)
    if identity.extra:
        user["extra"] = {key: list(values) for key, values in identity.extra}
    return user


def event(record: Record, level: Level, stage: str, at: float, told: Told) -> dict[str, Any]:
    """
    @param at: seconds since the epoch; when the stage was reached.
    @return: as JSON would have it, in the order of the Kubernetes type's fields.
    """
    found: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": API_VERSION,
        "level": LEVEL_NAMES[level],
        "auditID": record.audit_id,
        "stage": stage,
        "requestURI": record.target,
        "verb": record.verb or record.method.lower(),
        "user": user_info(record.identity),
    }
    if record.impersonated is not None:
        found["impersonatedUser"] = user_info(record.impersonated)
    if addresses := record.addresses:
        found["sourceIPs"] = addresses
    if record.user_agent:
        found["userAgent"] = record.user_agent
    if record.resource:
        found["objectRef"] = _object_ref(record)
    ended = stage in (COMPLETE, PANIC)
    if ended or stage == STARTED:
        found["responseStatus"] = _status(record, stage, told)
    if ended and level >= Level.REQUEST and told.request is not None:
        found["requestObject"] = told.request
    if ended and level >= Level.REQUEST_RESPONSE and told.response is not None:
        found["responseObject"] = told.response
    found["requestReceivedTimestamp"] = micro_time(record.started)
    found["stageTimestamp"] = micro_time(at)
    annotations = {PREFIX + key: value for key, value in _annotations(record, ended, told).items() if value}
    if annotations:
        found["annotations"] = annotations
    return found


def _object_ref(record: Record) -> dict[str, str]:
    return _given(
        resource=record.resource,
        namespace=record.namespace,
        name=record.name,
        apiGroup=record.group,
        apiVersion=record.version,
        subresource=record.subresource,
    )


def _status(record: Record, stage: str, told: Told) -> dict[str, Any]:
    code = 500 if stage == PANIC else record.code
    found: dict[str, Any] = {"metadata": {}}
    if code >= 400 or not _as_expected(record):
        found["status"] = "Failure"
        message = record.cause if record.refusal is None else record.refusal["message"]
        found |= _given(message=message or told.message, reason=record.reason or told.reason)
    # A client that left before there was an answer saw none: 499 has become the usual word for it.
    found["code"] = code or (499 if record.outcome == "client-gone" else 0)
    return found


def _given(**texts: str) -> dict[str, str]:
    return {key: text for key, text in texts.items() if text}


def _as_expected(record: Record) -> bool:
    if record.outcome == "client-gone":
        # Nobody else ends a watch.
        return 0 < record.code < 400 and is_long_running(record)
    return record.outcome in ("", "complete")


def _annotations(record: Record, ended: bool, told: Told) -> Mapping[str, str]:
    found = {
        "cluster": record.cluster,
        "endpoint": record.endpoint,
        "rule": record.rule,
        "upgrade": record.upgrade,
    }
    if ended:
        found["outcome"] = record.outcome
        found["bytes-in"], found["bytes-out"] = str(record.bytes_in), str(record.bytes_out)
        found["retries"] = str(record.retries) if record.retries else ""
        found["latency-total"] = _milliseconds(record.started, record.ended)
        found["latency-decided"] = _milliseconds(record.started, record.decided)
        found["latency-upstream"] = _milliseconds(record.sent, record.answered)
        if record.upgrade and record.answered >= 0:
            found["session-started"], found["session-ended"] = micro_time(record.answered), micro_time(record.ended)
        if told.exit_code is not None:
            found["exit-code"] = str(told.exit_code)
    return found | told.notes


def _milliseconds(start: float, end: float) -> str:
    return f"{(end - start) * 1000:.3f}ms" if start >= 0 and end >= 0 else ""
