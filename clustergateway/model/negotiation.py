"""
Which form the client wants its answer in: media type, and the transformation (C{as}, C{g}, C{v}) written into it.

As kube-apiserver: the first clause by quality that can be met wins, unknown parameters are ignored, a clause that asks
for a transformation that is not offered is passed over.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ..errors import NotAcceptable

JSON = "application/json"
YAML = "application/yaml"

Transform = tuple[str, str, str]
"""C{(kind, group, version)}: the parameters C{as}, C{g} and C{v}."""

PLAIN: Transform = ("", "", "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """@ivar transform: C{PLAIN} for the object as it is."""

    media_type: str = JSON
    transform: Transform = PLAIN
    pretty: bool = False


def negotiate(accept: str, transforms: Collection[Transform] = (), types: tuple[str, ...] = (JSON, YAML)) -> Wanted:
    """
    @param accept: the Accept header's value, several joined by commas; C{""} if there was none.
    @param types: what can be produced; the first is preferred by whoever accepts anything.
    @raise NotAcceptable: nothing that is accepted can be produced.
    """
    if not accept.strip():
        return Wanted(types[0])
    for media_range, parameters in _clauses(accept):
        transform = (parameters.get("as", ""), parameters.get("g", ""), parameters.get("v", ""))
        if transform != PLAIN and transform not in transforms:
            continue
        for offered in types:
            if media_range in (offered, "*/*", offered.partition("/")[0] + "/*"):
                return Wanted(offered, transform, parameters.get("pretty") == "1")
    raise NotAcceptable(f"only the following media types are accepted: {', '.join(types)}")


def _clauses(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Media range (lowercased) and parameters of each clause, best quality first, those of quality 0 left out."""
    found: list[tuple[float, str, dict[str, str]]] = []
    for clause in accept.split(","):
        media_range, *rest = (part.strip() for part in clause.split(";"))
        pairs = (part.partition("=") for part in rest)
        parameters = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
        quality = _quality(parameters.get("q", ""))
        if media_range and quality > 0:
            found.append((quality, media_range.lower(), parameters))
    found.sort(key=lambda each: -each[0])  # a stable sort: the client's order among equals
    return [(media_range, parameters) for _, media_range, parameters in found]


def _quality(text: str) -> float:
    try:
        quality = float(text) if text else 1.0
    except ValueError:
        return 1.0
    return quality if quality == quality else 0.0  # not a number
