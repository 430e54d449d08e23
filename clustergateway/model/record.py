"""What is known about one request when it is over."""

from __future__ import annotations

from dataclasses import dataclass

from .identity import ANONYMOUS, Identity


@dataclass(slots=True)
class Record:
    """
    One request's history, filled in along its way and shown to the observers once, at the end, whatever happened.

    Times are seconds of the reactor's clock; C{-1.0} where the point was never reached.

    @ivar proxied: whether it was for a cluster; else the gateway itself was asked.
    @ivar code: of the answer that the client saw; 0 if it went away before any.
    @ivar outcome: C{"complete"}, C{"refused"} (our own error answer), C{"client-gone"}, C{"upstream-gone"},
        C{"timeout"}, C{"shutdown"}, C{"panic"}.
    @ivar cause: the message of the error that ended it, C{""} for none.
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
