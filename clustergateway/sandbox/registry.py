"""Create, update, apply and delete as kube-apiserver does them: on top of the store, below HTTP."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from .defaults import fill_in
from .kinds import Kind, Kinds
from .names import generated, label_problems, name_problems, new_uid
from .objects import Object, copied, dig, metadata, timestamp
from .ownership import Writer, applied, updated
from .schemas import schema_of
from .status import (
    already_exists,
    bad_request,
    conflict,
    forbidden,
    invalid,
    invalid_value,
    not_found,
)
from .store import Key, Store
from .strategy import (
    Deletion,
    Options,
    check_identity,
    check_name,
    check_preconditions,
    complain,
    held,
    scoped,
    specified,
    steady,
    without_claims,
)
from .validation import admitted

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

_COUNTED = frozenset(
    {
        ("", "pods"),
        ("apps", "deployments"),
        ("apps", "replicasets"),
        ("batch", "jobs"),
        ("apiextensions.k8s.io", "customresourcedefinitions"),
    }
)
"""Built-in kinds that have a C{metadata.generation}."""
_KEPT = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "namespace")


Preparation = Callable[[Kind, Object, "Object | None"], None]


class Registry:
    """
    The objects of one API server.

    @ivar prepare: called with every object before it is written (and the one before it), to complete or refuse it.
    """

    def __init__(self, store: Store, kinds: Kinds, clock: IReactorTime, source: random.Random) -> None:
        self.store = store
        self.kinds = kinds
        self.clock = clock
        self.source = source
        self.prepare: list[Preparation] = []

    def now(self) -> str:
        return timestamp(self.clock.seconds())

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        """
        @raise ApiError: 404.
        """
        found = self.store.get(Key(kind.group, kind.resource, namespace, name))
        if found is None:
            raise not_found(kind.resource, kind.group, name)
        return found

    def create(self, kind: Kind, namespace: str, given: Object, options: Options) -> Object:
        """
        @raise ApiError: it exists (409), does not validate (422), or its namespace is not there (404) or ending (403).
        """
        obj = self._new(kind, namespace, given, options)
        without_claims(obj)
        updated(schema_of(kind), None, obj, self._writer(kind, options, "Update"))
        return self._insert(kind, namespace, obj, options)

    def _new(self, kind: Kind, namespace: str, given: Object, options: Options) -> Object:
        check_identity(kind, namespace, given)
        obj = admitted(kind, given, partial(complain, kind, options))
        meta = metadata(obj)
        for key in ("deletionTimestamp", "resourceVersion", "selfLink"):
            meta.pop(key, None)
        if not meta.get("name") and meta.get("generateName"):
            meta["name"] = generated(meta["generateName"], self.source)
        if namespace:
            meta["namespace"] = namespace
        meta |= {"uid": new_uid(self.source), "creationTimestamp": self.now()}
        if kind.custom or (kind.group, kind.resource) in _COUNTED:
            meta["generation"] = 1
        if kind.custom and kind.has_status:
            obj.pop("status", None)
        fill_in(kind.group, kind.resource, obj)
        self._validate(kind, obj, None)
        return obj

    def _validate(self, kind: Kind, obj: Object, before: Object | None) -> None:
        meta = metadata(obj)
        problems = name_problems(kind, meta.get("name", "")) + label_problems(meta)
        if problems:
            raise invalid(kind.kind, kind.group, meta.get("name", ""), problems)
        for prepare in self.prepare:
            prepare(kind, obj, before)

    def _insert(self, kind: Kind, namespace: str, obj: Object, options: Options) -> Object:
        meta = metadata(obj)
        if namespace:
            self._open_namespace(kind, namespace, meta["name"])
        key = Key(kind.group, kind.resource, namespace, meta["name"])
        if self.store.get(key) is not None:
            raise already_exists(kind.resource, kind.group, meta["name"])
        obj = {"kind": kind.kind, "apiVersion": kind.api_version, **obj}
        return obj if options.dry_run else self.store.put(key, obj)

    def _open_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        found = self.store.get(Key("", "namespaces", "", namespace))
        if found is None:
            raise not_found("namespaces", "", namespace)
        if metadata(found).get("deletionTimestamp"):
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            error = forbidden(kind.resource, kind.group, name, why)
            ending = {"reason": "NamespaceTerminating", "message": f"namespace {namespace} is being terminated"}
            error.details = (error.details or {}) | {"causes": [{**ending, "field": "metadata.namespace"}]}
            raise error

    def replace(self, kind: Kind, namespace: str, name: str, given: Object, options: Options, sub: str = "") -> Object:
        """
        Replace an object (C{PUT}), or with C{sub} C{status} only its status.

        @raise ApiError: as for L{create}, and 409 when it changed since.
        """
        check_identity(kind, namespace, given)
        without_claims(given)
        if kind.custom and not dig(given, "metadata", "resourceVersion"):
            self.get(kind, namespace, name)
            cause = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
            raise invalid(kind.resource, kind.group, name, [cause])
        return self.change(kind, namespace, name, lambda _: copied(given), options, sub)

    def change(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        changed: Callable[[Object], Object],
        options: Options,
        sub: str = "",
    ) -> Object:
        """
        Replace an object by what C{changed} makes of (a copy of) it.

        @raise ApiError: as for L{replace}.
        """
        before = self.get(kind, namespace, name)
        shown = {**before, "apiVersion": kind.api_version}
        wanted = changed(copied(shown))
        after = self._replacement(kind, before, wanted, options, sub)
        updated(schema_of(kind), before, after, self._writer(kind, options, "Update", sub))
        return self._commit(kind, namespace, name, before, after, options)

    def apply(
        self, kind: Kind, namespace: str, name: str, wanted: Object, options: Options, sub: str = ""
    ) -> tuple[Object, bool]:
        """
        Server-side apply.

        @return: the object, and whether it was created.
        @raise ApiError: as for L{create}, and 409 for fields that others own.
        """
        check_identity(kind, namespace, wanted)
        if dig(wanted, "metadata", "managedFields"):
            raise bad_request("metadata.managedFields must be nil")
        check_name(wanted, name)
        wanted = copied(wanted)
        metadata(wanted)["name"] = name
        before = self.store.get(Key(kind.group, kind.resource, namespace, name))
        writer = self._writer(kind, options, "Apply", sub)
        if before is None:
            if sub:
                raise not_found(kind.resource, kind.group, name)
            obj = self._new(kind, namespace, wanted, options)
            metadata(obj)["managedFields"] = metadata(applied(schema_of(kind), None, wanted, writer, True))[
                "managedFields"
            ]
            return self._insert(kind, namespace, obj, options), True
        merged = applied(schema_of(kind), {**before, "apiVersion": kind.api_version}, wanted, writer, options.force)
        after = self._replacement(kind, before, merged, options, sub)
        metadata(after)["managedFields"] = steady(metadata(merged)["managedFields"], before)
        return self._commit(kind, namespace, name, before, after, options), False

    def _replacement(self, kind: Kind, before: Object, wanted: Object, options: Options, sub: str) -> Object:
        meta = metadata(wanted)
        old = metadata(before)
        check_name(wanted, old["name"])
        if meta.get("uid") and meta["uid"] != old["uid"]:
            where = "/".join(part for part in ("/registry", kind.resource, old.get("namespace"), old["name"]) if part)
            why = f"Precondition failed: UID in precondition: {meta['uid']}, UID in object meta: {old['uid']}"
            why = f"StorageError: invalid object, Code: 4, Key: {where}, ResourceVersion: 0, AdditionalErrorMsg: {why}"
            raise conflict(kind.resource, kind.group, old["name"], why)
        if meta.get("resourceVersion") and meta["resourceVersion"] != old["resourceVersion"]:
            raise conflict(kind.resource, kind.group, old["name"])
        obj = admitted(kind, wanted, partial(complain, kind, options))
        obj = scoped(kind, before, obj, sub)
        meta = metadata(obj)
        meta |= {key: old[key] for key in (*_KEPT, "resourceVersion") if key in old}
        for key in ("deletionTimestamp", "deletionGracePeriodSeconds"):
            if key not in old:
                meta.pop(key, None)
        if "generation" in old and specified(obj) != specified(before):
            meta["generation"] = old["generation"] + 1
        fill_in(kind.group, kind.resource, obj)
        self._validate(kind, obj, before)
        return {"kind": before["kind"], "apiVersion": before["apiVersion"]} | obj | {"apiVersion": kind.api_version}

    def _commit(self, kind: Kind, namespace: str, name: str, before: Object, after: Object, options: Options) -> Object:
        if {**after, "apiVersion": ""} == {**before, "apiVersion": ""}:
            return before
        if options.dry_run:
            return after
        key = Key(kind.group, kind.resource, namespace, name)
        if metadata(after).get("deletionTimestamp") and not held(kind, after):
            return self.store.remove(key)
        return self.store.put(key, after)

    def delete(self, kind: Kind, namespace: str, name: str, deletion: Deletion) -> tuple[Object, bool]:
        """
        @return: the object as it is now or last was, and whether it is gone.
        @raise ApiError: 404, or 409 when a precondition does not hold.
        """
        found = self.get(kind, namespace, name)
        check_preconditions(kind, found, deletion)
        meta = metadata(found)
        obj: Object = {**found, "metadata": dict(meta)}
        meta = metadata(obj)
        if deletion.policy in ("Foreground", "Orphan"):
            extra = "foregroundDeletion" if deletion.policy == "Foreground" else "orphan"
            meta["finalizers"] = list(dict.fromkeys([*meta.get("finalizers", ()), extra]))
        grace = self._grace(kind, found, deletion)
        if not grace and not held(kind, obj):
            key = Key(kind.group, kind.resource, namespace, name)
            return (obj if deletion.dry_run else self.store.remove(key)), True
        if meta.get("deletionTimestamp") and meta.get("finalizers") == metadata(found).get("finalizers"):
            return found, False
        if not meta.get("deletionTimestamp"):
            meta |= {"deletionTimestamp": timestamp(self.clock.seconds() + grace), "deletionGracePeriodSeconds": grace}
            if "generation" in meta:
                meta["generation"] += 1
        if (kind.group, kind.resource) == ("", "namespaces"):
            obj["status"] = {**obj.get("status", {}), "phase": "Terminating"}
        stored = obj if deletion.dry_run else self.store.put(Key(kind.group, kind.resource, namespace, name), obj)
        return stored, False

    def _grace(self, kind: Kind, found: Object, deletion: Deletion) -> int:
        if (kind.group, kind.resource) != ("", "pods") or not dig(found, "spec", "nodeName"):
            return 0
        if dig(found, "status", "phase") in ("Succeeded", "Failed"):
            return 0
        own = dig(found, "spec", "terminationGracePeriodSeconds")
        return deletion.grace if deletion.grace is not None else (30 if own is None else int(own))

    def _writer(self, kind: Kind, options: Options, operation: str, sub: str = "") -> Writer:
        return Writer(options.manager, operation, kind.api_version, self.now(), sub)
