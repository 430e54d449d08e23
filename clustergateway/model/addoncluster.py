"""What each managed cluster is given on the hub: a ManagedServiceAccount, and a copy of its token. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from .addon import MANAGED_LABEL, MANAGER, Configuration
from .resourcetype import ResourceType
from .secrets import CREDENTIAL_TYPE_LABEL, ENDPOINT_TYPE_LABEL

ACCOUNT_GROUP = "authentication.open-cluster-management.io"
VALIDITY = "4320h0m0s"
"""180 days."""
APPLIED_ANNOTATION = "proxy.open-cluster-management.io/applied"
SOURCE_ANNOTATION = "proxy.open-cluster-management.io/copied-from"

Object = dict[str, Any]


def account_type(version: str) -> ResourceType:
    """@param version: C{v1beta1}, or C{v1alpha1} on older hubs."""
    return ResourceType(ACCOUNT_GROUP, version, "managedserviceaccounts", "ManagedServiceAccount")


def account(configuration: Configuration, cluster: str) -> Object:
    """The ManagedServiceAccount in a cluster's namespace."""
    return {
        "metadata": {"name": configuration.account, "namespace": cluster, "labels": {MANAGED_LABEL: MANAGER}},
        "spec": {"rotation": {"enabled": True, "validity": VALIDITY}},
    }


def gateway_secret(configuration: Configuration, cluster: str, token: Mapping[str, Any]) -> Object | None:
    """
    The Secret that makes a ClusterGateway of a cluster; its endpoint is the ManagedCluster's.

    @param token: the Secret of the ManagedServiceAccount.
    @return: C{None} while the token is not there yet.
    """
    data = token.get("data")
    if not isinstance(data, Mapping) or not data.get("token") or not data.get("ca.crt"):
        return None
    endpoint = "Const" if configuration.egress is None else "ClusterProxy"
    return {
        "metadata": {
            "name": cluster,
            "namespace": configuration.secret_namespace,
            "labels": {
                MANAGED_LABEL: MANAGER,
                CREDENTIAL_TYPE_LABEL: "ServiceAccountToken",
                ENDPOINT_TYPE_LABEL: endpoint,
            },
            "annotations": {SOURCE_ANNOTATION: f"{cluster}/{configuration.account}"},
        },
        "type": "Opaque",
        "data": {"ca.crt": data["ca.crt"], "token": data["token"]},
    }


def stamped(content: Object) -> Object:
    """
    With an annotation that changes whenever anything else of it does: by it an object shows what was last applied, so
    that what is no longer wanted is seen too. Not for Secrets.
    """
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]
    metadata = content["metadata"]
    annotations = {**metadata.get("annotations", {}), APPLIED_ANNOTATION: digest}
    return {**content, "metadata": {**metadata, "annotations": annotations}}


def is_ours(content: Mapping[str, Any]) -> bool:
    """Did we make it?"""
    metadata = content.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    return isinstance(labels, Mapping) and labels.get(MANAGED_LABEL) == MANAGER


def covers(actual: object, wanted: object) -> bool:
    """Does an object have everything that it should have? More is no harm, but for the items of lists."""
    if isinstance(wanted, Mapping):
        return isinstance(actual, Mapping) and all(covers(actual.get(key), each) for key, each in wanted.items())
    if isinstance(wanted, list):
        return (
            isinstance(actual, list)
            and len(actual) == len(wanted)
            and all(covers(each, want) for each, want in zip(actual, wanted, strict=True))
        )
    return actual == wanted
