"""Content negotiation: which of the representations that the client accepts is given."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .status import ApiError, not_acceptable

OFFERED = ("application/json", "application/yaml")
_SHAPES = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What the client gets.

    @ivar shape: C{""} for the object itself, C{Table}, C{PartialObjectMetadata} or C{PartialObjectMetadataList}.
    @ivar yaml: as YAML rather than JSON.
    """

    shape: str = ""
    yaml: bool = False
    stream: bool = False


def media_ranges(accept: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Media types of an Accept header with their parameters, in the order of preference (by q, then as written)."""
    found = []
    for position, one in enumerate(accept.split(",")):
        name, *given = (part.strip() for part in one.split(";"))
        parameters = {
            key.strip().lower(): value.strip().strip('"') for key, _, value in (g.partition("=") for g in given)
        }
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        if name and quality > 0:
            found.append((-quality, position, name.lower(), parameters))
    for _, _, name, parameters in sorted(found, key=lambda one: one[:2]):
        yield name, parameters


def negotiate(accept: str) -> Wanted:
    """
    @raise ApiError: 406, nothing that is accepted is offered.
    """
    shaped = False
    for name, parameters in media_ranges(accept or "*/*"):
        if name not in ("*/*", "application/*", *OFFERED):
            continue
        shape = parameters.get("as", "")
        known = shape in _SHAPES and parameters.get("g") == "meta.k8s.io" and parameters.get("v") == "v1"
        if shape and not known:
            shaped = True
            continue
        return Wanted(shape, name == "application/yaml", parameters.get("stream") == "watch")
    if shaped:
        raise not_acceptable(OFFERED)
    offered = ", ".join((*OFFERED, "application/json;stream=watch"))
    message = f"406: Not Acceptable\n\nAvailable representations: {offered}"
    raise ApiError(406, "NotAcceptable", message, {})


def wants_aggregated(accept: str) -> str:
    """
    The version of aggregated discovery that is preferred, C{""} for the plain kind.
    """
    for name, parameters in media_ranges(accept):
        if name != "application/json":
            continue
        if parameters.get("as") == "APIGroupDiscoveryList" and parameters.get("g") == "apidiscovery.k8s.io":
            if parameters.get("v") in ("v2", "v2beta1"):
                return parameters["v"]
            continue
        return ""
    return ""
