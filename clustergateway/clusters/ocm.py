"""A hub that does not serve an API yet: Open Cluster Management's, or that of ClusterProfiles."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import GatewayError, NotFound
from ..kube.cache import Informer
from ..kube.client import KubeClient

WAIT = 10.0
"""Seconds between two looks for an API that the hub does not serve."""


class AwaitedApi:
    """
    Starts an informer as soon as the hub serves its type.

    @ivar absent: the hub says that it does not serve it.
    """

    _log = Logger()

    def __init__(self, client: KubeClient, informer: Informer, clock: IReactorTime) -> None:
        self.absent = False
        self._client = client
        self._informer = informer
        self._clock = clock
        self._looking: Deferred[None] | None = None
        self._again: IDelayedCall | None = None

    @property
    def synced(self) -> bool:
        """Everything there is has been seen; that is nothing where the hub does not serve it."""
        return self.absent or self._informer.synced

    def start(self) -> None:
        """Look, and look again."""
        self._again = None
        self._looking = Deferred.fromCoroutine(self._look())
        self._looking.addErrback(self._failed)

    def stop(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        if self._looking is not None:
            self._looking.cancel()
        self._informer.stop()

    def problems(self) -> Mapping[str, str]:
        """Resource -> what people should know."""
        kind = self._informer.kind
        return {kind.resource: f"the hub does not serve {kind.group}/{kind.version} yet"} if self.absent else {}

    async def _look(self) -> None:
        kind = self._informer.kind
        try:
            answer = await self._client.call("GET", f"/apis/{kind.api_version}")
            resources = answer.get("resources")
            there = any(each.get("name") == kind.resource for each in resources or () if isinstance(each, Mapping))
        except NotFound:
            there = False
        except GatewayError:
            there = True  # nobody can tell; the informer has more patience, and says why it has nothing
        if not there:
            if not self.absent:
                self._log.info("{resource} are not served by the hub; waiting", resource=kind.resource)
            self._again = self._clock.callLater(WAIT, self.start)
        self.absent = not there
        self._looking = None
        if there:
            self._informer.start()

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self._log.failure("looking for an API failed", failure)
