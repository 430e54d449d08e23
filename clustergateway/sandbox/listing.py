"""Collections: list, with selectors, versions and pages; and the options of a watch on the same parameters."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass

from .kinds import Kind
from .objects import Object, dumps, metadata
from .paths import Query, first, is_true
from .selectors import Matcher, field_matcher, label_matcher
from .status import (
    ApiError,
    bad_request,
    forbidden_value,
    invalid_options,
    too_large_version,
    unsupported_value,
)
from .store import Store
from .watching import Watched

_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Page:
    """A list's items and its metadata."""

    items: list[Object]
    metadata: Object


def matcher(kind: Kind, query: Query) -> Matcher:
    """
    The predicate that C{labelSelector} and C{fieldSelector} make together.

    @raise ApiError: 400.
    """
    labels = label_matcher(first(query, "labelSelector"))
    fields = field_matcher(first(query, "fieldSelector"), kind.group, kind.resource)
    return lambda obj: labels(obj) and fields(obj)


def _version(query: Query) -> int:
    written = first(query, "resourceVersion")
    if written and not written.isdigit():
        why = f'strconv.ParseUint: parsing "{written}": invalid syntax'
        raise bad_request(f'invalid resource version: resourceVersion: Invalid value: "{written}": {why}')
    return int(written or "0")


def check_version(query: Query, store: Store) -> None:
    """
    For a get.

    @raise ApiError: 504, it asks for a version that is not there yet.
    """
    asked = _version(query)
    if asked > store.revision:
        raise too_large_version(asked, store.revision)


def _check_match(query: Query) -> str:
    match = first(query, "resourceVersionMatch")
    if match not in ("", "Exact", "NotOlderThan"):
        cause = unsupported_value("resourceVersionMatch", match, ("Exact", "NotOlderThan", ""))
        raise invalid_options("ListOptions", cause)
    if match and not first(query, "resourceVersion") and not first(query, "sendInitialEvents"):
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise invalid_options("ListOptions", forbidden_value("resourceVersionMatch", why))
    return match


def _limit(query: Query) -> int:
    written = first(query, "limit")
    if written and not written.lstrip("-").isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{written}": invalid syntax')
    return max(0, int(written or "0"))


def page(store: Store, kind: Kind, namespace: str, query: Query) -> Page:
    """
    One page of a list.

    @raise ApiError: 400, 410, 422 or 504 for its parameters.
    """
    wanted = matcher(kind, query)
    match = _check_match(query)
    limit = _limit(query)
    asked = _version(query)
    start, revision = "", store.revision
    token = first(query, "continue")
    if token:
        start, revision = _continued(token, store)
    elif asked > store.revision:
        raise too_large_version(asked, store.revision)
    elif asked and (match == "Exact" or (limit and match == "")):
        revision = asked
    objects = _listed(store, kind, namespace, revision, start)
    items = [obj for obj in objects if _place(obj, namespace) >= start and wanted(obj)]
    meta: Object = {"resourceVersion": str(revision)}
    if limit and len(items) > limit:
        meta["continue"] = _token(revision, _place(items[limit - 1], namespace) + "\0")
        if not first(query, "labelSelector") and not first(query, "fieldSelector"):
            meta["remainingItemCount"] = len(items) - limit
        items = items[:limit]
    return Page(items, meta)


def _listed(store: Store, kind: Kind, namespace: str, revision: int, start: str) -> list[Object]:
    if revision == store.revision:
        return store.listed(kind.group, kind.resource, namespace)
    try:
        return store.listed_at(revision, kind.group, kind.resource, namespace)
    except ApiError as error:
        if not start:
            raise
        raise StaleContinue(_token(-1, start)) from error


class StaleContinue(ApiError):
    """
    410 for a continue token, with one to go on with inconsistently.
    """

    def __init__(self, token: str) -> None:
        super().__init__(410, "Expired", _TOO_OLD)
        self.token = token

    def status(self) -> Object:
        return {**super().status(), "metadata": {"continue": self.token}}


def _place(obj: Object, namespace: str) -> str:
    meta = metadata(obj)
    inside = meta.get("namespace", "")
    return f"{inside}/{meta['name']}" if inside and not namespace else f"/{meta['name']}"


def _token(revision: int, start: str) -> str:
    written = dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": start})
    return base64.urlsafe_b64encode(written).decode().rstrip("=")


def _continued(token: str, store: Store) -> tuple[str, int]:
    try:
        read = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        start, revision = str(read["start"]), int(read["rv"])
    except (ValueError, KeyError, TypeError) as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from None
    return start, store.revision if revision == -1 else min(revision, store.revision)


def watched(store: Store, kind: Kind, namespace: str, query: Query) -> Watched:
    """
    What a watch with these parameters watches, in its plain form.

    @raise ApiError: 400 or 422.
    """
    initial = first(query, "sendInitialEvents")
    match = first(query, "resourceVersionMatch")
    bookmarks = is_true(first(query, "allowWatchBookmarks"))
    if initial and match != "NotOlderThan":
        why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise invalid_options("ListOptions", forbidden_value("resourceVersionMatch", why))
    if match and not initial:
        why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
        raise invalid_options("ListOptions", forbidden_value("resourceVersionMatch", why))
    wanted = matcher(kind, query)
    written = first(query, "resourceVersion")
    if written and not written.isdigit():
        why = f'resourceVersion: Invalid value: "{written}": strconv.ParseUint: parsing "{written}": invalid syntax'
        raise ApiError(500, "", why)
    fresh = written in ("", "0") or is_true(initial)
    if initial and not is_true(initial):
        fresh = False
    seconds = first(query, "timeoutSeconds")
    return Watched(
        kind.group,
        kind.resource,
        namespace,
        None if fresh else (int(written) if written not in ("", "0") else store.revision),
        wanted,
        lambda obj: obj,
        lambda: {"kind": kind.kind, "apiVersion": kind.api_version},
        bookmarks,
        bookmarks and fresh and (is_true(initial) or written == "0"),
        float(seconds) if seconds.isdigit() and int(seconds) else 1800.0,
    )
