"""What a gateway in front of a hosting cluster and one of its own differ in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from prometheus_client.registry import Collector
    from twisted.internet.defer import Deferred

    from ..interfaces import Authenticator, Authorizer, Directory, ProxyAuthorizer
    from ..model.gateway import ClusterGateway, Health
    from ..observe.metrics import Reading


class Sources(Protocol):
    """
    Where clusters, identities and permissions come from.

    @ivar exec_allowed_by_default: whether a cluster's exec plugin may be any command, as long as nobody says otherwise.
    """

    @property
    def exec_allowed_by_default(self) -> bool: ...

    @property
    def directory(self) -> Directory: ...

    @property
    def registered(self) -> Directory | None:
        """The clusters that VirtualClusters show, C{None} if they are those of the directory."""
        ...

    @property
    def authenticator(self) -> Authenticator: ...

    @property
    def authorizer(self) -> Authorizer: ...

    @property
    def proxy_authorizer(self) -> ProxyAuthorizer: ...

    def start(self) -> Deferred[None]:
        """
        @return: fires once the other attributes can be used; fails with L{ConfigurationError} if they never can.
        """
        ...

    def stop(self) -> None: ...

    def client_ca(self) -> bytes:
        """PEM bundle of every CA whose client certificates mean something. Asked for each connection."""
        ...

    def on_trust(self, changed: Callable[[], None]) -> None:
        """Have C{changed} called each time that L{client_ca} or L{identity_headers} is no longer what it was."""
        ...

    def serving(self, server: str, trust: bytes) -> None:
        """Told once at which URL the gateway is reached, and by which PEM bundle it is verified."""
        ...

    def problems(self) -> Mapping[str, str]:
        """What cannot be used at the moment, and keeps nothing else from working: place -> sentence."""
        ...

    def unready(self) -> Iterable[str]:
        """Why no request can be served; nothing if they can."""
        ...

    def find(self, name: str) -> ClusterGateway | Deferred[ClusterGateway]:
        """The cluster that a request is for, as L{Directory.get}, but perhaps asked for anew."""
        ...

    def version(self) -> int:
        """
        The latest resource version that the directory gave.

        @raise HubUnavailable: none yet: what the directory holds is not the truth.
        """
        ...

    def heard(self) -> int:
        """A resource version up to which the directory has heard of every change, whether there was any or not."""
        ...

    def identity_headers(self) -> tuple[frozenset[bytes], tuple[bytes, ...]]:
        """Names, and beginnings of names, of header fields that carry identity besides the usual ones; lowercased."""
        ...

    @property
    def collectors(self) -> Sequence[Collector]:
        """Metrics that are more than numbers."""
        ...

    def readings(self) -> Iterable[Reading]:
        """Numbers for whoever scrapes."""
        ...

    def write(self, name: str, health: Health, resource_version: str) -> Deferred[ClusterGateway]: ...
