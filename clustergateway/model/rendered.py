"""
An object of the API as bytes. It is encoded once, when it changes, in the parts that every answer is put together from:
a list of ten thousand is then a join, not ten thousand encodings between two turns of the reactor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Rendered:
    """
    @ivar created: RFC 3339, C{""} if not known.
    @ivar full: the object as JSON.
    @ivar metadata: its C{metadata} alone, as JSON.
    @ivar cells: its table cells, a JSON list.
    """

    name: str
    version: int
    labels: Mapping[str, str]
    created: str
    full: bytes
    metadata: bytes
    cells: bytes


def encode(value: Any) -> bytes:
    """As compact JSON."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


def render(shown: Mapping[str, Any], cells: list[Any], version: int) -> Rendered:
    """
    @param shown: a Kubernetes object; its C{metadata.resourceVersion} is C{version}.
    """
    metadata = shown["metadata"]
    return Rendered(
        name=metadata.get("name", ""),
        version=version,
        labels=metadata.get("labels", {}),
        created=metadata.get("creationTimestamp") or "",
        full=encode(shown),
        metadata=encode(metadata),
        cells=encode(cells),
    )
