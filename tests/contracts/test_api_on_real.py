"""The API contracts, on kube-apiserver and etcd."""

from __future__ import annotations

from . import aggregating, customising, discovering, patching, permitting, reading, watching, writing
from .real import RealWorld
from .world import World


class _InReal:
    def make_world(self) -> World:
        return RealWorld()


class CreatingTests(_InReal, writing.Creating):
    pass


class DefaultingTests(_InReal, writing.Defaulting):
    pass


class UpdatingTests(_InReal, writing.Updating):
    pass


class DeletingTests(_InReal, writing.Deleting):
    pass


class PatchingTests(_InReal, patching.Patching):
    pass


class ApplyingTests(_InReal, patching.Applying):
    pass


class ListingTests(_InReal, reading.Listing):
    pass


class FormsTests(_InReal, reading.Forms):
    pass


class PathsTests(_InReal, reading.Paths):
    pass


class WatchingTests(_InReal, watching.Watching):
    pass


class DiscoveringTests(_InReal, discovering.Discovering):
    pass


class PermittingTests(_InReal, permitting.Permitting):
    pass


class CustomisingTests(_InReal, customising.Customising):
    pass


class AggregatingTests(_InReal, aggregating.Aggregating):
    pass


class TrustingTests(_InReal, aggregating.Trusting):
    pass
