"""
The C{proxy} subresource: a leaf of the tree like the others, but one that the channel asks before the tree is walked,
because Twisted Web renders a resource only when the whole request body is in, and a proxied body may never end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from ..errors import GatewayError, NotImplementedMethod
from ..model.identity import Claims
from ..model.record import Record
from .failure import fail

if TYPE_CHECKING:
    from ..model.http1 import RequestHead
    from ..pipeline import Pipeline


class ProxyResource(Resource):
    """
    C{/apis/cluster.core.oam.dev/v1alpha1/clustergateways/NAME/proxy} and everything below.

    Implements L{clustergateway.interfaces.Proxy} for
    L{GatewayChannel<clustergateway.transport.channel.GatewayChannel>}.
    """

    isLeaf = True

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self._pipeline = pipeline
        self.matches = pipeline.matches  # the hot path, without another call
        self.decide = pipeline.decide

    def refused(self, head: RequestHead, claims: Claims, error: GatewayError) -> Record:
        return self._pipeline.refused(head, claims, error)

    def render(self, request: Request) -> int:
        """On a channel that does not ask: say so, rather than carry what cannot be carried well."""
        fail(request, Failure(NotImplementedMethod("the proxy is served by the gateway's own HTTP channel only")))
        return NOT_DONE_YET
