"""A client that does nothing more from the moment that its process leads no more."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IProtocol

from ..errors import GatewayError
from ..kube.client import TIMEOUT, KubeClient, Query


class LeadingClient(KubeClient):
    """
    Another client, until L{stop}.

    What is cancelled in the middle of a call may see the call fail rather than itself cancelled, and would go on: with
    an excuse in some object's status, for instance.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self.pulse = client.pulse
        self._over = False

    def stop(self) -> None:
        """From now on every call is as if cancelled."""
        self._over = True

    async def raw(self, *arguments: Any, **named: Any) -> bytes:
        self._go_on()
        try:
            return await self._client.raw(*arguments, **named)
        except GatewayError:
            self._go_on()
            raise

    async def stream(self, path: str, query: Query, receiver: IProtocol, timeout: float = TIMEOUT) -> None:
        self._go_on()
        await self._client.stream(path, query, receiver, timeout)

    def _go_on(self) -> None:
        if self._over:
            raise CancelledError()
