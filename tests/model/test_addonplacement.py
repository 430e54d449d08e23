from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.addonplacement import ANYWHERE, Placement, parse_placement

from .test_addon import JSON

MEMBERS = ("nodePlacement", "registries", "resourceRequirements", "customizedVariables")


class ImageTests(SynchronousTestCase):
    def test_as_configured(self) -> None:
        self.assertEqual(ANYWHERE.image_for("a/b:1"), "a/b:1")

    def test_mirrors(self) -> None:
        mirrored = Placement({}, registries=(("quay.io", "m.test"), ("quay.io/team", "team.test/x/")))
        for image, found in (
            ("quay.io/gateway:1", "m.test/gateway:1"),
            ("quay.io/team/gateway:1", "team.test/x/gateway:1"),
            ("quay.io.example/gateway:1", "quay.io.example/gateway:1"),
        ):
            self.assertEqual(mirrored.image_for(image), found)

    def test_mirror_for_everything(self) -> None:
        self.assertEqual(Placement({}, registries=(("", "m.test/all"),)).image_for("a/b/c:1"), "m.test/all/c:1")

    def test_another_image(self) -> None:
        self.assertEqual(Placement({}, image="other:2").image_for("a:1"), "other:2")


class ResourcesTests(SynchronousTestCase):
    def test_the_last_that_fits(self) -> None:
        placed = Placement({}, resources=(("*:*:*", {"a": 1}), ("deployments:d:c", {"b": 2}), ("x:*:*", {"c": 3})))
        self.assertEqual(placed.resources_for("deployments", "d", "c"), {"b": 2})
        self.assertEqual(placed.resources_for("deployments", "d", "other"), {"a": 1})
        self.assertIsNone(ANYWHERE.resources_for("deployments", "d", "c"))


class ParseTests(SynchronousTestCase):
    def test_replicas(self) -> None:
        def parse(value: str) -> Placement:
            return parse_placement({"spec": {"customizedVariables": [{"name": "Replicas", "value": value}]}})

        self.assertEqual(parse("1").replicas, 1)
        for value in ("", "x", "-1", "1000"):
            self.assertRaises(ConfigurationError, parse, value)

    def test_empty(self) -> None:
        self.assertEqual(parse_placement({}), ANYWHERE)

    @given(st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, JSON)))
    def test_fails_in_no_other_way(self, spec: dict[str, Any]) -> None:
        try:
            placed = parse_placement({"spec": spec})
        except ConfigurationError:
            return
        self.assertTrue(placed.image_for("a/b:1"))
        placed.resources_for("deployments", "d", "c")
