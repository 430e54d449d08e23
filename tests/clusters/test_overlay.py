"""Tests for L{clustergateway.clusters.overlay}."""

from __future__ import annotations

from clustergateway.clusters.overlay import Overlay
from clustergateway.errors import HubUnavailable, UnknownCluster
from clustergateway.model.gateway import TokenCredential, UnknownCredential
from clustergateway.model.ocm import managed_only

from .test_secrets import DirectoryCase, managed, secret


class OverlayTests(DirectoryCase):
    managed = True

    def setUp(self) -> None:
        super().setUp()
        self.registered = Overlay(self.directory, self.clusters, managed_only)
        self.synced()
        self.seen: list[tuple[str, str, str]] = []
        self.registered.subscribe(lambda event, g: self.seen.append((event, g.name, type(g.credential).__name__)))

    def test_a_life(self) -> None:
        self.clusters.changed("ADDED", managed(version=2))
        self.assertEqual(self.registered.get("east").credential, UnknownCredential())
        self.secrets.changed("ADDED", secret(version=3))
        self.assertEqual(self.registered.get("east").credential, TokenCredential("hunter2"))
        self.secrets.changed("DELETED", secret(version=4))
        self.clusters.changed("DELETED", managed(version=5))
        self.assertRaises(UnknownCluster, self.registered.get, "east")
        self.assertEqual(
            self.seen,
            [
                ("ADDED", "east", "UnknownCredential"),
                ("MODIFIED", "east", "TokenCredential"),
                ("MODIFIED", "east", "UnknownCredential"),
                ("DELETED", "east", "UnknownCredential"),
            ],
        )

    def test_with_a_secret_it_goes_once(self) -> None:
        self.secrets.changed("ADDED", secret(version=2))
        self.clusters.changed("ADDED", managed(version=3))
        self.clusters.changed("DELETED", managed(version=4))
        self.assertEqual([each[:2] for each in self.seen if each[0] == "DELETED"], [("DELETED", "east")])
        self.assertEqual(list(self.registered.all()), [])

    def test_all_sorted_each_once(self) -> None:
        for name in ("west", "east", "north"):
            self.clusters.changed("ADDED", managed(name))
        self.secrets.changed("ADDED", secret("north"))
        self.assertEqual([gateway.name for gateway in self.registered.all()], ["east", "north", "west"])

    def test_what_has_no_name(self) -> None:
        self.clusters.changed("ADDED", managed("Not A Name"))
        self.assertEqual((list(self.registered.all()), self.seen), ([], []))

    def test_nothing_new(self) -> None:
        self.clusters.changed("ADDED", managed())
        self.clusters.changed("MODIFIED", managed())
        self.assertEqual(len(self.seen), 1)

    def test_before_everything_is_seen(self) -> None:
        complete = False
        self.registered = Overlay(self.directory, self.clusters, managed_only, lambda: complete)
        self.clusters.changed("ADDED", managed(version=2))
        self.assertEqual(self.registered.get("east").name, "east")
        self.assertRaises(HubUnavailable, self.registered.get, "west")
        complete = True
        self.assertRaises(UnknownCluster, self.registered.get, "west")
