"""Who owns which field: C{managedFields} kept up to date, and server-side apply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .fieldsets import Fields, Path, child, decode, dotted, encode, is_granular, item_step, leaves
from .objects import Object, copied, metadata
from .schemas import resolve
from .status import ApiError


@dataclass(frozen=True, slots=True)
class Writer:
    """
    Who writes, as an entry of C{managedFields} names it.

    @ivar time: when, as RFC 3339.
    """

    manager: str
    operation: str
    api_version: str
    time: str
    subresource: str = ""

    def is_of(self, entry: Object) -> bool:
        return (
            entry.get("manager") == self.manager
            and entry.get("operation") == self.operation
            and entry.get("apiVersion") == self.api_version
            and entry.get("subresource", "") == self.subresource
        )

    def entry(self, fields: Fields, time: str = "") -> Object:
        found: Object = {"manager": self.manager, "operation": self.operation, "apiVersion": self.api_version}
        found |= {"time": time or self.time, "fieldsType": "FieldsV1", "fieldsV1": encode(fields)}
        return found | ({"subresource": self.subresource} if self.subresource else {})


def updated(schema: Object, before: Object | None, after: Object, writer: Writer) -> None:
    """
    Record in C{after} (changed in place) that the writer now owns what it changed by an ordinary write.
    """
    old = leaves(schema, before or {}, maps=True)
    new = leaves(schema, after, maps=True)
    changed = {path for path, value in new.items() if path not in old or old[path] != value}
    entries = list((before or {}).get("metadata", {}).get("managedFields") or ())
    mine: Fields = set()
    time = ""
    others: list[Object] = []
    for entry in entries:
        fields = decode(entry.get("fieldsV1") or {}) & set(new)
        if writer.is_of(entry):
            mine, time = fields, entry.get("time", "")
        elif fields - changed:
            others.append({**entry, "fieldsV1": encode(fields - changed)})
    if mine | changed:
        others.append(writer.entry(mine | changed, "" if changed else time))
    _set(after, others)


def _set(obj: Object, entries: list[Object]) -> None:
    # Appliers come first, each kind in the order in which it wrote: as kube-apiserver shows them.
    entries.sort(key=lambda entry: (entry.get("operation") != "Apply", entry.get("time", ""), entry.get("manager", "")))
    if entries:
        metadata(obj)["managedFields"] = entries
    else:
        metadata(obj).pop("managedFields", None)


def applied(schema: Object, live: Object | None, wanted: Object, writer: Writer, force: bool) -> Object:
    """
    Server-side apply: what the object becomes.

    @raise ApiError: 409, another manager owns a field that would change, and C{force} is false.
    """
    intent = leaves(schema, wanted, maps=False)
    base: Object = copied(live) if live is not None else {}
    now = leaves(schema, base, maps=True)
    mine: Fields = set()
    others: list[tuple[Object, Fields]] = []
    for entry in (base.get("metadata") or {}).get("managedFields") or ():
        fields = decode(entry.get("fieldsV1") or {})
        if writer.is_of(entry):
            mine = fields
        else:
            others.append((entry, fields))
    changing = {path for path, value in intent.items() if path not in now or now[path] != value}
    if not force:
        _refuse_conflicts(others, changing)
    kept = set().union(*(fields for _, fields in others)) if others else set()
    result: Object = _merge(schema, base, wanted)
    for path in sorted(mine - set(intent) - kept, key=len, reverse=True):
        if not any(other[: len(path)] == path for other in kept | set(intent)):
            _remove(schema, result, path)
    entries = [{**entry, "fieldsV1": encode(left)} for entry, fields in others if (left := fields - changing)]
    _set(result, [*entries, writer.entry(set(intent))])
    return result


def _refuse_conflicts(others: list[tuple[Object, Fields]], changing: Fields) -> None:
    causes: list[tuple[str, str]] = []
    for entry, fields in others:
        using = f' with subresource "{entry["subresource"]}"' if entry.get("subresource") else ""
        applier = "" if entry.get("operation") == "Apply" else f" using {entry.get('apiVersion')}"
        said = f'conflict with "{entry.get("manager")}"{using}{applier}'
        causes += [(said, dotted(path)) for path in sorted(fields & changing)]
    if not causes:
        return
    if len(causes) == 1:
        message = f"Apply failed with 1 conflict: {causes[0][0]}: {causes[0][1]}"
    else:
        by_manager: dict[str, list[str]] = {}
        for said, field in causes:
            by_manager.setdefault(said.replace("conflict with", "conflicts with", 1), []).append(f"- {field}")
        told = "\n".join(f"{said}:\n" + "\n".join(fields) for said, fields in by_manager.items())
        message = f"Apply failed with {len(causes)} conflicts: {told}"
    details = {"causes": [{"reason": "FieldManagerConflict", "message": said, "field": f} for said, f in causes]}
    raise ApiError(409, "Conflict", message, details)


def _merge(schema: Object, live: Any, wanted: Any) -> Any:
    schema = resolve(schema)
    if isinstance(wanted, dict) and isinstance(live, dict) and schema.get("x-kubernetes-map-type") != "atomic":
        merged = dict(live)
        for key, value in wanted.items():
            merged[key] = _merge(child(schema, key), live.get(key), value)
        return merged
    if not (isinstance(wanted, list) and isinstance(live, list) and is_granular(schema, wanted)):
        return copied(wanted)
    items = resolve(schema.get("items") or {})
    steps = {item_step(schema, item): item for item in live}
    for item in wanted:
        step = item_step(schema, item)
        steps[step] = _merge(items, steps[step], item) if step in steps else copied(item)
    return list(steps.values())


def _remove(schema: Object, obj: Any, path: Path) -> None:
    """Take a field out, if it is there."""
    schema = resolve(schema)
    step, rest = path[0], path[1:]
    if isinstance(obj, dict) and step.startswith("f:"):
        key = step[2:]
        if rest and key in obj:
            _remove(child(schema, key), obj[key], rest)
        elif not rest:
            obj.pop(key, None)
    elif isinstance(obj, list):
        for index, item in enumerate(obj):
            if item_step(schema, item) == step:
                if rest:
                    _remove(resolve(schema.get("items") or {}), item, rest)
                else:
                    del obj[index]
                return
