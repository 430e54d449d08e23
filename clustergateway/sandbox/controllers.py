"""
The few controllers that make a cluster feel alive: workloads, namespaces, garbage collection. Each looks at one object
and brings what depends on it a step nearer to what it says; it is called again whenever something near it changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .kinds import Kind
from .objects import Object, dig, metadata
from .registry import Registry
from .status import ApiError
from .store import Change, Key
from .strategy import Deletion, Options
from .workloads import Workloads

if TYPE_CHECKING:
    from twisted.internet.interfaces import IDelayedCall, IReactorTime

MANAGER = Options("kube-controller-manager")
_UNCOLLECTED = frozenset({"foregroundDeletion", "orphan"})


class Controllers:
    """Runs them, soon after each change and never within it."""

    def __init__(self, registry: Registry, clock: IReactorTime, cluster: str) -> None:
        self._registry = registry
        self._clock = clock
        self._workloads = workloads = Workloads(registry, clock, f"{cluster}-node")
        self._reconcilers: dict[tuple[str, str], Callable[[Object], None]] = {
            ("", "namespaces"): self._namespace,
            ("", "pods"): workloads.pod,
            ("apps", "deployments"): workloads.deployment,
            ("apps", "replicasets"): workloads.replicaset,
            ("batch", "jobs"): workloads.job,
        }
        self._due: dict[Key, None] = {}
        self._call: IDelayedCall | None = None
        self._unsubscribe = registry.store.subscribe(self._changed)

    def stop(self) -> None:
        """Run no more."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._reconcilers.clear()
        self._workloads.stop()
        self._unsubscribe()

    def _changed(self, change: Change) -> None:
        key = change.key
        self._due[key] = None
        for owner in metadata(change.after).get("ownerReferences") or ():
            kind = self._registry.kinds.of_kind(owner["apiVersion"], owner["kind"])
            if kind is not None:
                inside = key.namespace if kind.namespaced else ""
                self._due[Key(kind.group, kind.resource, inside, owner["name"])] = None
        if key.namespace:
            self._due[Key("", "namespaces", "", key.namespace)] = None
        if change.deleted and change.before != change.after:
            self._due |= dict.fromkeys(self._dependents(metadata(change.after)["uid"]))
        if self._call is None:
            self._call = self._clock.callLater(0, self._run)

    def _run(self) -> None:
        self._call = None
        due, self._due = self._due, {}
        for key in due:
            self._try(key)

    def _try(self, key: Key) -> None:
        try:
            self._reconcile(key)
        except ApiError:
            # It changed or went meanwhile: whatever did that has put it on the list again.
            return

    def _reconcile(self, key: Key) -> None:
        obj = self._registry.store.get(key)
        kind = self._registry.kinds.stored(key.group, key.resource)
        if obj is None or kind is None:
            return
        if self._collected(kind, key, obj):
            return
        reconcile = self._reconcilers.get((key.group, key.resource))
        if reconcile is not None:
            reconcile(obj)

    # Garbage collection

    def _dependents(self, uid: str) -> list[Key]:
        found = []
        for group, resource in self._registry.store.collections():
            for obj in self._registry.store.listed(group, resource):
                meta = metadata(obj)
                if any(owner["uid"] == uid for owner in meta.get("ownerReferences") or ()):
                    found.append(Key(group, resource, meta.get("namespace", ""), meta["name"]))
        return found

    def _collected(self, kind: Kind, key: Key, obj: Object) -> bool:
        """Delete an object whose owners are all gone; finish one whose deletion waits for its dependents."""
        meta = metadata(obj)
        owners = meta.get("ownerReferences") or ()
        if owners and not meta.get("deletionTimestamp") and not any(self._exists(key, owner) for owner in owners):
            self._registry.delete(kind, key.namespace, key.name, Deletion())
            return True
        pending = _UNCOLLECTED.intersection(meta.get("finalizers") or ())
        if meta.get("deletionTimestamp") and pending:
            self._finish_deletion(kind, key, meta, "orphan" in pending)
            return True
        return False

    def _exists(self, key: Key, owner: Object) -> bool:
        kind = self._registry.kinds.of_kind(owner["apiVersion"], owner["kind"])
        if kind is None:
            return True
        inside = key.namespace if kind.namespaced else ""
        found = self._registry.store.get(Key(kind.group, kind.resource, inside, owner["name"]))
        return found is not None and metadata(found)["uid"] == owner["uid"]

    def _finish_deletion(self, kind: Kind, key: Key, meta: Object, orphan: bool) -> None:
        dependents = self._dependents(meta["uid"])
        for dependent in dependents:
            other = self._registry.kinds.stored(dependent.group, dependent.resource)
            if other is None:
                continue
            if orphan:
                self._registry.change(other, dependent.namespace, dependent.name, _disowned(meta["uid"]), MANAGER)
            elif not metadata(self._registry.get(other, dependent.namespace, dependent.name)).get("deletionTimestamp"):
                self._registry.delete(other, dependent.namespace, dependent.name, Deletion(policy="Foreground"))
        if orphan or not dependents:
            self._registry.change(kind, key.namespace, key.name, _without_collection, MANAGER)

    # Namespaces

    def _namespace(self, obj: Object) -> None:
        meta = metadata(obj)
        if not meta.get("deletionTimestamp"):
            self._service_account(meta["name"])
            return
        left = 0
        for group, resource in self._registry.store.collections():
            kind = self._registry.kinds.stored(group, resource)
            for one in self._registry.store.listed(group, resource, meta["name"]) if kind is not None else ():
                left += 1
                if kind is not None and not metadata(one).get("deletionTimestamp"):
                    self._registry.delete(kind, meta["name"], metadata(one)["name"], Deletion())
        if not left and dig(obj, "spec", "finalizers"):
            namespaces = self._registry.kinds.stored("", "namespaces")
            assert namespaces is not None
            self._registry.change(namespaces, "", meta["name"], _finalized, MANAGER)

    def _service_account(self, namespace: str) -> None:
        if self._registry.store.get(Key("", "serviceaccounts", namespace, "default")) is None:
            kind = self._registry.kinds.stored("", "serviceaccounts")
            assert kind is not None
            self._registry.create(kind, namespace, {"metadata": {"name": "default"}}, MANAGER)


def _disowned(uid: str) -> Callable[[Object], Object]:
    def change(obj: Object) -> Object:
        meta = metadata(obj)
        meta["ownerReferences"] = [owner for owner in meta.get("ownerReferences") or () if owner["uid"] != uid]
        return obj

    return change


def _without_collection(obj: Object) -> Object:
    meta = metadata(obj)
    meta["finalizers"] = [one for one in meta.get("finalizers") or () if one not in _UNCOLLECTED]
    return obj


def _finalized(obj: Object) -> Object:
    obj["spec"]["finalizers"] = []
    return obj
