"""The API contracts, through a gateway, on kube-apiserver and etcd."""

from __future__ import annotations

from typing import ClassVar

from . import customising, patching, reading, watching, writing
from .gateway import GatewayWorld
from .real import RealWorld
from .world import World


class _ThroughReal:
    tls_transport: ClassVar[str] = "merged"

    def make_world(self) -> World:
        return GatewayWorld(RealWorld(), self.tls_transport)


class CreatingTests(_ThroughReal, writing.Creating):
    pass


class UpdatingTests(_ThroughReal, writing.Updating):
    pass


class DeletingTests(_ThroughReal, writing.Deleting):
    pass


class PatchingTests(_ThroughReal, patching.Patching):
    pass


class ApplyingTests(_ThroughReal, patching.Applying):
    pass


class ListingTests(_ThroughReal, reading.Listing):
    pass


class FormsTests(_ThroughReal, reading.Forms):
    pass


class PathsTests(_ThroughReal, reading.Paths):
    async def test_method(self) -> None:
        """A method that no apiserver has is not passed on to find out."""
        reply = await self.api.call("FOO", f"{self.here}/configmaps")
        self.assertStatus(reply, 501, "NotImplemented", "the method FOO is not implemented")


class WatchingTests(_ThroughReal, watching.Watching):
    pass


class StockTlsWatchingTests(WatchingTests):
    tls_transport = "twisted"


class StockTlsListingTests(ListingTests):
    tls_transport = "twisted"


class CustomisingTests(_ThroughReal, customising.Customising):
    pass
