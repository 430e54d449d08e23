"""C{/metrics}, in the text format of Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from twisted.web.http import Request

from .answer import UNCACHED, content_type, send
from .guarded import Guard, Guarded


class Metrics(Guarded):
    """Everything in one registry."""

    def __init__(self, guard: Guard, registry: CollectorRegistry) -> None:
        super().__init__(guard)
        self._registry = registry

    def answer(self, request: Request) -> None:
        send(request, generate_latest(self._registry), (content_type(CONTENT_TYPE_PLAIN_0_0_4), UNCACHED))
