"""CustomResourceDefinitions: creating one has its resource served."""

from __future__ import annotations

from .kinds import ALL_VERBS, STATUS_VERBS, Kind, Kinds, Subresource
from .objects import Object, dig, metadata
from .registry import Registry
from .status import Cause, invalid, invalid_value, required_value
from .store import Change, Key

GROUP, RESOURCE = "apiextensions.k8s.io", "customresourcedefinitions"


class Definitions:
    """Keeps the served kinds in step with the CustomResourceDefinitions in the store."""

    def __init__(self, registry: Registry, kinds: Kinds) -> None:
        self._registry = registry
        self._kinds = kinds
        registry.prepare.append(self._prepare)
        registry.store.subscribe(self._changed, (GROUP, RESOURCE))

    def _prepare(self, kind: Kind, obj: Object, before: Object | None) -> None:
        if (kind.group, kind.resource) != (GROUP, RESOURCE):
            return
        causes = _problems(obj)
        if causes:
            raise invalid(kind.kind, GROUP, metadata(obj).get("name", ""), causes)
        if before is None:
            # The real server does this a moment later; here the resource is served at once.
            obj["status"] = _established(obj["spec"], self._registry.now())

    def _changed(self, change: Change) -> None:
        if change.deleted:
            self._remove_instances(change.after)
        found = self._registry.store.listed(GROUP, RESOURCE)
        self._kinds.replace_custom(kind for definition in found for kind in served(definition))

    def _remove_instances(self, definition: Object) -> None:
        store = self._registry.store
        group, resource = definition["spec"]["group"], definition["spec"]["names"]["plural"]
        for obj in store.listed(group, resource):
            meta = metadata(obj)
            store.remove(Key(group, resource, meta.get("namespace", ""), meta["name"]))


def _problems(obj: Object) -> list[Cause]:
    spec = obj.get("spec") or {}
    names = spec.get("names") or {}
    causes: list[Cause] = []
    wanted = f"{names.get('plural', '')}.{spec.get('group', '')}"
    if metadata(obj).get("name") != wanted:
        why = 'must be spec.names.plural+"."+spec.group'
        causes.append(invalid_value("metadata.name", metadata(obj).get("name"), why))
    versions = spec.get("versions") or []
    if sum(1 for version in versions if version.get("storage")) != 1:
        why = "must have exactly one version marked as storage version"
        causes.append(invalid_value("spec.versions", [version.get("name") for version in versions], why))
    for index, version in enumerate(versions):
        if not dig(version, "schema", "openAPIV3Schema"):
            causes.append(required_value(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required"))
    return causes


def _established(spec: Object, now: str) -> Object:
    def condition(kind: str, reason: str, message: str) -> Object:
        return {"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message}

    conditions = [
        condition("NamesAccepted", "NoConflicts", "no conflicts found"),
        condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
    ]
    stored = [version["name"] for version in spec["versions"] if version.get("storage")]
    return {"conditions": conditions, "acceptedNames": spec["names"], "storedVersions": stored}


def served(definition: Object) -> list[Kind]:
    """The kinds that a CustomResourceDefinition has served, the preferred version first."""
    spec = definition["spec"]
    versions = [version for version in spec["versions"] if version.get("served")]
    return [_kind(spec, version) for version in sorted(versions, key=lambda one: _priority(one["name"]))]


def _kind(spec: Object, version: Object) -> Kind:
    names = spec["names"]
    below = version.get("subresources") or {}
    subresources = [Subresource("status", names["kind"], STATUS_VERBS)] if "status" in below else []
    if "scale" in below:
        subresources.insert(0, Subresource("scale", "Scale", STATUS_VERBS, "autoscaling", "v1"))
    return Kind(
        spec["group"],
        version["name"],
        names["plural"],
        names["kind"],
        spec["scope"] == "Namespaced",
        names.get("singular") or "",
        tuple(names.get("shortNames") or ()),
        tuple(names.get("categories") or ()),
        ALL_VERBS,
        tuple(subresources),
        names.get("listKind") or "",
        custom=True,
        schema=dig(version, "schema", "openAPIV3Schema"),
        columns=tuple(version.get("additionalPrinterColumns") or ()),
        scale=below.get("scale"),
    )


def _priority(version: str) -> tuple[int, list[int], str]:
    """Sort key: v2, v1, v1beta2, v1alpha1, then anything else by name."""
    rest, stage = version[1:], 0
    for level, word in ((2, "alpha"), (1, "beta")):
        if word in rest:
            rest, stage = rest.replace(word, "."), level
    numbers = rest.split(".")
    if not version.startswith("v") or not all(part.isdigit() for part in numbers):
        return 3, [], version
    return stage, [-int(part) for part in numbers], version
