"""The API contracts, through a gateway, on the in-memory API server."""

from __future__ import annotations

from typing import ClassVar

from . import customising, patching, reading, watching, writing
from .gateway import GatewayWorld
from .sandbox import SandboxWorld
from .world import World


class _ThroughSandbox:
    tls_transport: ClassVar[str] = "merged"

    def make_world(self) -> World:
        return GatewayWorld(SandboxWorld(), self.tls_transport)


class CreatingTests(_ThroughSandbox, writing.Creating):
    pass


class UpdatingTests(_ThroughSandbox, writing.Updating):
    pass


class DeletingTests(_ThroughSandbox, writing.Deleting):
    pass


class PatchingTests(_ThroughSandbox, patching.Patching):
    pass


class ApplyingTests(_ThroughSandbox, patching.Applying):
    pass


class ListingTests(_ThroughSandbox, reading.Listing):
    pass


class FormsTests(_ThroughSandbox, reading.Forms):
    pass


class PathsTests(_ThroughSandbox, reading.Paths):
    async def test_method(self) -> None:
        """A method that no apiserver has is not passed on to find out."""
        reply = await self.api.call("FOO", f"{self.here}/configmaps")
        self.assertStatus(reply, 501, "NotImplemented", "the method FOO is not implemented")


class WatchingTests(_ThroughSandbox, watching.Watching):
    pass


class StockTlsWatchingTests(WatchingTests):
    tls_transport = "twisted"


class StockTlsListingTests(ListingTests):
    tls_transport = "twisted"


class CustomisingTests(_ThroughSandbox, customising.Customising):
    pass
