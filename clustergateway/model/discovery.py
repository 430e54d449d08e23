"""What there is to be found here: the documents of C{/api}, C{/apis} and below, in both of their dialects."""

from __future__ import annotations

from .kinds import KINDS, VERBS, Kind, Subresource
from .negotiation import Transform
from .objects import API_VERSION, VERSION, Object
from .secrets import GROUP

AGGREGATED_KIND = "APIGroupDiscoveryList"
AGGREGATED_GROUP = "apidiscovery.k8s.io"
AGGREGATED: tuple[Transform, ...] = tuple((AGGREGATED_KIND, AGGREGATED_GROUP, version) for version in ("v2", "v2beta1"))
_GROUP_VERSION = {"groupVersion": API_VERSION, "version": VERSION}


def api_versions() -> Object:
    """C{/api}: the core group, which is not served here. Clients that insist on the document find it empty."""
    return {"kind": "APIVersions", "versions": [], "serverAddressByClientCIDRs": []}


def api_group() -> Object:
    """C{/apis/GROUP}."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_group()}


def api_group_list() -> Object:
    """C{/apis}."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [_group()]}


def api_resource_list() -> Object:
    """C{/apis/GROUP/VERSION}."""
    resources = []
    for kind in KINDS:
        resources.append(_resource(kind))
        resources.extend(_subresource(kind, subresource) for subresource in kind.subresources)
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": API_VERSION, "resources": resources}


def aggregated(version: str, *, core: bool) -> Object:
    """
    All of discovery in one document.

    @param version: of the document: C{v2} or C{v2beta1}.
    @param core: that of C{/api}, which has nothing in it, rather than that of C{/apis}.
    """
    resources = [_aggregated_resource(kind) for kind in KINDS]
    group = {
        "metadata": {"name": GROUP, "creationTimestamp": None},
        "versions": [{"version": VERSION, "resources": resources, "freshness": "Current"}],
    }
    return {
        "kind": AGGREGATED_KIND,
        "apiVersion": f"{AGGREGATED_GROUP}/{version}",
        "metadata": {},
        "items": [] if core else [group],
    }


def _group() -> Object:
    return {"name": GROUP, "versions": [_GROUP_VERSION], "preferredVersion": _GROUP_VERSION}


def _resource(kind: Kind) -> Object:
    resource: Object = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": False,
        "kind": kind.kind,
        "verbs": list(VERBS),
    }
    if kind.short_names:
        resource["shortNames"] = list(kind.short_names)
    return resource


def _subresource(kind: Kind, subresource: Subresource) -> Object:
    return {
        "name": f"{kind.plural}/{subresource.name}",
        "singularName": "",
        "namespaced": False,
        "kind": subresource.kind,
        "verbs": list(subresource.verbs),
    }


def _aggregated_resource(kind: Kind) -> Object:
    resource: Object = {
        "resource": kind.plural,
        "responseKind": _response_kind(kind.kind),
        "scope": "Cluster",
        "singularResource": kind.singular,
        "verbs": list(VERBS),
    }
    if kind.short_names:
        resource["shortNames"] = list(kind.short_names)
    if kind.subresources:
        resource["subresources"] = [
            {
                "subresource": subresource.name,
                "responseKind": _response_kind(subresource.kind),
                "verbs": list(subresource.verbs),
            }
            for subresource in kind.subresources
        ]
    return resource


def _response_kind(kind: str) -> dict[str, str]:
    return {"group": GROUP, "version": VERSION, "kind": kind}
