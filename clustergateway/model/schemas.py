"""
The schemas of what is answered here, in the subset of JSON Schema that OpenAPI 2 and 3 have in common.

The metadata types are our own, under our own names: the hub's aggregator renames or refuses two definitions of one name
that differ, and Kubernetes' own differ from release to release.
"""

from __future__ import annotations

from collections.abc import Mapping

from .kinds import CLUSTER_GATEWAYS, KINDS, VIRTUAL_CLUSTERS, Kind
from .objects import API_VERSION, VERSION, Object
from .secrets import GROUP

NAMESPACE = f"dev.oam.core.cluster.{VERSION}"
"""Before every definition's name: as usual the API group, reversed."""

REFERENCE = "$ref"


def name_of(kind: str) -> str:
    """The name of a definition."""
    return f"{NAMESPACE}.{kind}"


def gvk(kind: str) -> Object:
    """Group, version and kind, as the extensions of Kubernetes write them."""
    return {"group": GROUP, "version": VERSION, "kind": kind}


def schemas() -> dict[str, Object]:
    """Every schema by its kind. A reference names a kind: where it points to is for the document to say."""
    found = dict(_PARTS)
    for kind in KINDS:
        found[kind.kind] = _object(kind, _FIELDS[kind.kind])
        found[f"{kind.kind}List"] = _list_of(kind)
    return dict(sorted(found.items()))


def _text(description: str, **more: object) -> Object:
    return {"type": "string", "description": description, **more}


def _flag(description: str) -> Object:
    return {"type": "boolean", "description": description}


def _time(description: str) -> Object:
    return _text(description, format="date-time")


def _strings(description: str) -> Object:
    return {"type": "object", "description": description, "additionalProperties": {"type": "string"}}


def _of(kind: str, description: str) -> Object:
    return {"description": description, REFERENCE: kind}


def _record(description: str, properties: Mapping[str, Object], required: tuple[str, ...] = ()) -> Object:
    schema: Object = {"type": "object", "description": description, "properties": dict(properties)}
    return schema | {"required": list(required)} if required else schema


_TYPED = {
    "apiVersion": _text(f"Group and version of the schema that this object follows: {API_VERSION}."),
    "kind": _text("Which of the schemas of that group this object follows."),
}

_PARTS = {
    "ObjectMeta": _record(
        "What every object has: a name, labels and the like.",
        {
            "name": _text("The name; the only one of its kind."),
            "uid": _text("Tells this object from earlier and later ones of the same name."),
            "resourceVersion": _text(
                "Changes with the object. Opaque: to be compared for equality only, or to watch from."
            ),
            "creationTimestamp": _time("Since when the object exists."),
            "deletionTimestamp": _time("When the object was asked to go away; absent unless it was."),
            "labels": _strings("Keys and values to select objects by."),
            "annotations": _strings("Keys and values that nothing is selected by."),
        },
    ),
    "ListMeta": _record(
        "What every list has.",
        {
            "resourceVersion": _text("The version of the list, to watch from."),
            "continue": _text("Asks for the next page; absent on the last one."),
            "remainingItemCount": {
                "type": "integer",
                "format": "int64",
                "description": "How many objects are on the pages to come. Absent if a selector was given.",
            },
        },
    ),
    "ClusterGatewaySpec": _record(
        "How a cluster is reached and entered.",
        {
            "provider": _text("Who runs the cluster."),
            "access": _of("ClusterAccess", "The way to the cluster, and into it."),
        },
        required=("provider", "access"),
    ),
    "ClusterAccess": _record(
        "The way to a cluster, and into it.",
        {
            "endpoint": _of("ClusterEndpoint", "Where the cluster's apiserver is."),
            "credential": _of(
                "ClusterAccessCredential", "With what the gateway enters the cluster; absent if with nothing."
            ),
        },
        required=("endpoint",),
    ),
    "ClusterEndpoint": _record(
        "Where the apiserver of a cluster is.",
        {
            "type": _text("Const: at a fixed address. ClusterProxy: behind a konnectivity tunnel."),
            "const": _of("ClusterEndpointConst", "The fixed address, when the type is Const."),
        },
        required=("type",),
    ),
    "ClusterEndpointConst": _record(
        "A fixed address, and how the server behind it is verified.",
        {
            "address": _text("An https URL, perhaps with a path."),
            "caBundle": _text("The PEM bundle that the server's certificate must lead to, in base64.", format="byte"),
            "insecure": _flag("The server's certificate is not verified."),
            "proxy-url": _text("The proxy on the way there, without user and password."),
        },
        required=("address",),
    ),
    "ClusterAccessCredential": _record(
        "Of what kind a credential is. What it consists of is never shown.",
        {
            "type": _text("ServiceAccountToken, X509Certificate, or Dynamic for one that an exec plugin issues."),
            "fingerprint": _text(
                "A digest that changes when the credential does: of the token, or of the certificate."
            ),
        },
        required=("type",),
    ),
    "ClusterGatewayStatus": _record(
        "What was last found out about a cluster.",
        {
            "healthy": _flag("Whether the cluster answered its last probe; absent if nobody can tell."),
            "healthyReason": _text(
                "Why it is not healthy: ClusterGatewayNotRegistered, CertificateMismatch, ConnectionTimeout, or text "
                'behind "Unknown:".'
            ),
            "unroutable": _text("Why no request is sent to the cluster; absent if requests are."),
        },
    ),
    "VirtualClusterSpec": _record(
        "What is known of a cluster.",
        {
            "alias": _text("Another name of the cluster, for people."),
            "accepted": _flag("Whether the cluster is accepted here."),
            "endpoint": _text('Where the cluster is; "-" if that is not known.'),
            "credential-type": _text(
                "ServiceAccountToken, X509Certificate or Dynamic; Internal for the local cluster, ManagedCluster for "
                "one that there is no way into."
            ),
        },
    ),
    "ClusterGatewayProxyOptions": _record(
        "The options of a request that is passed on to a cluster.",
        {
            "path": _text("The path to ask the cluster for, if none follows in the URL."),
            "impersonate": _flag("Show the cluster the caller's identity instead of the gateway's."),
            **_TYPED,
        },
    ),
}

_FIELDS = {
    CLUSTER_GATEWAYS.kind: {
        "spec": _of("ClusterGatewaySpec", "How the cluster is reached and entered."),
        "status": _of("ClusterGatewayStatus", "What was last found out about the cluster."),
    },
    VIRTUAL_CLUSTERS.kind: {"spec": _of("VirtualClusterSpec", "What is known of the cluster.")},
}


def _object(kind: Kind, fields: dict[str, Object]) -> Object:
    metadata = _of("ObjectMeta", "Name, labels and the like.")
    schema = _record(kind.description, {**_TYPED, "metadata": metadata, **fields})
    return schema | {"x-kubernetes-group-version-kind": [gvk(kind.kind)]}


def _list_of(kind: Kind) -> Object:
    items = {"type": "array", "description": f"The {kind.kind} objects.", "items": {REFERENCE: kind.kind}}
    metadata = _of("ListMeta", "The version of the list, and where it goes on.")
    description = f"{kind.kind}List is a list of {kind.kind} objects."
    schema = _record(description, {**_TYPED, "metadata": metadata, "items": items}, required=("items",))
    return schema | {"x-kubernetes-group-version-kind": [gvk(f"{kind.kind}List")]}
