"""
One of several: who holds a Lease of the hosting cluster is the one that works.

A holder's time is counted from when we saw its last renewal, by our own clock: the clocks of two machines are never
compared (as in client-go's leader election).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from ..errors import Conflict, GatewayError, NotFound
from ..model.resourcetype import LEASES
from .client import KubeClient, Object


@dataclass(frozen=True, slots=True)
class Terms:
    """
    Seconds.

    @ivar duration: how long a lease holds without being renewed.
    @ivar deadline: how long a holder goes on without having been able to renew; less than C{duration}.
    @ivar retry: between two attempts.
    """

    duration: int = 15
    deadline: float = 10.0
    retry: float = 2.0


class LeaderElection:
    """
    Tries to hold a Lease, tells when it does and when it does not any more, and tries again.

    @ivar leading: whether it does.
    """

    _log = Logger()

    def __init__(
        self,
        client: KubeClient,
        clock: IReactorTime,
        chance: Callable[[], float],
        namespace: str,
        name: str,
        identity: str,
        started: Callable[[], None],
        stopped: Callable[[], None],
        terms: Terms = Terms(),
    ) -> None:
        """
        @param chance: draws from 0 to 1.
        @param identity: ours, and nobody else's.
        @param started: called when we begin to hold it.
        @param stopped: called when we do not any more, in time before anybody else may.
        """
        self.leading = False
        self._client = client
        self._clock = clock
        self._chance = chance
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._started = started
        self._stopped = stopped
        self._terms = terms
        self._observed: tuple[str, str] | None = None
        self._observed_at = 0.0
        self._timer: IDelayedCall | None = None
        self._deadline: IDelayedCall | None = None
        self._attempt: Deferred[None] | None = None
        self._ended = False

    def start(self) -> None:
        """Begin to try."""
        self._try()

    async def stop(self) -> None:
        """End; a lease we hold is given back, so that the next one need not wait."""
        self._ended = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._attempt is not None:
            self._attempt.cancel()
        if self.leading:
            self._lose()
            try:
                await self._release()
            except GatewayError as error:
                self._log.warn("the lease is not given back: {message}", message=error.message)

    def _try(self) -> None:
        self._timer = None
        self._attempt = Deferred.fromCoroutine(self._acquire())
        self._attempt.addErrback(self._failed)
        self._attempt.addCallback(self._later)

    def _later(self, _: None) -> None:
        self._attempt = None
        if not self._ended:
            # Spread, so that several who wait do not come at the same moment each time.
            seconds = self._terms.retry * (1 if self.leading else 1 + 0.2 * self._chance())
            self._timer = self._clock.callLater(seconds, self._try)

    def _failed(self, failure: Failure) -> None:
        if failure.check(Conflict):
            return  # somebody else was faster
        if isinstance(failure.value, GatewayError):
            self._log.warn("the lease cannot be had: {message}", message=failure.value.message)
        elif not failure.check(CancelledError):
            self._log.failure("the lease cannot be had", failure)

    async def _acquire(self) -> None:
        try:
            lease = await self._client.get(LEASES, self._name, self._namespace)
        except NotFound:
            begun = self._clock.seconds()
            await self._client.create(LEASES, self._lease({}, {}), self._namespace)
            self._hold(begun)
            return
        spec = lease.get("spec")
        spec = spec if isinstance(spec, Mapping) else {}
        holder = str(spec.get("holderIdentity") or "")
        seen = (holder, str(spec.get("renewTime") or ""))
        if seen != self._observed:
            self._observed, self._observed_at = seen, self._clock.seconds()
        lasts = self._observed_at + _seconds(spec.get("leaseDurationSeconds"), self._terms.duration)
        if holder and holder != self._identity and self._clock.seconds() < lasts:
            if self.leading:
                self._lose()
            return
        begun = self._clock.seconds()
        await self._client.update(LEASES, self._lease(lease, spec))
        self._hold(begun)

    def _lease(self, lease: Mapping[str, Any], spec: Mapping[str, Any]) -> Object:
        now = _micro_time(self._clock.seconds())
        ours = spec.get("holderIdentity") == self._identity
        changes = spec.get("leaseTransitions") if isinstance(spec.get("leaseTransitions"), int) else 0
        return {
            **lease,
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": lease.get("metadata") or {"name": self._name, "namespace": self._namespace},
            "spec": {
                **spec,
                "holderIdentity": self._identity,
                "leaseDurationSeconds": self._terms.duration,
                "acquireTime": spec.get("acquireTime") if ours else now,
                "renewTime": now,
                "leaseTransitions": changes if ours or not lease else (changes or 0) + 1,
            },
        }

    async def _release(self) -> None:
        lease = await self._client.get(LEASES, self._name, self._namespace)
        spec = lease.get("spec")
        if isinstance(spec, dict) and spec.get("holderIdentity") == self._identity:
            spec["holderIdentity"] = ""
            spec["leaseDurationSeconds"] = 1
            await self._client.update(LEASES, lease)

    def _hold(self, begun: float) -> None:
        """@param begun: when the renewal was sent: from then on others may count."""
        if self._ended:
            return
        if self._deadline is not None:
            self._deadline.cancel()
        remaining = max(0.0, begun + self._terms.deadline - self._clock.seconds())
        self._deadline = self._clock.callLater(remaining, self._overdue)
        if not self.leading:
            self.leading = True
            self._log.info("{identity} leads", identity=self._identity)
            self._started()

    def _overdue(self) -> None:
        self._deadline = None
        self._lose()

    def _lose(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self.leading = False
        self._log.info("{identity} leads no more", identity=self._identity)
        self._stopped()


def _seconds(value: Any, otherwise: int) -> float:
    return float(value) if isinstance(value, int) and value > 0 else float(otherwise)


def _micro_time(seconds: float) -> str:
    """MicroTime of meta/v1."""
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
