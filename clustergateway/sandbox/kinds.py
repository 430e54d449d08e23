"""Which resources are served: the built-in ones, and those that CustomResourceDefinitions add."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .objects import Object, group_version

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
STATUS_VERBS = ("get", "patch", "update")
REVIEW_VERBS = ("create",)


@dataclass(frozen=True, slots=True)
class Subresource:
    """
    One subresource as discovery shows it.

    @ivar kind: of what it takes and gives; C{group} and C{version} are of that kind.
    """

    name: str
    kind: str
    verbs: tuple[str, ...]
    group: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One resource in one version.

    @ivar virtual: answered by code and never stored, as reviews are.
    @ivar schema: the OpenAPI schema of a custom resource, C{None} for a built-in one.
    @ivar columns: printer columns of a custom resource, as its CustomResourceDefinition says them.
    @ivar custom: it comes from a CustomResourceDefinition.
    """

    group: str
    version: str
    resource: str
    kind: str
    namespaced: bool = True
    singular: str = ""
    short: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    subresources: tuple[Subresource, ...] = ()
    list_kind: str = ""
    virtual: bool = False
    custom: bool = False
    schema: Object | None = field(default=None, hash=False, compare=False)
    columns: tuple[Object, ...] = field(default=(), hash=False, compare=False)
    scale: Object | None = field(default=None, hash=False, compare=False)

    @property
    def api_version(self) -> str:
        return group_version(self.group, self.version)

    @property
    def items_kind(self) -> str:
        return self.list_kind or self.kind + "List"

    @property
    def single(self) -> str:
        return self.singular or self.kind.lower()

    def subresource(self, name: str) -> Subresource | None:
        return next((one for one in self.subresources if one.name == name), None)

    @property
    def has_status(self) -> bool:
        return self.subresource("status") is not None


def _status(kind: str) -> Subresource:
    return Subresource("status", kind, STATUS_VERBS)


def _scale() -> Subresource:
    return Subresource("scale", "Scale", STATUS_VERBS, "autoscaling", "v1")


_STREAM = ("create", "get")
_POD_SUBRESOURCES = (
    Subresource("attach", "PodAttachOptions", _STREAM),
    Subresource("eviction", "Eviction", ("create",), "policy", "v1"),
    Subresource("exec", "PodExecOptions", _STREAM),
    Subresource("log", "Pod", ("get",)),
    Subresource("portforward", "PodPortForwardOptions", _STREAM),
    _status("Pod"),
)
_NO_COLLECTION_DELETE = tuple(verb for verb in ALL_VERBS if verb != "deletecollection")
_RBAC = "rbac.authorization.k8s.io"
_AUTHN = "authentication.k8s.io"
_AUTHZ = "authorization.k8s.io"
_CRD = "CustomResourceDefinition"

