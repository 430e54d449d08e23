"""The verbs: what is done for a request that names a resource."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace as changed_copy
from typing import TYPE_CHECKING, Any

import yaml

from . import listing, scaling
from .accept import Wanted, negotiate
from .call import Answer, Call, Stream, answered, parsed, warnings
from .kinds import Kind
from .objects import Object, canonical, metadata
from .patches import json_patch, merge_patch, strategic_merge
from .paths import Target, first, is_true
from .registry import Registry
from .schemas import schema_of
from .status import (
    ApiError,
    bad_request,
    invalid_options,
    method_not_allowed,
    no_such_resource,
    required_value,
    unsupported_value,
)
from .strategy import Deletion, Options
from .tables import partial, table
from .watching import Watch

if TYPE_CHECKING:
    from twisted.internet.interfaces import IReactorTime

_JSON_PATCH = "application/json-patch+json"
_MERGE_PATCH = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_APPLY = ("application/apply-patch+yaml", "application/apply-patch+json")
_PLAIN = Wanted()
_OPTION_KINDS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}
Subresource = Callable[[Call, Target, Kind], "Answer | Stream"]


class Rest:
    """
    Answers calls on resources.

    @ivar virtual: C{(group, resource)} or C{(group, resource/subresource)} to what answers it instead.
    """

    def __init__(self, registry: Registry, clock: IReactorTime) -> None:
        self._registry = registry
        self._clock = clock
        self.virtual: dict[tuple[str, str], Subresource] = {}
        self._watches: set[Watch] = set()

    def stop(self) -> None:
        """End all watches."""
        for watch in list(self._watches):
            watch.finish()

    def answer(self, call: Call, target: Target) -> Answer | Stream:
        """
        @raise ApiError: it is refused.
        """
        kind = self._registry.kinds.find(target.group, target.version, target.resource)
        if kind is None or (target.namespace and not kind.namespaced and target.resource != "namespaces"):
            raise no_such_resource()
        if target.subresource and kind.subresource(target.subresource) is None:
            raise no_such_resource()
        special = self.virtual.get((target.group, f"{target.resource}/{target.subresource}".rstrip("/")))
        if special is not None:
            return special(call, target, kind)
        verbs: dict[str, Subresource] = {
            "get": self._get,
            "list": self._list,
            "watch": self._watch,
            "create": self._create,
            "update": self._update,
            "patch": self._patch,
            "delete": self._delete,
            "deletecollection": self._delete_collection,
        }
        sub = kind.subresource(target.subresource)
        allowed = sub.verbs if sub is not None else kind.verbs
        if target.verb not in allowed or call.method == "HEAD" or not _addressed(target, kind):
            raise method_not_allowed()
        if target.subresource == "scale":
            return self._scale(call, target, kind)
        return verbs[target.verb](call, target, kind)

    def _get(self, call: Call, target: Target, kind: Kind) -> Answer:
        wanted = negotiate(call.accept)
        listing.check_version(call.query, self._registry.store)
        return self._object(call, kind, self._registry.get(kind, _namespace(target), target.name), wanted=wanted)

    def _list(self, call: Call, target: Target, kind: Kind) -> Answer:
        wanted = negotiate(call.accept)
        found = listing.page(self._registry.store, kind, _namespace(target), call.query)
        return self._items(call, kind, found, wanted)

    def _items(self, call: Call, kind: Kind, found: listing.Page, wanted: Wanted) -> Answer:
        if wanted.shape == "Table":
            include = first(call.query, "includeObject") or "Metadata"
            items = [_served(kind, obj) for obj in found.items]
            return answered(call, table(kind, items, found.metadata, include, self._clock.seconds()))
        if wanted.shape:
            head: Object = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1"}
            return answered(call, head | {"metadata": found.metadata, "items": [partial(obj) for obj in found.items]})
        body: Object = {"kind": kind.items_kind, "apiVersion": kind.api_version, "metadata": found.metadata}
        body["items"] = [_item(kind, obj) for obj in found.items]
        return _written(call, body, 200, wanted)

    def _watch(self, call: Call, target: Target, kind: Kind) -> Stream:
        wanted = negotiate(call.accept)
        store = self._registry.store
        watched = listing.watched(store, kind, _namespace(target), call.query)
        include = first(call.query, "includeObject") or "Metadata"
        told = False

        def shape(obj: Object) -> Object:
            nonlocal told
            if not wanted.shape:
                return _served(kind, obj)
            if wanted.shape != "Table":
                return partial(obj)
            meta = {"resourceVersion": metadata(obj).get("resourceVersion", "")}
            shown = table(kind, [_served(kind, obj)], meta, include, self._clock.seconds())
            if told:
                shown["columnDefinitions"] = None
            told = True
            return shown

        watch = Watch(changed_copy(watched, shape=shape), store, self._clock, self._watches)
        return watch.begin

    def _create(self, call: Call, target: Target, kind: Kind) -> Answer:
        options = _options(call, "create")
        wanted = negotiate(call.accept)
        made = self._registry.create(kind, _namespace(target), call.document(kind.kind), options)
        return self._object(call, kind, made, 201, options, wanted)

    def _update(self, call: Call, target: Target, kind: Kind) -> Answer:
        options = _options(call, "update")
        wanted = negotiate(call.accept)
        given = call.document(kind.kind)
        if target.subresource == "finalize":
            made = self._finalize(target, kind, given, options)
        else:
            made = self._registry.replace(kind, _namespace(target), target.name, given, options, target.subresource)
        return self._object(call, kind, made, 200, options, wanted)

    def _finalize(self, target: Target, kind: Kind, given: Object, options: Options) -> Object:
        def change(obj: Object) -> Object:
            obj["spec"] = given.get("spec") or {}
            obj["spec"].setdefault("finalizers", [])
            return obj

        return self._registry.change(kind, "", target.name, change, options)

    def _patch(self, call: Call, target: Target, kind: Kind) -> Answer:
        options = _options(call, "patch")
        wanted = negotiate(call.accept)
        media_type = call.media_type()
        namespace, name, sub = _namespace(target), target.name, target.subresource
        if media_type in _APPLY:
            if not first(call.query, "fieldManager"):
                raise invalid_options("PatchOptions", required_value("fieldManager", "is required for apply patch"))
            given = parsed(call.body, True, kind.kind)
            made, new = self._registry.apply(kind, namespace, name, given, options, sub)
            return self._object(call, kind, made, 201 if new else 200, options, wanted)
        change = patcher(kind, media_type, call.body)
        made = self._registry.change(kind, namespace, name, change, options, sub)
        return self._object(call, kind, made, 200, options, wanted)

    def _delete(self, call: Call, target: Target, kind: Kind) -> Answer:
        deletion = _deletion(call)
        found, gone = self._registry.delete(kind, _namespace(target), target.name, deletion)
        if gone and (kind.group, kind.resource) not in _GIVEN_BACK:
            details: Object = {"name": target.name} | ({"group": kind.group} if kind.group else {})
            details |= {"kind": kind.resource, "uid": metadata(found)["uid"]}
            body: Object = {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Success",
                "details": details,
            }
            return answered(call, body)
        return self._object(call, kind, found)

    def _delete_collection(self, call: Call, target: Target, kind: Kind) -> Answer:
        deletion = _deletion(call)
        found = listing.page(self._registry.store, kind, _namespace(target), call.query)
        for obj in found.items:
            meta = metadata(obj)
            self._registry.delete(kind, meta.get("namespace", ""), meta["name"], deletion)
        return self._items(call, kind, found, Wanted())

    def _scale(self, call: Call, target: Target, kind: Kind) -> Answer:
        namespace, name = _namespace(target), target.name
        found = self._registry.get(kind, namespace, name)
        if target.verb == "get":
            return answered(call, scaling.scale_of(kind, found))
        options = _options(call, target.verb)
        if target.verb == "update":
            wanted = call.document("Scale")
        else:
            wanted = patcher(scaling.SCALE, call.media_type(), call.body)(scaling.scale_of(kind, found))
        made = self._registry.change(kind, namespace, name, lambda obj: scaling.scaled(kind, obj, wanted), options)
        return answered(call, scaling.scale_of(kind, made))

    def _object(
        self,
        call: Call,
        kind: Kind,
        obj: Object,
        code: int = 200,
        options: Options | None = None,
        wanted: Wanted = _PLAIN,
    ) -> Answer:
        headers = warnings(options.warnings) if options else ()
        shown = _served(kind, obj)
        if wanted.shape == "Table":
            include = first(call.query, "includeObject") or "Metadata"
            meta = {"resourceVersion": metadata(obj).get("resourceVersion", "")}
            return answered(call, table(kind, [shown], meta, include, self._clock.seconds()), code, headers)
        if wanted.shape:
            return answered(call, partial(obj), code, headers)
        return _written(call, shown, code, wanted, headers)


_GIVEN_BACK = frozenset({("", "pods"), ("", "services"), ("", "namespaces")})


def _addressed(target: Target, kind: Kind) -> bool:
    """Is a write to a namespaced resource sent to a namespace, and a create to a collection?"""
    if target.verb == "create" and target.name and not target.subresource:
        return False
    if target.verb in ("update", "patch") and not target.name:
        return False
    return not (kind.namespaced and not target.namespace and target.verb not in ("list", "watch"))


def _namespace(target: Target) -> str:
    return "" if target.resource == "namespaces" and not target.group else target.namespace


def _served(kind: Kind, obj: Object) -> Object:
    return canonical(obj, kind.api_version, kind.kind)


def _item(kind: Kind, obj: Object) -> Object:
    shown = _served(kind, obj)
    if not kind.custom:
        # Typed lists leave the kind of their items out; lists of custom resources do not.
        del shown["kind"], shown["apiVersion"]
    return shown


def _written(call: Call, body: Any, code: int, wanted: Wanted, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    if wanted.yaml:
        return Answer(code, yaml.safe_dump(body).encode(), "application/yaml", headers)
    return answered(call, body, code, headers)


def patcher(kind: Kind, media_type: str, body: bytes) -> Callable[[Object], Object]:
    """
    What a patch does to an object.

    @raise ApiError: 400 or 415.
    """
    if media_type not in (_JSON_PATCH, _MERGE_PATCH, _STRATEGIC) or (media_type == _STRATEGIC and kind.custom):
        raise ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {})
    try:
        patch = json.loads(body)
    except ValueError as error:
        raise bad_request(f"error decoding patch: {error}") from None
    if media_type == _JSON_PATCH:
        return lambda obj: json_patch(obj, patch)
    if not isinstance(patch, dict):
        raise bad_request(
            "error decoding patch: json: cannot unmarshal value into Go value of type map[string]interface {}"
        )
    if media_type == _MERGE_PATCH:
        return lambda obj: merge_patch(obj, patch)
    return lambda obj: strategic_merge(schema_of(kind), obj, patch)


def _options(call: Call, verb: str) -> Options:
    kind = _OPTION_KINDS[verb]
    dry_run = call.query.get("dryRun", ())
    if any(value != "All" for value in dry_run):
        cause = unsupported_value("dryRun", list(dry_run), ("All",))
        raise invalid_options(kind, (cause[0], cause[1].replace('", "', '","'), cause[2]))
    strictness = first(call.query, "fieldValidation") or "Warn"
    if strictness not in ("Ignore", "Warn", "Strict"):
        cause = unsupported_value("fieldValidation", strictness, ("Ignore", "Strict", "Warn"))
        raise invalid_options(kind, cause)
    agent = call.headers.get("user-agent", "").partition("/")[0][:128] or "unknown"
    manager = first(call.query, "fieldManager") or agent
    return Options(manager, bool(dry_run), strictness, is_true(first(call.query, "force")))


def _deletion(call: Call) -> Deletion:
    given = call.document("DeleteOptions") if call.body.strip() else {}
    before = given.get("preconditions") or {}
    grace = given.get("gracePeriodSeconds", first(call.query, "gracePeriodSeconds") or None)
    policy = given.get("propagationPolicy") or first(call.query, "propagationPolicy") or "Background"
    if policy not in ("Background", "Foreground", "Orphan"):
        cause = unsupported_value("propagationPolicy", policy, ("Foreground", "Background", "Orphan", "nil"))
        raise invalid_options("DeleteOptions", cause)
    dry_run = bool(given.get("dryRun") or call.query.get("dryRun"))
    seconds = int(grace) if grace is not None else None
    return Deletion(before.get("uid") or "", before.get("resourceVersion") or "", seconds, policy, dry_run)
