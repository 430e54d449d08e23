"""Deployments make ReplicaSets, those make Pods, and Pods run: on one node, at once, without containers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .names import generated
from .objects import Object, copied, dig, metadata, timestamp
from .registry import Registry
from .selectors import matches_selector
from .status import ApiError
from .strategy import Deletion, Options
from .workloadstatus import (
    AVAILABILITY,
    REVISION,
    is_ready,
    owner_reference,
    revision_of,
    running,
    succeeded,
    template_hash,
)

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

START_SECONDS = 0.5
STOP_SECONDS = 1.0
JOB_SECONDS = 2.0
_HASH_LABEL = "pod-template-hash"
_CONTROLLER = Options("kube-controller-manager")
_KUBELET = Options("kubelet")


class Workloads:
    """The controllers and the kubelet of one node."""

    def __init__(self, registry: Registry, clock: IReactorTime, node: str) -> None:
        self._registry = registry
        self._clock = clock
        self._node = node
        self._addresses = 1
        self._calls: set[IDelayedCall] = set()

    def stop(self) -> None:
        """Let nothing happen later."""
        for call in self._calls:
            if call.active():
                call.cancel()
        self._calls.clear()

    def _later(self, seconds: float, step: Callable[[str, str, str], None], pod: Object) -> None:
        meta = metadata(pod)
        self._calls = {call for call in self._calls if call.active()}
        self._calls.add(self._clock.callLater(seconds, step, meta["namespace"], meta["name"], meta["uid"]))

    # Deployments

    def deployment(self, obj: Object) -> None:
        """Bring a Deployment's ReplicaSets and status up to date."""
        meta, spec = metadata(obj), obj["spec"]
        if meta.get("deletionTimestamp"):
            return
        owned = self._owned("apps", "replicasets", obj)
        digest = template_hash(spec["template"])
        current = next((one for one in owned if metadata(one)["labels"].get(_HASH_LABEL) == digest), None)
        if current is None:
            current = self._new_replicaset(obj, digest, owned)
        elif dig(current, "spec", "replicas") != spec["replicas"]:
            self._scale(current, spec["replicas"])
        self._number(obj, current, owned)
        if dig(current, "status", "availableReplicas") == spec["replicas"] or not spec["replicas"]:
            for old in owned:
                if old is not current and dig(old, "spec", "replicas"):
                    self._scale(old, 0)
        self._deployment_status(obj, current, self._owned("apps", "replicasets", obj))

    def _number(self, obj: Object, current: Object, owned: list[Object]) -> None:
        """Give the current ReplicaSet the highest revision (it may be an old one, rolled back to), and say which."""
        latest = max((revision_of(one) for one in owned if one is not current), default=0)
        revision = str(max(revision_of(current), latest + 1))
        if revision_of(current) != int(revision):
            self._annotate("replicasets", current, revision)
        if (metadata(obj).get("annotations") or {}).get(REVISION) != revision:
            self._annotate("deployments", obj, revision)

    def _new_replicaset(self, obj: Object, digest: str, owned: list[Object]) -> Object:
        meta, template = metadata(obj), copied(obj["spec"]["template"])
        template["metadata"].setdefault("labels", {})[_HASH_LABEL] = digest
        selector = copied(obj["spec"]["selector"])
        selector.setdefault("matchLabels", {})[_HASH_LABEL] = digest
        revisions = [revision_of(one) for one in owned]
        made = {
            "metadata": {
                "name": f"{meta['name']}-{digest}",
                "labels": dict(template["metadata"]["labels"]),
                "annotations": {REVISION: str(max(revisions, default=0) + 1)},
                "ownerReferences": [owner_reference(obj)],
            },
            "spec": {"replicas": obj["spec"]["replicas"], "selector": selector, "template": template},
        }
        kind = self._registry.kinds.stored("apps", "replicasets")
        assert kind is not None
        return self._registry.create(kind, meta["namespace"], made, _CONTROLLER)

    def _annotate(self, resource: str, obj: Object, revision: str) -> None:
        def change(one: Object) -> Object:
            metadata(one).setdefault("annotations", {})[REVISION] = revision
            return one

        self._write("apps", resource, obj, change)

    def _scale(self, obj: Object, replicas: int) -> None:
        def change(one: Object) -> Object:
            one["spec"]["replicas"] = replicas
            return one

        self._write("apps", "replicasets", obj, change)

    def _deployment_status(self, obj: Object, current: Object, owned: list[Object]) -> None:
        def total(key: str) -> int:
            return sum(dig(one, "status", key) or 0 for one in owned)

        wanted = obj["spec"]["replicas"]
        available = total("availableReplicas")
        updated = dig(self._fresh("apps", "replicasets", current), "status", "replicas") or 0
        done = updated >= wanted and available >= wanted and total("replicas") == wanted
        name = metadata(current)["name"]
        progress = (
            ("NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
            if done
            else ("ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
        )
        enough = available >= max(0, wanted - wanted // 4)
        states = [
            ("Available", "True" if enough else "False", *AVAILABILITY[enough]),
            ("Progressing", "True", *progress),
        ]
        counts = {"replicas": total("replicas"), "updatedReplicas": updated, "readyReplicas": total("readyReplicas")}
        counts["availableReplicas"] = available
        status: Object = {key: value for key, value in counts.items() if value}
        if wanted > available:
            status["unavailableReplicas"] = wanted - available
        status["observedGeneration"] = metadata(obj)["generation"]
        status["conditions"] = self._conditions(dig(obj, "status", "conditions") or [], states)
        self._status("apps", "deployments", obj, status)

    def _conditions(self, old: list[Object], states: list[tuple[str, str, str, str]]) -> list[Object]:
        known = {one["type"]: one for one in old}
        found = []
        for kind, status, reason, message in states:
            before = known.get(kind, {})
            if (before.get("status"), before.get("reason"), before.get("message")) == (status, reason, message):
                found.append(before)
                continue
            moved = before["lastTransitionTime"] if before.get("status") == status else self._now()
            one: Object = {"type": kind, "status": status, "lastUpdateTime": self._now(), "lastTransitionTime": moved}
            found.append(one | {"reason": reason, "message": message})
        return found

    # ReplicaSets

    def replicaset(self, obj: Object) -> None:
        """Bring the number of a ReplicaSet's Pods, and its status, up to date."""
        if metadata(obj).get("deletionTimestamp"):
            return
        pods = [one for one in self._owned("", "pods", obj) if not metadata(one).get("deletionTimestamp")]
        wanted = obj["spec"]["replicas"]
        for _ in range(wanted - len(pods)):
            self._new_pod(obj, obj["spec"]["template"], metadata(obj)["name"] + "-")
        for pod in pods[wanted:]:
            self._delete_pod(pod)
        ready = sum(1 for one in pods if is_ready(one))
        counts = {"fullyLabeledReplicas": len(pods), "readyReplicas": ready, "availableReplicas": ready}
        status: Object = {"replicas": len(pods)} | {key: value for key, value in counts.items() if value}
        self._status("apps", "replicasets", obj, status | {"observedGeneration": metadata(obj)["generation"]})

    def _new_pod(self, owner: Object, template: Object, prefix: str) -> None:
        pod = copied(template)
        meta = metadata(pod)
        meta |= {"name": generated(prefix, self._registry.source), "generateName": prefix}
        meta["ownerReferences"] = [owner_reference(owner)]
        kind = self._registry.kinds.stored("", "pods")
        assert kind is not None
        self._registry.create(kind, metadata(owner)["namespace"], pod, _CONTROLLER)

    def _delete_pod(self, pod: Object) -> None:
        kind = self._registry.kinds.stored("", "pods")
        assert kind is not None
        self._registry.delete(kind, metadata(pod)["namespace"], metadata(pod)["name"], Deletion())

    # Jobs

    def job(self, obj: Object) -> None:
        """Run a Job's Pods to their end."""
        if metadata(obj).get("deletionTimestamp") or dig(obj, "status", "completionTime"):
            return
        pods = self._owned("", "pods", obj)
        if not pods:
            for _ in range(obj["spec"]["completions"]):
                template = copied(obj["spec"]["template"])
                template["metadata"].setdefault("labels", {})["job-name"] = metadata(obj)["name"]
                self._new_pod(obj, template, metadata(obj)["name"] + "-")
        done = sum(1 for one in pods if dig(one, "status", "phase") == "Succeeded")
        status: Object = {"startTime": dig(obj, "status", "startTime") or self._now()}
        status |= {"active": len(pods) - done, "ready": len(pods) - done}
        if done >= obj["spec"]["completions"]:
            status = {"startTime": status["startTime"], "completionTime": self._now(), "succeeded": done}
            status["conditions"] = [{"type": "Complete", "status": "True", "lastTransitionTime": self._now()}]
        self._status("batch", "jobs", obj, status)

    # Pods

    def pod(self, obj: Object) -> None:
        """What scheduler and kubelet do with a Pod."""
        meta = metadata(obj)
        if meta.get("deletionTimestamp"):
            grace = float(meta.get("deletionGracePeriodSeconds") or 0)
            self._later(min(STOP_SECONDS, grace), self._stopped, obj)
        elif not dig(obj, "spec", "nodeName"):
            self._write("", "pods", obj, self._scheduled)
        elif dig(obj, "status", "phase") == "Pending":
            self._later(START_SECONDS, self._started, obj)

    def _scheduled(self, pod: Object) -> Object:
        pod["spec"]["nodeName"] = self._node
        return pod

    def _current(self, namespace: str, name: str, uid: str) -> Object | None:
        kind = self._registry.kinds.stored("", "pods")
        assert kind is not None
        try:
            pod = self._registry.get(kind, namespace, name)
        except ApiError:
            return None
        return pod if metadata(pod)["uid"] == uid else None

    def _started(self, namespace: str, name: str, uid: str) -> None:
        pod = self._current(namespace, name, uid)
        if pod is None or dig(pod, "status", "phase") != "Pending" or metadata(pod).get("deletionTimestamp"):
            return
        self._addresses += 1
        address = f"10.244.{self._addresses // 250}.{self._addresses % 250 + 1}"
        self._status("", "pods", pod, running(pod, self._now(), address))
        if dig(pod, "spec", "restartPolicy") != "Always":
            self._later(JOB_SECONDS, self._ended, pod)

    def _ended(self, namespace: str, name: str, uid: str) -> None:
        pod = self._current(namespace, name, uid)
        if pod is not None and dig(pod, "status", "phase") == "Running":
            self._status("", "pods", pod, succeeded(pod, self._now()))

    def _stopped(self, namespace: str, name: str, uid: str) -> None:
        pod = self._current(namespace, name, uid)
        kind = self._registry.kinds.stored("", "pods")
        if pod is not None and kind is not None:
            self._registry.delete(kind, namespace, name, Deletion(grace=0))

    # Common

    def _now(self) -> str:
        return timestamp(self._clock.seconds())

    def _owned(self, group: str, resource: str, owner: Object) -> list[Object]:
        meta = metadata(owner)
        selector = dig(owner, "spec", "selector")
        return [
            one
            for one in self._registry.store.listed(group, resource, meta["namespace"])
            if any(ref["uid"] == meta["uid"] for ref in metadata(one).get("ownerReferences") or ())
            and (selector is None or matches_selector(selector, metadata(one).get("labels") or {}))
        ]

    def _fresh(self, group: str, resource: str, obj: Object) -> Object:
        kind = self._registry.kinds.stored(group, resource)
        assert kind is not None
        return self._registry.get(kind, metadata(obj)["namespace"], metadata(obj)["name"])

    def _write(self, group: str, resource: str, obj: Object, change: object) -> None:
        kind = self._registry.kinds.stored(group, resource)
        assert kind is not None and callable(change)
        options = _KUBELET if resource == "pods" else _CONTROLLER
        self._registry.change(kind, metadata(obj)["namespace"], metadata(obj)["name"], change, options)

    def _status(self, group: str, resource: str, obj: Object, status: Object) -> None:
        kind = self._registry.kinds.stored(group, resource)
        assert kind is not None
        options = _KUBELET if resource == "pods" else _CONTROLLER

        def change(one: Object) -> Object:
            one["status"] = status
            return one

        self._registry.change(kind, metadata(obj)["namespace"], metadata(obj)["name"], change, options, "status")