BUILT_IN: tuple[Kind, ...] = (
    Kind("", "v1", "configmaps", "ConfigMap", short=("cm",)),
    Kind("", "v1", "endpoints", "Endpoints", singular="endpoints", short=("ep",)),
    Kind("", "v1", "events", "Event", short=("ev",)),
    Kind(
        "", "v1", "namespaces", "Namespace", False, short=("ns",), verbs=_NO_COLLECTION_DELETE,
        subresources=(Subresource("finalize", "Namespace", ("update",)), _status("Namespace")),
    ),
    Kind("", "v1", "nodes", "Node", False, short=("no",), subresources=(_status("Node"),)),
    Kind("", "v1", "pods", "Pod", short=("po",), categories=("all",), subresources=_POD_SUBRESOURCES),
    Kind("", "v1", "secrets", "Secret"),
    Kind(
        "", "v1", "serviceaccounts", "ServiceAccount", short=("sa",),
        subresources=(Subresource("token", "TokenRequest", ("create",), _AUTHN, "v1"),),
    ),
    Kind("", "v1", "services", "Service", short=("svc",), categories=("all",), subresources=(_status("Service"),)),
    Kind(
        "apiextensions.k8s.io", "v1", "customresourcedefinitions", _CRD, False, short=("crd", "crds"),
        categories=("api-extensions",), subresources=(_status(_CRD),),
    ),
    Kind(
        "apiregistration.k8s.io", "v1", "apiservices", "APIService", False,
        categories=("api-extensions",), subresources=(_status("APIService"),),
    ),
    Kind(
        "apps", "v1", "deployments", "Deployment", short=("deploy",), categories=("all",),
        subresources=(_scale(), _status("Deployment")),
    ),
    Kind(
        "apps", "v1", "replicasets", "ReplicaSet", short=("rs",), categories=("all",),
        subresources=(_scale(), _status("ReplicaSet")),
    ),
    Kind(_AUTHN, "v1", "selfsubjectreviews", "SelfSubjectReview", False, verbs=REVIEW_VERBS, virtual=True),
    Kind(_AUTHN, "v1", "tokenreviews", "TokenReview", False, verbs=REVIEW_VERBS, virtual=True),
    Kind(_AUTHZ, "v1", "localsubjectaccessreviews", "LocalSubjectAccessReview", verbs=REVIEW_VERBS, virtual=True),
    Kind(_AUTHZ, "v1", "selfsubjectaccessreviews", "SelfSubjectAccessReview", False, verbs=REVIEW_VERBS, virtual=True),
    Kind(_AUTHZ, "v1", "selfsubjectrulesreviews", "SelfSubjectRulesReview", False, verbs=REVIEW_VERBS, virtual=True),
    Kind(_AUTHZ, "v1", "subjectaccessreviews", "SubjectAccessReview", False, verbs=REVIEW_VERBS, virtual=True),
    Kind("batch", "v1", "jobs", "Job", categories=("all",), subresources=(_status("Job"),)),
    Kind("coordination.k8s.io", "v1", "leases", "Lease"),
    Kind(_RBAC, "v1", "clusterrolebindings", "ClusterRoleBinding", False),
    Kind(_RBAC, "v1", "clusterroles", "ClusterRole", False),
    Kind(_RBAC, "v1", "rolebindings", "RoleBinding"),
    Kind(_RBAC, "v1", "roles", "Role"),
)  # fmt: skip


class Kinds:
    """Everything that is served now, in the order in which discovery lists it."""

    def __init__(self, built_in: Iterable[Kind] = BUILT_IN) -> None:
        self._kinds: dict[tuple[str, str, str], Kind] = {(k.group, k.version, k.resource): k for k in built_in}
        self.changes = 0

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def find(self, group: str, version: str, resource: str) -> Kind | None:
        return self._kinds.get((group, version, resource))

    def of_kind(self, api_version: str, kind: str) -> Kind | None:
        """The resource whose objects carry this apiVersion and kind."""
        return next((k for k in self if k.api_version == api_version and k.kind == kind), None)

    def stored(self, group: str, resource: str) -> Kind | None:
        """Any version of a resource: enough to know its scope and names."""
        return next((k for k in self if k.group == group and k.resource == resource), None)

    def groups(self) -> dict[str, list[str]]:
        """Group to its versions, the preferred one first."""
        found: dict[str, list[str]] = {}
        for kind in self:
            versions = found.setdefault(kind.group, [])
            if kind.version not in versions:
                versions.append(kind.version)
        return found

    def of_version(self, group: str, version: str) -> list[Kind]:
        """The resources of a group version, sorted by name."""
        return sorted((k for k in self if k.group == group and k.version == version), key=lambda k: k.resource)

    def replace_custom(self, custom: Iterable[Kind]) -> None:
        """Serve these custom resources, and no others."""
        kept = {where: kind for where, kind in self._kinds.items() if not kind.custom}
        self._kinds = kept | {(k.group, k.version, k.resource): k for k in custom}
        self.changes += 1
