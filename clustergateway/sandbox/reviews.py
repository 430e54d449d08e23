"""The resources that are questions: token reviews, access reviews, and tokens asked for."""

from __future__ import annotations

from collections.abc import Mapping

from ..model.identity import Attributes
from .authn import Authenticator
from .call import Answer, Call, User, answered
from .kinds import Kind
from .objects import Object, dig, metadata
from .paths import Target
from .rbac import MASTERS, Authorizer
from .registry import Registry
from .rest import Rest
from .status import method_not_allowed
from .strategy import Deletion
from .tokens import DEFAULT_SECONDS, ISSUER, ServiceAccountTokens

_AUTHN = "authentication.k8s.io"
_AUTHZ = "authorization.k8s.io"


class Reviews:
    """Answers them."""

    def __init__(
        self, registry: Registry, authenticator: Authenticator, authorizer: Authorizer, tokens: ServiceAccountTokens
    ) -> None:
        self._registry = registry
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._tokens = tokens

    def install(self, rest: Rest) -> None:
        """Have these resources answered here."""
        rest.virtual |= {
            (_AUTHN, "tokenreviews"): self._token_review,
            (_AUTHN, "selfsubjectreviews"): self._self_review,
            (_AUTHZ, "subjectaccessreviews"): self._access_review,
            (_AUTHZ, "localsubjectaccessreviews"): self._access_review,
            (_AUTHZ, "selfsubjectaccessreviews"): self._self_access_review,
            (_AUTHZ, "selfsubjectrulesreviews"): self._rules_review,
            ("", "serviceaccounts/token"): self._token_request,
            ("", "pods/eviction"): self._eviction,
        }

    def _token_review(self, call: Call, target: Target, kind: Kind) -> Answer:
        given = _given(call, target, kind)
        user = self._authenticator.token_user(dig(given, "spec", "token") or "")
        status: Object = {"user": {}}
        if user is not None:
            wanted = dig(given, "spec", "audiences") or [ISSUER]
            status = {"authenticated": True, "user": user_info(user), "audiences": wanted}
        else:
            status["error"] = "[invalid bearer token, token lookup failed]"
        return _reviewed(call, kind, given, status)

    def _self_review(self, call: Call, target: Target, kind: Kind) -> Answer:
        return _reviewed(call, kind, _given(call, target, kind), {"userInfo": user_info(call.user)})

    def _access_review(self, call: Call, target: Target, kind: Kind) -> Answer:
        given = _given(call, target, kind)
        spec = given.get("spec") or {}
        extra = {key: tuple(values) for key, values in (spec.get("extra") or {}).items()}
        user = User(spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "", extra)
        return _reviewed(call, kind, given, self._decided(user, spec))

    def _self_access_review(self, call: Call, target: Target, kind: Kind) -> Answer:
        given = _given(call, target, kind)
        return _reviewed(call, kind, given, self._decided(call.user, given.get("spec") or {}))

    def _decided(self, user: User, spec: Object) -> Object:
        if self._authorizer.allowed(user, _asked(spec)):
            return {"allowed": True, "reason": "RBAC: allowed"}
        return {"allowed": False}

    def _rules_review(self, call: Call, target: Target, kind: Kind) -> Answer:
        given = _given(call, target, kind)
        rules = self._authorizer.rules(call.user, dig(given, "spec", "namespace") or "")
        if not self._authorizer.enabled or MASTERS in call.user.groups:
            rules = [
                {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
                {"verbs": ["*"], "nonResourceURLs": ["*"]},
            ]
        status: Object = {"incomplete": False}
        status["resourceRules"] = [rule for rule in rules if "nonResourceURLs" not in rule]
        status["nonResourceRules"] = [rule for rule in rules if "nonResourceURLs" in rule]
        return _reviewed(call, kind, given, status)

    def _token_request(self, call: Call, target: Target, kind: Kind) -> Answer:
        if call.method != "POST":
            raise method_not_allowed()
        account = self._registry.get(kind, target.namespace, target.name)
        given = call.document("TokenRequest") if call.body.strip() else {}
        spec = given.get("spec") or {}
        audiences, seconds = spec.get("audiences") or [ISSUER], spec.get("expirationSeconds") or DEFAULT_SECONDS
        uid = metadata(account)["uid"]
        token, until = self._tokens.issue(target.namespace, target.name, uid, audiences, seconds)
        meta: Object = {"name": target.name, "namespace": target.namespace}
        body: Object = {"kind": "TokenRequest", "apiVersion": f"{_AUTHN}/v1"}
        body |= {"metadata": meta | {"creationTimestamp": self._registry.now()}}
        body["spec"] = {**spec, "audiences": audiences, "expirationSeconds": seconds}
        return answered(call, body | {"status": {"token": token, "expirationTimestamp": until}}, 201)

    def _eviction(self, call: Call, target: Target, kind: Kind) -> Answer:
        if call.method != "POST":
            raise method_not_allowed()
        options = call.document("Eviction").get("deleteOptions") or {}
        deletion = Deletion(grace=options.get("gracePeriodSeconds"), dry_run=bool(options.get("dryRun")))
        self._registry.delete(kind, target.namespace, target.name, deletion)
        body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
        return answered(call, body, 201)


def _given(call: Call, target: Target, kind: Kind) -> Object:
    if target.verb != "create" or target.name:
        raise method_not_allowed()
    return call.document(kind.kind)


def _reviewed(call: Call, kind: Kind, given: Object, status: Object) -> Answer:
    body: Object = {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": given.get("metadata") or {}}
    if "spec" in given:
        body["spec"] = given["spec"]
    return answered(call, body | {"status": status}, 201)


def user_info(user: User) -> Object:
    """A C{UserInfo}."""
    found: Object = {"username": user.name} | ({"uid": user.uid} if user.uid else {})
    if user.groups:
        found["groups"] = list(user.groups)
    return found | ({"extra": _lists(user.extra)} if user.extra else {})


def _lists(extra: Mapping[str, tuple[str, ...]]) -> Object:
    return {key: list(values) for key, values in extra.items()}


def _asked(spec: Object) -> Attributes:
    resource = spec.get("resourceAttributes")
    if resource is None:
        path = spec.get("nonResourceAttributes") or {}
        return Attributes(path.get("verb") or "", path=path.get("path") or "/")
    return Attributes(
        resource.get("verb") or "",
        resource.get("group") or "",
        resource.get("version") or "",
        resource.get("resource") or "",
        resource.get("subresource") or "",
        resource.get("namespace") or "",
        resource.get("name") or "",
    )
