"""Where in a Kubernetes API the objects of one type are. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class ResourceType:
    """
    A type of object, as discovery names it.

    @ivar group: C{""} for the core group.
    @ivar resource: the plural, as in paths.
    @ivar namespaced: its objects are in namespaces.
    """

    group: str
    version: str
    resource: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """As objects of this type say in C{apiVersion}."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, name: str = "", namespace: str = "", subresource: str = "") -> str:
        """
        The path of one object, or without a name of all of them; without a namespace of those in all namespaces.

        @raise ValueError: a namespace is given, or one object asked for, where that makes no sense.
        """
        if namespace and not self.namespaced:
            raise ValueError(f"{self.resource} are not in namespaces")
        if name and self.namespaced and not namespace:
            raise ValueError(f"one of {self.resource} needs its namespace")
        if subresource and not name:
            raise ValueError("a subresource needs a name")
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts += [each for each in (self.resource, quote(name, safe=""), subresource) if each]
        return "/".join(parts)


SECRETS = ResourceType("", "v1", "secrets", "Secret")
CONFIG_MAPS = ResourceType("", "v1", "configmaps", "ConfigMap")
LEASES = ResourceType("coordination.k8s.io", "v1", "leases", "Lease")
TOKEN_REVIEWS = ResourceType("authentication.k8s.io", "v1", "tokenreviews", "TokenReview", namespaced=False)
ACCESS_REVIEWS = ResourceType(
    "authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False
)
