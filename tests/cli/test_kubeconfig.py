"""Tests for L{clustergateway.cli.kubeconfig}."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.cli import main
from clustergateway.cli.kubeconfig import contexts
from clustergateway.errors import ConfigurationError

HUB: dict[str, Any] = {
    "current-context": "hub",
    "contexts": [{"name": "hub", "context": {"cluster": "c", "user": "u"}}],
    "clusters": [{"name": "c", "cluster": {"server": "https://hub:6443/", "certificate-authority": "ca.crt"}}],
    "users": [{"name": "u", "user": {"token": "t", "client-key": "/keys/u.key"}}],
}


class ContextsTests(SynchronousTestCase):
    def test_a_context_for_each_cluster_with_the_same_user(self) -> None:
        made = contexts(HUB, "", ["east", "west"], Path("/etc/kube"))
        self.assertEqual([context["name"] for context in made["contexts"]], ["east", "west"])
        self.assertEqual(made["current-context"], "east")
        self.assertEqual(
            made["clusters"][1]["cluster"],
            {
                "server": "https://hub:6443/apis/cluster.core.oam.dev/v1alpha1/clustergateways/west/proxy",
                "certificate-authority": "/etc/kube/ca.crt",
            },
        )
        self.assertEqual(made["users"], [{"name": "u", "user": {"token": "t", "client-key": "/keys/u.key"}}])

    def test_what_is_missing_is_named(self) -> None:
        for broken, word in (
            ([], "mapping"),
            ({}, "context"),
            ({**HUB, "users": None}, "user"),
            ({**HUB, "clusters": [{}]}, "cluster"),
        ):
            with self.assertRaises(ConfigurationError) as caught:
                contexts(broken, "", ["east"], Path("/"))
            self.assertIn(word, caught.exception.message)
        self.assertRaises(ConfigurationError, contexts, HUB, "other", ["east"], Path("/"))


class CommandTests(SynchronousTestCase):
    def test_the_file_it_writes_is_private(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "hub").write_text(yaml.safe_dump(HUB))
        status = main(["kubeconfig", "--kubeconfig", str(folder / "hub"), "-o", str(folder / "out"), "east"])
        self.assertEqual(status, 0)
        self.assertEqual(stat.S_IMODE((folder / "out").stat().st_mode), 0o600)
        self.assertEqual(yaml.safe_load((folder / "out").read_text())["current-context"], "east")

    def test_a_file_that_is_not_there(self) -> None:
        self.assertEqual(main(["kubeconfig", "--kubeconfig", self.mktemp(), "east"]), 1)
