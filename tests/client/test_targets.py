"""Tests for L{clustergateway.client}."""

from __future__ import annotations

from pathlib import Path

import yaml
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.client import api_client, cluster_server
from clustergateway.errors import ConfigurationError


class TargetsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.write_text(
            yaml.safe_dump(
                {
                    "current-context": "hub",
                    "contexts": [{"name": "hub", "context": {"cluster": "c", "user": "u"}}],
                    "clusters": [{"name": "c", "cluster": {"server": "https://hub:6443"}}],
                    "users": [{"name": "u", "user": {"token": "t"}}],
                }
            )
        )

    def test_the_official_client_pointed_at_a_cluster(self) -> None:
        made = api_client("east", str(self.path))
        self.assertEqual(
            made.configuration.host,
            "https://hub:6443/apis/cluster.core.oam.dev/v1alpha1/clustergateways/east/proxy",
        )

    def test_a_slash_too_many(self) -> None:
        self.assertEqual(cluster_server("https://hub/", "e"), cluster_server("https://hub", "e"))

    def test_a_context_that_is_not_there(self) -> None:
        self.assertRaises(ConfigurationError, api_client, "east", str(self.path), "no-such")
