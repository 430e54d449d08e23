"""Who may see what the gateway answers itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from twisted.internet.defer import Deferred
from twisted.web.http import Request

from ..errors import Forbidden, Unauthenticated
from ..model.identity import Attributes, Decision, Identity
from ..pipeline import then
from ..resources.guarded import Guard

if TYPE_CHECKING:
    from ..observe.audit import Audit
    from ..transport.channel import GatewayRequest
    from .sources import Sources


def guard(sources: Sources, audit: Audit | None = None) -> Guard:
    """
    Asks the sources' authenticator, then its authorizer.

    @param audit: told of each request that is let in.
    """

    def admit(request: Request, what: Attributes) -> Identity | Deferred[Identity]:
        def known(who: Identity | None) -> Identity | Deferred[Identity]:
            record = cast("GatewayRequest", request).record
            if record is not None and who is not None:
                record.sent_by(who, cast("GatewayRequest", request).claims)
            if who is None:
                raise Unauthenticated("the request carries no credential that this gateway accepts")
            return then(sources.authorizer.authorize(who, what), lambda decision: judged(who, decision))

        def judged(who: Identity, decision: Decision) -> Identity:
            if not decision.allowed:
                raise Forbidden(decision.reason)
            if audit is not None:
                _begin(audit, cast("GatewayRequest", request), what)
            return who

        _note(request, what)
        return then(sources.authenticator.authenticate(cast("GatewayRequest", request).claims), known)

    return admit


def _note(request: Request, what: Attributes) -> None:
    """For the observers, whoever it will turn out to be."""
    record = cast("GatewayRequest", request).record
    if record is not None:
        record.verb, record.resource, record.subresource = what.verb, what.resource, what.subresource
        record.group, record.version, record.path = what.group, what.version, what.path
        record.namespace, record.name = what.namespace, what.name


def _begin(audit: Audit, request: GatewayRequest, what: Attributes) -> None:
    if request.record is None or request.head is None:
        return
    tap = audit.begin(request.record, what, request.head)
    if tap is not None:
        request.watch(tap)
