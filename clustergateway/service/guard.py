"""Who may see what the gateway answers itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from twisted.internet.defer import Deferred
from twisted.web.http import Request

from ..errors import Forbidden, Unauthenticated
from ..model.identity import ANONYMOUS, Attributes, Decision, Identity
from ..pipeline import then
from ..resources.guarded import Guard

if TYPE_CHECKING:
    from ..transport.channel import GatewayRequest
    from .sources import Sources


def guard(sources: Sources) -> Guard:
    """
    Asks the sources' authenticator, then its authorizer.
    """

    def admit(request: Request, what: Attributes) -> Identity | Deferred[Identity]:
        def known(who: Identity | None) -> Identity | Deferred[Identity]:
            _note(request, who, what)
            if who is None:
                raise Unauthenticated("the request carries no credential that this gateway accepts")
            return then(sources.authorizer.authorize(who, what), lambda decision: _judged(who, decision))

        return then(sources.authenticator.authenticate(cast("GatewayRequest", request).claims), known)

    return admit


def _note(request: Request, who: Identity | None, what: Attributes) -> None:
    """For the observers."""
    record = cast("GatewayRequest", request).record
    if record is not None:
        record.identity = who or ANONYMOUS
        record.verb, record.resource, record.subresource = what.verb, what.resource, what.subresource
        record.group, record.version, record.path = what.group, what.version, what.path
        record.namespace, record.name = what.namespace, what.name


def _judged(who: Identity, decision: Decision) -> Identity:
    if not decision.allowed:
        raise Forbidden(decision.reason)
    return who
