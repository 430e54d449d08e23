"""An AddOnDeploymentConfig: where the gateway's Deployment runs, from which image, with how much. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError

Object = Mapping[str, Any]
IMAGE_VARIABLE = "Image"
REPLICAS_VARIABLE = "Replicas"


@dataclass(frozen=True, slots=True)
class Placement:
    """
    @ivar registries: (source, mirror): an image below the source is taken from the mirror; the longest source counts.
    @ivar resources: (container, resources); a container is C{KIND:NAME:CONTAINER}, each part may be C{*}.
    @ivar image: instead of the configuration's, C{""} for that one.
    """

    node_selector: Object
    tolerations: tuple[Object, ...] = ()
    registries: tuple[tuple[str, str], ...] = ()
    resources: tuple[tuple[str, Object], ...] = ()
    image: str = ""
    replicas: int = 3

    def image_for(self, configured: str) -> str:
        """The image to run."""
        image = self.image or configured
        for source, mirror in sorted(self.registries, key=lambda pair: len(pair[0]), reverse=True):
            if not source:
                # Without a source the mirror stands for whatever registry and path the image has.
                return f"{mirror.rstrip('/')}/{image.rpartition('/')[2]}"
            if image == source or image.startswith(f"{source.rstrip('/')}/"):
                return mirror.rstrip("/") + image[len(source.rstrip("/")) :]
        return image

    def resources_for(self, kind: str, name: str, container: str) -> Object | None:
        """
        @param kind: plural, as C{deployments}.
        @return: the last that is for it, C{None} if none is.
        """
        wanted = (kind, name, container)
        found = None
        for pattern, resources in self.resources:
            parts = pattern.split(":")
            if len(parts) == 3 and all(part in ("*", want) for part, want in zip(parts, wanted, strict=True)):
                found = resources
        return found


ANYWHERE = Placement({})


def parse_placement(content: Object) -> Placement:
    """
    @raise ConfigurationError: it cannot be used; the message names the field.
    """
    spec = _object(content.get("spec"), "spec")
    node = _object(spec.get("nodePlacement"), "spec.nodePlacement")
    variables = {str(each.get("name")): str(each.get("value", "")) for each in _list(spec, "customizedVariables")}
    registries = [(str(each.get("source", "")), str(each.get("mirror", ""))) for each in _list(spec, "registries")]
    return Placement(
        node_selector=_object(node.get("nodeSelector"), "spec.nodePlacement.nodeSelector"),
        tolerations=tuple(_list(node, "tolerations")),
        registries=tuple((source, mirror) for source, mirror in registries if mirror),
        resources=tuple(
            (str(each.get("containerID", "")), _object(each.get("resources"), "spec.resourceRequirements[].resources"))
            for each in _list(spec, "resourceRequirements")
        ),
        image=variables.get(IMAGE_VARIABLE, ""),
        replicas=_replicas(variables.get(REPLICAS_VARIABLE, str(ANYWHERE.replicas))),
    )


def _replicas(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 4):
        raise ConfigurationError(f"customized variable {REPLICAS_VARIABLE} must be a number below 1000")
    return int(text)


def _object(value: object, place: str) -> Object:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{place} must be an object")
    return value


def _list(fields: Object, key: str) -> list[Object]:
    value = fields.get(key)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise ConfigurationError(f"{key} must be a list of objects")
    return value
