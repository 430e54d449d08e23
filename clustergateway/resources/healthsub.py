"""C{clustergateways/NAME/health}: read and write what is known of a cluster's health."""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.http import Request

from ..errors import Conflict
from ..interfaces import HealthWriter
from ..model.forms import OF_ONE, form_of
from ..model.gateway import ClusterGateway
from ..model.healthupdate import parse_health_update
from ..model.kinds import CLUSTER_GATEWAYS
from ..model.negotiation import Wanted, negotiate
from ..model.secrets import GROUP
from ..model.watchcache import parse_version
from .answer import accept_of, query_of, send_object
from .collection import One
from .guarded import Guard
from .view import Collection


class HealthOf(One):
    """The ClusterGateway itself; of what is put here only its status is written."""

    def __init__(
        self, guard: Guard, collection: Collection, clock: IReactorTime, writer: HealthWriter | None, name: str
    ) -> None:
        super().__init__(guard, collection, name, clock)
        self._writer = writer
        if writer is not None:
            self.methods = (b"GET", b"HEAD", b"PUT")

    def answer(self, request: Request) -> Deferred[None] | None:
        if request.method != b"PUT" or self._writer is None:
            return super().answer(request)
        wanted = negotiate(accept_of(request), OF_ONE)
        content_type = request.getHeader(b"content-type") or b""
        assert request.content is not None  # Twisted Web renders a request when its body is there
        update = parse_health_update(request.content.read(), content_type.decode("latin-1"), self.name)
        shown = self.collection.get(self.name)
        seen = ""
        if update.resource_version:
            if update.resource_version != str(shown.version):
                raise Conflict(
                    f'Operation cannot be fulfilled on {CLUSTER_GATEWAYS.plural}.{GROUP} "{self.name}": '
                    "the object has been modified since it was read; read it again and apply the change to that"
                )
            # What is shown may have a version of our own; the writer compares with that of the source.
            seen = self.collection.directory.get(self.name).resource_version
        written = self._writer.write(self.name, update.health, seen)
        return written.addCallback(partial(self._written, request, wanted))

    def _written(self, request: Request, wanted: Wanted, gateway: ClusterGateway) -> None:
        item = self.collection.get(self.name)
        if self.collection.directory.get(self.name).resource_version != gateway.resource_version:
            # The hub has taken it, and will tell the directory in a moment.
            item = self.collection.kind.render(gateway, parse_version(gateway.resource_version) or item.version)
        form = form_of(self.collection.kind, wanted.transform, query_of(request))
        send_object(request, form.one(item), wanted)
