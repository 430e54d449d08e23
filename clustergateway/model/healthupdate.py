"""The body of an update of C{clustergateways/health}."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..errors import BadRequest, PayloadTooLarge, UnsupportedMediaType
from .gateway import Health
from .negotiation import JSON
from .objects import API_VERSION

MAXIMUM_BODY = 1 << 20
"""Bytes; a ClusterGateway with the largest CA bundle that anybody has is a tenth of it."""


@dataclass(frozen=True, slots=True)
class HealthUpdate:
    """
    @ivar resource_version: that the writer has seen, C{""} if it does not matter.
    """

    health: Health
    resource_version: str


def parse_health_update(body: bytes, content_type: str, name: str) -> HealthUpdate:
    """
    @param content_type: the header's value, C{""} if there was none.
    @param name: of the cluster, as in the URL.
    @raise BadRequest: it is no ClusterGateway, or another one. As in kube-apiserver the name has to be given; kind and
        version are understood.
    @raise PayloadTooLarge: it is larger than any ClusterGateway.
    @raise UnsupportedMediaType: it is not JSON. YAML is not read: a body of this size would hold up everybody else.
    """
    if len(body) > MAXIMUM_BODY:
        raise PayloadTooLarge(f"the body is larger than {MAXIMUM_BODY} bytes")
    content = _decode(body, content_type.partition(";")[0].strip().lower())
    if content.get("kind") not in (None, "", "ClusterGateway") or content.get("apiVersion") not in (
        None,
        "",
        API_VERSION,
    ):
        raise BadRequest(f"the object provided is not a ClusterGateway of {API_VERSION}")
    metadata = _member(content, "metadata")
    named = _text(metadata, "name")
    if not named:
        raise BadRequest(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if named != name:
        raise BadRequest(f"the name of the object ({named}) does not match the name on the URL ({name})")
    status = _member(content, "status")
    healthy = status.get("healthy")
    if healthy is not None and not isinstance(healthy, bool):
        raise BadRequest("status.healthy must be true or false")
    return HealthUpdate(Health(healthy, _text(status, "healthyReason")), _text(metadata, "resourceVersion"))


def _decode(body: bytes, media_type: str) -> dict[str, Any]:
    if media_type not in ("", JSON):
        raise UnsupportedMediaType(f"the body of the request was in an unknown format; accepted media types: {JSON}")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("the body of the request cannot be decoded") from None
    if not isinstance(content, dict):
        raise BadRequest("the body of the request is not an object")
    return content


def _member(content: dict[str, Any], name: str) -> dict[str, Any]:
    member = content.get(name)
    if member is None:
        return {}
    if not isinstance(member, dict):
        raise BadRequest(f"{name} must be an object")
    return member


def _text(content: dict[str, Any], name: str) -> str:
    text = content.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise BadRequest(f"{name} must be a string")
    return text
