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

from ..errors import GatewayError, NotFound
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
        """
        The channel did not take it: the name is not one that a cluster can have, or is not spelled plainly (a name in
        percent-encoding is another name to some). Nothing is carried from here.
        """
        fail(request, Failure(NotFound("the server could not find the requested resource")))
        return NOT_DONE_YET
