"""What is known about one request when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import GatewayError
from .forwardedfor import forwarded_for
from .identity import ANONYMOUS, Claims, Identity
from .status import status


@dataclass(slots=True)
class Record:
    """
    One request's history, filled in along its way and shown to the observers once, at the end, whatever happened.

    Times are seconds of the reactor's clock; C{-1.0} where the point was never reached.

    @ivar proxied: whether it was for a cluster; else the gateway itself was asked.
    @ivar code: of the answer that the client saw; 0 if it went away before any.
    @ivar outcome: C{"complete"}, C{"refused"} (our own error answer), C{"client-gone"}, C{"upstream-gone"},
        C{"timeout"}, C{"shutdown"}, C{"panic"}.
    @ivar address: of whoever is connected.
    @ivar forwarded: the addresses for which they ask, the client's first, if they are a trusted proxy.
    @ivar cause: the message of the error that ended it, C{""} for none.
    @ivar reason: likewise its metav1.Status reason.
    @ivar refusal: the metav1.Status that the gateway answered with, C{None} if something else was the answer.
    @ivar unread: whether it had a body that was not read.
    @ivar group: API group of what is asked for (as C{version}, C{resource}... in the cluster, for a proxied request).
    @ivar path: of a request that is about no resource, likewise; C{""} for one that is.
    """

    method: str
    target: str
    started: float
    address: str = ""
    user_agent: str = ""
    audit_id: str = ""
    proxied: bool = False
    identity: Identity = ANONYMOUS
    cluster: str = ""
    endpoint: str = ""
    verb: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    impersonated: Identity | None = None
    rule: str = ""
    code: int = 0
    outcome: str = ""
    cause: str = ""
    upgrade: str = ""
    reused: bool = False
    retries: int = 0
    decided: float = -1.0
    sent: float = -1.0
    answered: float = -1.0
    ended: float = -1.0
    bytes_in: int = 0
    bytes_out: int = 0
    group: str = ""
    version: str = ""
    path: str = ""
    forwarded: tuple[str, ...] = ()
    reason: str = ""
    refusal: Mapping[str, Any] | None = None
    unread: bool = False

    @property
    def addresses(self) -> list[str]:
        """The way that it came, from the client to whoever is connected."""
        if not self.address or self.address == (self.forwarded and self.forwarded[-1]):
            return list(self.forwarded)
        return [*self.forwarded, self.address]

    def sent_by(self, who: Identity, claims: Claims) -> None:
        """It is known who asks: a front proxy whose word counts for that is believed for whom it asks as well."""
        self.identity = who
        if claims.forwarded and who.source == "requestheader":
            self.forwarded = forwarded_for(claims.forwarded)

    def failed_with(self, error: GatewayError, *, answered: bool) -> None:
        """
        It ends with this error.

        @param answered: whether the answer tells so.
        """
        self.cause = error.message
        self.reason = error.reason
        self.rule = self.rule or error.rule
        if answered:
            self.code = error.code
            # Not the error itself: its traceback would keep the whole request in memory.
            self.refusal = status(error)
