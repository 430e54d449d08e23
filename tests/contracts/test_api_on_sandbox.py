"""The API contracts, on the in-memory API server."""

from __future__ import annotations

from . import aggregating, customising, discovering, patching, permitting, reading, watching, writing
from .sandbox import SandboxWorld
from .world import World


class _InSandbox:
    def make_world(self) -> World:
        return SandboxWorld()


class CreatingTests(_InSandbox, writing.Creating):
    pass


class DefaultingTests(_InSandbox, writing.Defaulting):
    pass


class UpdatingTests(_InSandbox, writing.Updating):
    pass


class DeletingTests(_InSandbox, writing.Deleting):
    pass


class PatchingTests(_InSandbox, patching.Patching):
    pass


class ApplyingTests(_InSandbox, patching.Applying):
    pass


class ListingTests(_InSandbox, reading.Listing):
    pass


class FormsTests(_InSandbox, reading.Forms):
    pass


class PathsTests(_InSandbox, reading.Paths):
    pass


class WatchingTests(_InSandbox, watching.Watching):
    pass


class DiscoveringTests(_InSandbox, discovering.Discovering):
    pass


class PermittingTests(_InSandbox, permitting.Permitting):
    pass


class CustomisingTests(_InSandbox, customising.Customising):
    pass


class AggregatingTests(_InSandbox, aggregating.Aggregating):
    pass


class TrustingTests(_InSandbox, aggregating.Trusting):
    pass
