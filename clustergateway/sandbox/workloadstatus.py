"""What workload controllers write: names, references, conditions and statuses, made of nothing but objects."""

from __future__ import annotations

import hashlib
import json

from .objects import Object, copied, dig, metadata

REVISION = "deployment.kubernetes.io/revision"
AVAILABILITY = {
    True: ("MinimumReplicasAvailable", "Deployment has minimum availability."),
    False: ("MinimumReplicasUnavailable", "Deployment does not have minimum availability."),
}


def template_hash(template: Object) -> str:
    """A short name for the contents of a Pod template."""
    digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).digest()
    return "".join("bcdfghjklmnpqrstvwxz2456789"[byte % 27] for byte in digest[:10])


def revision_of(obj: Object) -> int:
    """Which rollout a ReplicaSet is of, 0 if it does not say."""
    return int((metadata(obj).get("annotations") or {}).get(REVISION, "0"))


def owner_reference(obj: Object) -> Object:
    """What an object made by C{obj} carries."""
    meta = metadata(obj)
    found: Object = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": meta["name"], "uid": meta["uid"]}
    return found | {"controller": True, "blockOwnerDeletion": True}


def is_ready(pod: Object) -> bool:
    """Is its condition C{Ready} true?"""
    conditions = dig(pod, "status", "conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _pod_conditions(now: str, ready: bool, why: str = "") -> list[Object]:
    found = []
    for kind in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"):
        is_true = ready or kind in ("Initialized", "PodScheduled")
        one: Object = {"type": kind, "status": "True" if is_true else "False", "lastTransitionTime": now}
        found.append(one | ({"reason": why} if why and not is_true else {}))
    return found


def running(pod: Object, now: str, address: str) -> Object:
    """The status of a Pod all of whose containers run."""
    states = []
    for container in dig(pod, "spec", "containers") or ():
        state: Object = {"name": container["name"], "image": container.get("image", ""), "ready": True, "started": True}
        digest = hashlib.sha256((metadata(pod)["uid"] + container["name"]).encode()).hexdigest()
        state |= {"restartCount": 0, "imageID": "", "containerID": f"sandbox://{digest}"}
        states.append(state | {"state": {"running": {"startedAt": now}}})
    status: Object = {"phase": "Running", "conditions": _pod_conditions(now, True), "hostIP": "127.0.0.1"}
    status |= {"hostIPs": [{"ip": "127.0.0.1"}], "podIP": address, "podIPs": [{"ip": address}]}
    return status | {"startTime": now, "containerStatuses": states, "qosClass": "BestEffort"}


def succeeded(pod: Object, now: str) -> Object:
    """The status of a Pod all of whose containers have ended well."""
    status: Object = copied(pod["status"])
    for state in status["containerStatuses"]:
        began = dig(state, "state", "running", "startedAt") or now
        ended = {"exitCode": 0, "reason": "Completed", "startedAt": began, "finishedAt": now}
        state |= {"ready": False, "started": False, "state": {"terminated": ended}}
    return status | {"phase": "Succeeded", "conditions": _pod_conditions(now, False, "PodCompleted")}
