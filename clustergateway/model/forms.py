"""
The forms in which objects are answered: as they are, as a Table for people, or their metadata alone.

Everything is JSON, put together from what L{clustergateway.model.rendered} has encoded.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from ..errors import BadRequest
from .kinds import Column, Kind
from .negotiation import PLAIN, Transform
from .objects import API_VERSION
from .paging import Page
from .query import Values, first
from .rendered import Rendered, encode, render

META = "meta.k8s.io"
META_VERSIONS = ("v1", "v1beta1")


def _offered(*kinds: str) -> frozenset[Transform]:
    return frozenset((kind, META, version) for kind in kinds for version in META_VERSIONS)


OF_ONE = _offered("Table", "PartialObjectMetadata")
OF_MANY = _offered("Table", "PartialObjectMetadataList")
INCLUDES = ("", "None", "Metadata", "Object")


@dataclass(frozen=True, slots=True)
class Form:
    """
    How to answer with objects of one kind.

    @ivar include: what a table's rows carry beside their cells: C{None}, C{Metadata} or C{Object}; C{""} is metadata.
    """

    kind: Kind
    transform: Transform = PLAIN
    include: str = ""

    def one(self, item: Rendered) -> bytes:
        """A single object."""
        if self.transform == PLAIN:
            return item.full
        if self._is_table:
            return self._table([item], b"{" + _field("resourceVersion", str(item.version)) + b"}", headers=True)
        return self._partial(item)

    def many(self, page: Page[Rendered]) -> bytes:
        """A list, or a page of it."""
        metadata: dict[str, object] = {"resourceVersion": str(page.version)}
        if page.continue_token:
            metadata["continue"] = page.continue_token
        if page.remaining is not None:
            metadata["remainingItemCount"] = page.remaining
        encoded = encode(metadata)
        if self._is_table:
            return self._table(page.items, encoded, headers=True)
        if self.transform == PLAIN:
            head = _type(f"{self.kind.kind}List", API_VERSION)
            return _list(head, encoded, b",".join(item.full for item in page.items))
        head = _type("PartialObjectMetadataList", self._meta_version)
        return _list(head, encoded, b",".join(map(self._partial, page.items)))

    def event(self, kind: str, item: Rendered, headers: bool) -> bytes:
        """
        A line of a watch.

        @param headers: whether a table names its columns, as that of the first event does.
        """
        if self._is_table:
            shown = self._table([item], b"{" + _field("resourceVersion", str(item.version)) + b"}", headers)
        else:
            shown = self.one(item)
        return event_line(kind, shown)

    def bookmark(self, version: int, initial_events_end: bool) -> Rendered:
        """What a BOOKMARK event carries: an object with nothing but its resource version."""
        metadata: dict[str, object] = {"resourceVersion": str(version)}
        if initial_events_end:
            metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
        shown = {"kind": self.kind.kind, "apiVersion": API_VERSION, "metadata": metadata, "spec": {}}
        return render(shown, [""] * len(self.kind.columns), version)

    @property
    def _is_table(self) -> bool:
        return self.transform[0] == "Table"

    @property
    def _meta_version(self) -> str:
        return f"{META}/{self.transform[2]}"

    def _partial(self, item: Rendered) -> bytes:
        return b"{" + _type("PartialObjectMetadata", self._meta_version) + b',"metadata":' + item.metadata + b"}"

    def _table(self, items: Iterable[Rendered], metadata: bytes, headers: bool) -> bytes:
        columns = encode([_column(column) for column in self.kind.columns]) if headers else b"null"
        rows = b",".join(b'{"cells":%b,"object":%b}' % (item.cells, self._included(item)) for item in items)
        head = _type("Table", self._meta_version)
        return b'{%b,"metadata":%b,"columnDefinitions":%b,"rows":[%b]}' % (head, metadata, columns, rows)

    def _included(self, item: Rendered) -> bytes:
        if self.include == "None":
            return b"null"
        return item.full if self.include == "Object" else self._partial(item)


def form_of(kind: Kind, transform: Transform, values: Values) -> Form:
    """
    @param values: the query; C{includeObject} is read from it.
    @raise BadRequest: C{includeObject} is none of those there are.
    """
    include = first(values, "includeObject") if transform[0] == "Table" else ""
    if include not in INCLUDES:
        raise BadRequest(f'unable to convert to Table as requested: unrecognized includeObject value: "{include}"')
    return Form(kind, transform, include)


def event_line(kind: str, encoded: bytes) -> bytes:
    """
    @param encoded: the event's object as JSON.
    """
    return b'{"type":"%b","object":%b}\n' % (kind.encode("ascii"), encoded)


@lru_cache
def _type(kind: str, api_version: str) -> bytes:
    return _field("kind", kind) + b"," + _field("apiVersion", api_version)


def _field(name: str, value: str) -> bytes:
    return encode({name: value})[1:-1]


def _list(head: bytes, metadata: bytes, items: bytes) -> bytes:
    return b'{%b,"metadata":%b,"items":[%b]}' % (head, metadata, items)


def _column(column: Column) -> dict[str, object]:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }
