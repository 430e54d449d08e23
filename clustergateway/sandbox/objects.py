"""What every file here needs to handle Kubernetes objects, which are plain parsed JSON."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

Object = dict[str, Any]
"""A Kubernetes object as parsed from JSON. One that is in the store is never changed: it is copied first."""


def timestamp(seconds: float) -> str:
    """
    RFC 3339 in UTC, whole seconds, as C{metav1.Time} is written.

    @param seconds: since the epoch.
    """
    return datetime.fromtimestamp(int(seconds), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(stamp: str) -> float:
    """
    The inverse of L{timestamp}; takes fractions of a second too (C{metav1.MicroTime}).

    @raise ValueError: not such a time.
    """
    whole, _, fraction = stamp.rstrip("Z").partition(".")
    parsed = datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=timezone.utc)
    return parsed.timestamp() + (float("0." + fraction) if fraction else 0.0)


def dumps(value: Any) -> bytes:
    """Compact JSON, UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def copied(value: Any) -> Any:
    """A deep copy of parsed JSON; several times faster than C{copy.deepcopy}."""
    if isinstance(value, dict):
        return {key: copied(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [copied(inner) for inner in value]
    return value


def group_version(group: str, version: str) -> str:
    """C{apiVersion} as objects carry it: C{apps/v1}, or C{v1} for the core group."""
    return f"{group}/{version}" if group else version


def split_group_version(api_version: str) -> tuple[str, str]:
    """The inverse of L{group_version}: group and version."""
    group, _, version = api_version.rpartition("/")
    return group, version


def dig(value: Any, *path: str) -> Any:
    """What is at the end of C{path} through nested dicts, C{None} if it does not lead there."""
    for step in path:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def metadata(obj: Object) -> Object:
    """The object's metadata, made if it has none."""
    found = obj.setdefault("metadata", {})
    if not isinstance(found, dict):
        found = obj["metadata"] = {}
    return found


def canonical(obj: Object, api_version: str = "", kind: str = "") -> Object:
    """The object with its keys in the order in which kube-apiserver writes them (a shallow copy)."""
    head: Object = {"kind": kind or obj.get("kind", ""), "apiVersion": api_version or obj.get("apiVersion", "")}
    if "metadata" in obj:
        head["metadata"] = obj["metadata"]
    return head | {key: value for key, value in obj.items() if key not in ("kind", "apiVersion", "metadata")}
