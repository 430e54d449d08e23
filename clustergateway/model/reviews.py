"""
The questions that go to the hosting cluster (TokenReview, SubjectAccessReview), how its answers are read, and how a
refusal is worded. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import HubUnavailable
from .identity import Attributes, Decision, Identity

# What k8s.io/apiserver answers to anybody, and what the role system:discovery opens to every authenticated user.
_HEALTH = ("/healthz", "/livez", "/readyz")
_DISCOVERY = ("/api", "/apis", "/openapi", "/version", *_HEALTH)

# Subresources that open a connection to a workload; doing so by GET is doing, not reading (Kubernetes 1.35,
# AuthorizePodWebsocketUpgradeCreatePermission).
INTERACTIVE = frozenset({"exec", "attach", "portforward"})


def is_health(what: Attributes) -> bool:
    """Is this a health path, which nobody needs a permission for?"""
    return bool(what.path) and _under(what.path, _HEALTH)


def is_discovery(what: Attributes) -> bool:
    """Is this reading what the API offers, which every authenticated user may?"""
    return bool(what.path) and what.verb in ("get", "head", "options") and _under(what.path, _DISCOVERY)


def _under(path: str, roots: tuple[str, ...]) -> bool:
    # Segments that climb are for the parser to refuse; until it does they are not covered by a root.
    return any(path == root or path.startswith(root + "/") for root in roots) and ".." not in path.split("/")


def needed_verbs(inner: Attributes) -> tuple[str, ...]:
    """Which permissions a request to a cluster needs: its verb, and C{create} too where its GET opens a connection."""
    if inner.verb in ("get", "list", "watch") and inner.subresource in INTERACTIVE:
        return (inner.verb, "create")
    return (inner.verb,)


def forbidden(who: Identity, what: Attributes, reason: str = "") -> str:
    """What somebody reads who may not do this, in kube-apiserver's words; C{reason} is added when there is one."""
    user = _quoted(who.user)
    if what.path:
        text = f"forbidden: User {user} cannot {what.verb} path {_quoted(what.path)}"
    else:
        kind = f"{what.resource}.{what.group}" if what.group else what.resource
        subject = f"{kind} {_quoted(what.name)}" if what.name else kind
        where = f"in the namespace {_quoted(what.namespace)}" if what.namespace else "at the cluster scope"
        text = (
            f"{subject} is forbidden: User {user} cannot {what.verb} resource {_quoted(what.full_resource)} "
            f"in API group {_quoted(what.group)} {where}"
        )
    return f"{text}: {reason}" if reason else text


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def token_review(token: str, audiences: Sequence[str] = ()) -> dict[str, Any]:
    """The TokenReview that asks whose token this is. It holds the token: send it, show it nowhere."""
    spec: dict[str, Any] = {"token": token}
    if audiences:
        spec["audiences"] = list(audiences)
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": spec}


def read_token_review(review: Mapping[str, Any], audiences: Sequence[str] = ()) -> Identity | None:
    """
    @param audiences: those that were asked for; none means that any is good.
    @return: whose token it is; C{None}: nobody's, or not meant for us.
    @raise HubUnavailable: the answer is not one.
    """
    status = review.get("status")
    if not isinstance(status, Mapping):
        raise HubUnavailable("The hub's TokenReview answer has no status.", hop="hub")
    if status.get("authenticated") is not True:
        return None
    # An authenticator that does not know audiences answers without any; its token is then good for nobody in
    # particular (TokenReviewStatus.audiences).
    if audiences and not set(audiences) & set(_strings(status.get("audiences"))):
        return None
    user = status.get("user")
    if not isinstance(user, Mapping) or not isinstance(name := user.get("username"), str) or not name:
        raise HubUnavailable("The hub's TokenReview answer names no user.", hop="hub")
    extra = user.get("extra")
    uid = user.get("uid")
    return Identity(
        name,
        tuple(dict.fromkeys(_strings(user.get("groups")))),
        uid if isinstance(uid, str) else "",
        tuple((key.lower(), _strings(values)) for key, values in extra.items()) if isinstance(extra, Mapping) else (),
        "tokenreview",
    )


def _strings(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(value)
    raise HubUnavailable("The hub's TokenReview answer cannot be understood.", hop="hub")


def access_review(who: Identity, what: Attributes) -> dict[str, Any]:
    """The SubjectAccessReview that asks whether C{who} may do C{what}."""
    spec: dict[str, Any] = {"user": who.user, "groups": list(who.groups)}
    if who.uid:
        spec["uid"] = who.uid
    if who.extra:
        spec["extra"] = {key: list(values) for key, values in who.extra}
    if what.path:
        spec["nonResourceAttributes"] = {"path": what.path, "verb": what.verb}
    else:
        named = {
            "namespace": what.namespace,
            "verb": what.verb,
            "group": what.group,
            "version": what.version,
            "resource": what.resource,
            "subresource": what.subresource,
            "name": what.name,
        }
        spec["resourceAttributes"] = {key: value for key, value in named.items() if value}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}


def read_access_review(review: Mapping[str, Any]) -> Decision:
    """
    @raise HubUnavailable: the answer is not one.
    """
    status = review.get("status")
    if not isinstance(status, Mapping) or not isinstance(allowed := status.get("allowed"), bool):
        raise HubUnavailable("The hub's SubjectAccessReview answer has no decision.", hop="hub")
    reason = status.get("reason")
    return Decision(allowed and status.get("denied") is not True, reason if isinstance(reason, str) else "")
