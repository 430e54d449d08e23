"""What label and field selectors select here, with kube-apiserver's complaints about bad ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ..errors import BadRequest
from ..model.fieldselectors import SUPPORTED_FIELDS, parse_field_selector
from ..model.selectors import Requirement, parse_label_selector
from .objects import Object, dig
from .status import bad_request

Matcher = Callable[[Object], bool]


def label_matcher(selector: str) -> Matcher:
    """
    A predicate of objects from C{a=b,c!=d,e in (f,g),!h,i}.

    @raise ApiError: 400, it is malformed.
    """
    try:
        wanted = parse_label_selector(selector)
    except BadRequest as error:
        raise bad_request(error.message) from None
    return lambda obj: wanted.matches(dig(obj, "metadata", "labels") or {})


_OPERATORS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}


def matches_selector(selector: Object | None, labels: Mapping[str, str]) -> bool:
    """Does a C{metav1.LabelSelector} match? C{None} matches nothing, an empty one everything."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(
        Requirement(one["key"], _OPERATORS[one["operator"]], frozenset(one.get("values") or ())).matches(labels)
        for one in selector.get("matchExpressions") or ()
    )


FIELDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "pods"): (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    ("", "nodes"): ("spec.unschedulable",),
    ("", "namespaces"): ("status.phase",),
    ("", "secrets"): ("type",),
    ("", "services"): ("spec.clusterIP", "spec.type"),
    ("", "events"): (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    ("apps", "replicasets"): ("status.replicas",),
    ("batch", "jobs"): ("status.successful",),
}
"""What each resource can be selected by besides name and namespace. Seen on kube-apiserver's answers."""


def field_matcher(selector: str, group: str, resource: str) -> Matcher:
    """
    A predicate of objects from C{metadata.name=x,status.phase!=Running}.

    @raise ApiError: 400, it is malformed or names a field that is no selector.
    """
    try:
        parsed = parse_field_selector(selector)
        extra = FIELDS.get((group, resource))
        terms = (parsed if extra else parsed.supported()).terms
    except BadRequest as error:
        raise bad_request(error.message) from None
    for term in terms:
        if extra and term.field not in (*SUPPORTED_FIELDS, *extra):
            raise bad_request(f"field label not supported: {term.field}")
    return lambda obj: all((_field(obj, term.field) == term.value) is term.equal for term in terms)


def _field(obj: Object, path: str) -> str:
    value = dig(obj, *path.split("."))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
