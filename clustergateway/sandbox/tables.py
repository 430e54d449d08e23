"""Tables as C{kubectl get} shows them, and metadata-only forms."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .kinds import Kind
from .objects import Object, dig, metadata, seconds_of

Cells = Callable[[Object, float], list[Any]]
"""From an object and the time now to the cells of its row."""


def age(stamp: str | None, now: float) -> str:
    """A short duration such as C{4d20h}, as kubectl prints ages."""
    if not stamp:
        return "<unknown>"
    seconds = max(0, int(now - seconds_of(stamp)))
    minutes, hours, days, years = seconds // 60, seconds // 3600, seconds // 86400, seconds // 31536000
    for value, below, unit, rest, rest_unit in (
        (seconds, 120, "s", 0, ""),
        (minutes, 10, "m", seconds % 60, "s"),
        (minutes, 180, "m", 0, ""),
        (hours, 8, "h", minutes % 60, "m"),
        (hours, 48, "h", 0, ""),
        (days, 8, "d", hours % 24, "h"),
        (days, 730, "d", 0, ""),
        (years, 8, "y", days % 365, "d"),
    ):
        if value < below:
            return f"{value}{unit}" + (f"{rest}{rest_unit}" if rest else "")
    return f"{years}y"


def _pod_state(obj: Object) -> str:
    state = dig(obj, "status", "reason") or dig(obj, "status", "phase") or ""
    for one in dig(obj, "status", "containerStatuses") or ():
        for kind in ("waiting", "terminated"):
            reason = dig(one, "state", kind, "reason")
            state = reason or state
    return "Terminating" if metadata(obj).get("deletionTimestamp") else str(state)


def _pod(obj: Object, now: float) -> list[Any]:
    states = dig(obj, "status", "containerStatuses") or []
    ready = sum(1 for one in states if one.get("ready"))
    restarts = sum(one.get("restartCount", 0) for one in states)
    count = len(dig(obj, "spec", "containers") or ())
    gates = dig(obj, "spec", "readinessGates")
    return [
        metadata(obj)["name"], f"{ready}/{count}", _pod_state(obj), str(restarts), _age(obj, now),
        dig(obj, "status", "podIP") or "<none>", dig(obj, "spec", "nodeName") or "<none>",
        dig(obj, "status", "nominatedNodeName") or "<none>", str(len(gates)) if gates else "<none>",
    ]  # fmt: skip


def _age(obj: Object, now: float) -> str:
    return age(metadata(obj).get("creationTimestamp"), now)


def _containers(obj: Object) -> tuple[str, str]:
    containers = dig(obj, "spec", "template", "spec", "containers") or ()
    return ",".join(one["name"] for one in containers), ",".join(one.get("image", "") for one in containers)


def _selector(selector: Object | None) -> str:
    labels = dig(selector, "matchLabels") or {}
    return ",".join(f"{key}={value}" for key, value in sorted(labels.items())) or "<none>"


def _deployment(obj: Object, now: float) -> list[Any]:
    status = obj.get("status") or {}
    ready = f"{status.get('readyReplicas', 0)}/{dig(obj, 'spec', 'replicas')}"
    current, available = status.get("updatedReplicas", 0), status.get("availableReplicas", 0)
    row = [metadata(obj)["name"], ready, current, available, _age(obj, now), *_containers(obj)]
    return [*row, _selector(dig(obj, "spec", "selector"))]


def _replicaset(obj: Object, now: float) -> list[Any]:
    status = obj.get("status") or {}
    counts = [dig(obj, "spec", "replicas"), status.get("replicas", 0), status.get("readyReplicas", 0)]
    return [metadata(obj)["name"], *counts, _age(obj, now), *_containers(obj), _selector(dig(obj, "spec", "selector"))]


def _service(obj: Object, now: float) -> list[Any]:
    spec = obj.get("spec") or {}
    ports = ",".join(
        f"{one['port']}{':' + str(one['nodePort']) if one.get('nodePort') else ''}/{one.get('protocol', 'TCP')}"
        for one in spec.get("ports") or ()
    )
    external = spec.get("externalName") or ",".join(spec.get("externalIPs") or ()) or "<none>"
    chosen = ",".join(f"{key}={value}" for key, value in sorted((spec.get("selector") or {}).items())) or "<none>"
    address = spec.get("clusterIP") or "<none>"
    return [metadata(obj)["name"], spec.get("type"), address, external, ports or "<none>", _age(obj, now), chosen]


def _node(obj: Object, now: float) -> list[Any]:
    conditions = {one["type"]: one["status"] for one in dig(obj, "status", "conditions") or ()}
    states = [{"True": "Ready", "False": "NotReady"}.get(conditions.get("Ready", ""), "Unknown")]
    if dig(obj, "spec", "unschedulable"):
        states.append("SchedulingDisabled")
    prefix = "node-role.kubernetes.io/"
    roles = sorted(key[len(prefix) :] for key in metadata(obj).get("labels") or {} if key.startswith(prefix))
    info = dig(obj, "status", "nodeInfo") or {}
    addresses = {one["type"]: one["address"] for one in dig(obj, "status", "addresses") or ()}
    return [
        metadata(obj)["name"], ",".join(states), ",".join(roles) or "<none>", _age(obj, now),
        info.get("kubeletVersion", ""), addresses.get("InternalIP", "<none>"), addresses.get("ExternalIP", "<none>"),
        info.get("osImage", "<unknown>"), info.get("kernelVersion", "<unknown>"),
        info.get("containerRuntimeVersion", "<unknown>"),
    ]  # fmt: skip


def _event(obj: Object, now: float) -> list[Any]:
    involved = obj.get("involvedObject") or {}
    seen = obj.get("lastTimestamp") or obj.get("eventTime") or metadata(obj).get("creationTimestamp")
    subject = f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"
    source = ", ".join(part for part in map((obj.get("source") or {}).get, ("component", "host")) if part)
    row = [age(seen, now), obj.get("type", ""), obj.get("reason", ""), subject, involved.get("fieldPath", ""), source]
    first = age(obj.get("firstTimestamp") or seen, now)
    return [*row, (obj.get("message") or "").strip(), first, obj.get("count", 1), metadata(obj)["name"]]


def _job(obj: Object, now: float) -> list[Any]:
    status = obj.get("status") or {}
    conditions = {one["type"] for one in status.get("conditions") or () if one.get("status") == "True"}
    state = "Complete" if "Complete" in conditions else "Failed" if "Failed" in conditions else "Running"
    done = f"{status.get('succeeded', 0)}/{dig(obj, 'spec', 'completions')}"
    took = age(status.get("startTime"), seconds_of(status["completionTime"])) if status.get("completionTime") else ""
    row = [metadata(obj)["name"], state, done, took, _age(obj, now), *_containers(obj)]
    return [*row, _selector(dig(obj, "spec", "selector"))]


def _binding(obj: Object, now: float) -> list[Any]:
    reference = obj.get("roleRef") or {}
    by_kind: dict[str, list[str]] = {"User": [], "Group": [], "ServiceAccount": []}
    for one in obj.get("subjects") or ():
        name = f"{one.get('namespace', '')}/{one['name']}" if one["kind"] == "ServiceAccount" else one["name"]
        by_kind.setdefault(one["kind"], []).append(name)
    subjects = [", ".join(names) for names in list(by_kind.values())[:3]]
    return [metadata(obj)["name"], f"{reference.get('kind')}/{reference.get('name')}", _age(obj, now), *subjects]


def _api_service(obj: Object, now: float) -> list[Any]:
    service = dig(obj, "spec", "service")
    where = f"{service.get('namespace')}/{service.get('name')}" if service else "Local"
    available = next((c for c in dig(obj, "status", "conditions") or () if c["type"] == "Available"), None)
    state = available["status"] if available else "Unknown"
    if available and state != "True":
        state = f"{state} ({available.get('reason')})"
    return [metadata(obj)["name"], where, state, _age(obj, now)]


def _count(key: str) -> Callable[[Object], int]:
    return lambda obj: len(obj.get(key) or ())


def _endpoints(obj: Object, now: float) -> list[Any]:
    found = [
        f"{address.get('ip')}:{port.get('port')}"
        for subset in obj.get("subsets") or ()
        for address in subset.get("addresses") or ()
        for port in subset.get("ports") or ()
    ]
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return [metadata(obj)["name"], ",".join(found[:3]) + more or "<none>", _age(obj, now)]


_RBAC = "rbac.authorization.k8s.io"
_BOUND = "Name Role Age Users* Groups* ServiceAccounts*"
_ROW: Mapping[tuple[str, str], tuple[str, Cells]] = {
    ("", "pods"): ("Name Ready Status Restarts Age IP* Node* Nominated_Node* Readiness_Gates*", _pod),
    ("", "namespaces"): (
        "Name Status Age",
        lambda obj, now: [metadata(obj)["name"], dig(obj, "status", "phase"), _age(obj, now)],
    ),
    ("", "configmaps"): (
        "Name Data Age",
        lambda obj, now: [metadata(obj)["name"], _count("data")(obj) + _count("binaryData")(obj), _age(obj, now)],
    ),
    ("", "secrets"): (
        "Name Type Data Age",
        lambda obj, now: [metadata(obj)["name"], obj.get("type"), _count("data")(obj), _age(obj, now)],
    ),
    ("", "serviceaccounts"): (
        "Name Age",
        lambda obj, now: [metadata(obj)["name"], _age(obj, now)],
    ),
    ("", "services"): ("Name Type Cluster-IP External-IP Port(s) Age Selector*", _service),
    ("", "endpoints"): ("Name Endpoints Age", _endpoints),
    ("", "nodes"): (
        "Name Status Roles Age Version Internal-IP* External-IP* OS-Image* Kernel-Version* Container-Runtime*",
        _node,
    ),
    ("", "events"): ("Last_Seen Type Reason Object Subobject* Source* Message First_Seen* Count* Name*", _event),
    ("apps", "deployments"): (
        "Name Ready Up-to-date Available Age Containers* Images* Selector*",
        _deployment,
    ),
    ("apps", "replicasets"): ("Name Desired# Current# Ready# Age Containers* Images* Selector*", _replicaset),
    ("batch", "jobs"): ("Name Status Completions Duration Age Containers* Images* Selector*", _job),
    ("coordination.k8s.io", "leases"): (
        "Name Holder Age",
        lambda obj, now: [metadata(obj)["name"], dig(obj, "spec", "holderIdentity") or "", _age(obj, now)],
    ),
    (_RBAC, "rolebindings"): (_BOUND, _binding),
    (_RBAC, "clusterrolebindings"): (_BOUND, _binding),
    ("apiregistration.k8s.io", "apiservices"): ("Name Service Available Age", _api_service),
}
"""Columns and cells of the built-in kinds: C{*} marks one for C{-o wide} only, C{#} a number."""


def _columns(written: str) -> list[Object]:
    found: list[Object] = []
    for one in written.split():
        name = one.rstrip("*#").replace("_", " ")
        kind = "integer" if "#" in one else "date" if name == "Created At" else "string"
        form = "name" if name == "Name" else ""
        found.append({"name": name, "type": kind, "format": form, "description": "", "priority": int("*" in one)})
    return found


def _created(obj: Object, now: float) -> list[Any]:
    return [metadata(obj)["name"], metadata(obj).get("creationTimestamp", "")]


def _custom(kind: Kind) -> tuple[list[Object], Cells]:
    columns = _columns("Name")
    for one in kind.columns:
        column: Object = {"name": one["name"], "type": one["type"], "format": one.get("format", "")}
        columns.append(column | {"description": one.get("description", ""), "priority": one.get("priority", 0)})
    paths = [(one["jsonPath"], one["type"]) for one in kind.columns]
    if not kind.columns:
        return columns + _columns("Age"), lambda obj, now: [metadata(obj)["name"], _age(obj, now)]

    def cells(obj: Object, now: float) -> list[Any]:
        return [metadata(obj)["name"], *(_cell(json_path(obj, path), kind, now) for path, kind in paths)]

    return columns, cells


def _cell(value: Any, kind: str, now: float) -> Any:
    if value is None:
        return None
    if kind == "date":
        return age(value, now)
    if kind == "string" and not isinstance(value, str):
        return json.dumps(value, separators=(",", ":"))
    return value


_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\['([^']+)'\]|\[\?\(@\.(\w+)\s*==\s*[\"']([^\"']*)[\"']\)\]")


def json_path(obj: Any, path: str) -> Any:
    """
    The first thing at a JSONPath of the kind that printer columns use: C{.spec.x[0]}, C{.list[?(@.type=="A")].status}.
    """
    escaped = re.sub(r"\\\.", "\0", path)
    for key, index, quoted, field, value in _STEP.findall(escaped):
        if field:
            obj = next((one for one in obj or () if isinstance(one, dict) and one.get(field) == value), None)
        elif index:
            obj = obj[int(index)] if isinstance(obj, list) and len(obj) > int(index) else None
        else:
            obj = dig(obj, (key or quoted).replace("\0", "."))
    return obj


def table(kind: Kind, objects: Iterable[Object], list_meta: Object, include: str, now: float) -> Object:
    """
    A C{meta.k8s.io/v1 Table}.

    @param include: what each row carries of its object: C{Metadata}, C{Object} or C{None}.
    """
    if kind.custom:
        columns, cells = _custom(kind)
    else:
        written, cells = _ROW.get((kind.group, kind.resource), ("Name Created_At", _created))
        columns = _columns(written)
    rows = [{"cells": cells(obj, now), "object": _included(obj, include)} for obj in objects]
    head: Object = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": list_meta}
    return head | {"columnDefinitions": columns, "rows": rows}


def _included(obj: Object, include: str) -> Object | None:
    if include == "None":
        return None
    return obj if include == "Object" else partial(obj)


def partial(obj: Object) -> Object:
    """A C{PartialObjectMetadata}."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata(obj)}
