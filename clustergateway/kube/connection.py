"""How a request reaches the hosting cluster: its address, the agent that goes there, the credential it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.error import ConnectError, ConnectingCancelledError, DNSLookupError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.python.failure import Failure
from twisted.web.client import HTTPConnectionPool, ResponseFailed, ResponseNeverReceived
from twisted.web.iweb import IAgent

from ..errors import CredentialUnavailable, HubSilent, HubUnavailable
from ..interfaces import Credentials, Entry
from ..model.gateway import ClusterGateway, Endpoint
from .https import pooled_agent

Connect = Callable[[Endpoint, Entry], tuple[IAgent, HTTPConnectionPool | None]]


def connector(reactor: Any) -> Connect:
    """Agents that connect with this reactor."""

    def connect(endpoint: Endpoint, entry: Entry) -> tuple[IAgent, HTTPConnectionPool | None]:
        return pooled_agent(
            reactor, endpoint.ca or b"", entry.certificate, entry.key, endpoint.server_name, endpoint.insecure
        )

    return connect


class Connection:
    """
    The way to one apiserver. Its connections are kept until address, authorities or client certificate change, or until
    one of them is found dead; requests under way then go on over the old ones.
    """

    def __init__(self, hub: Callable[[], ClusterGateway], credentials: Credentials, connect: Connect) -> None:
        """
        @param hub: where the apiserver is now.
        """
        self._hub = hub
        self._credentials = credentials
        self._connect = connect
        self._known: tuple[Endpoint, bytes, IAgent, HTTPConnectionPool | None] | None = None

    async def enter(self) -> tuple[str, IAgent, Entry]:
        """
        @return: base of all URLs, without trailing slash; who fetches them; with what.
        @raise HubUnavailable: there is no credential to be had.
        """
        cluster = self._hub()
        endpoint = cluster.endpoints[0]
        try:
            found = self._credentials.entry(cluster)
            entry = await found if isinstance(found, Deferred) else found
        except CredentialUnavailable as error:
            raise HubUnavailable(error.message, hop="hub", retry_after=error.retry_after) from None
        known = self._known
        if known is None or known[0] != endpoint or known[1] != entry.certificate:
            self.forget()
            known = self._known = (endpoint, entry.certificate, *self._connect(endpoint, entry))
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        return f"https://{host}:{endpoint.port}{endpoint.base_path}", known[2], entry

    def rejected(self, entry: Entry) -> bool:
        """The apiserver answered 401. Is there another credential to try?"""
        return self._credentials.rejected(self._hub(), entry)

    def forget(self) -> Deferred[None]:
        """
        Use no idle connection again.

        @return: fires when they are closed.
        """
        known, self._known = self._known, None
        closed: Deferred[None] = succeed(None)
        if known is not None and known[3] is not None:
            closed = known[3].closeCachedConnections()
        return closed


def unavailable(error: Exception) -> HubUnavailable:
    """What a foreign error on the way to the hub means. Its own words are not repeated: they may hold anything."""
    cause = _innermost(error)
    retry_after: int | None = None
    if isinstance(cause, DNSLookupError):
        why = "its name has no address"
    elif isinstance(cause, (ConnectTimeout, ConnectingCancelledError, CancelledError)):
        return HubSilent("The hub cannot be reached: no connection in time.", hop="hub")
    elif isinstance(cause, ConnectError):
        # That is told at once, also each time anew, and is what a restart looks like.
        why, retry_after = "the connection is refused", 1
    elif type(cause).__module__.split(".")[0] in ("OpenSSL", "service_identity"):
        why = f"TLS failed ({type(cause).__name__})"
    else:
        why, retry_after = "the connection broke", 1
    return HubUnavailable(f"The hub cannot be reached: {why}.", hop="hub", retry_after=retry_after)


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, (ResponseNeverReceived, ResponseFailed)) and error.reasons:
        reason = error.reasons[0]
        cause = reason.value if isinstance(reason, Failure) else reason
        if not isinstance(cause, BaseException):
            break
        error = cause
    return error
