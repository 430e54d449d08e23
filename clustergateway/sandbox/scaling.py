"""The scale subresource: an C{autoscaling/v1 Scale} seen in, and written through to, another object."""

from __future__ import annotations

from .kinds import Kind
from .objects import Object, dig, metadata
from .status import bad_request, invalid, invalid_value

SCALE = Kind("autoscaling", "v1", "scales", "Scale")
_PATHS = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": "",
}


def _path(kind: Kind, which: str) -> list[str]:
    written = (kind.scale or _PATHS).get(which) or ""
    return written.lstrip(".").split(".") if written else []


def scale_of(kind: Kind, obj: Object) -> Object:
    """The scale of an object."""
    meta = metadata(obj)
    shown = {
        key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp") if key in meta
    }
    status: Object = {"replicas": dig(obj, *_path(kind, "statusReplicasPath")) or 0}
    path = _path(kind, "labelSelectorPath")
    if path and dig(obj, *path):
        status["selector"] = dig(obj, *path)
    elif not kind.custom:
        labels = dig(obj, "spec", "selector", "matchLabels") or {}
        status["selector"] = ",".join(f"{key}={value}" for key, value in sorted(labels.items()))
    spec = {"replicas": dig(obj, *_path(kind, "specReplicasPath")) or 0}
    return {"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": shown, "spec": spec, "status": status}


def scaled(kind: Kind, obj: Object, wanted: Object) -> Object:
    """
    The object with the replicas of a scale, changed in place.

    @raise ApiError: 400 or 422.
    """
    replicas = dig(wanted, "spec", "replicas") or 0
    if isinstance(replicas, bool) or not isinstance(replicas, int):
        raise bad_request('Scale in version "v1" cannot be handled as a Scale: spec.replicas is no number')
    if replicas < 0:
        cause = invalid_value("spec.replicas", replicas, "must be greater than or equal to 0")
        raise invalid("Scale", "autoscaling", metadata(obj)["name"], [cause])
    version = dig(wanted, "metadata", "resourceVersion")
    if version:
        metadata(obj)["resourceVersion"] = version
    node = obj
    *path, last = _path(kind, "specReplicasPath")
    for step in path:
        node = node.setdefault(step, {})
    node[last] = replicas
    return obj
