"""Tests for L{clustergateway.cli.rbac}."""

from __future__ import annotations

import argparse
import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import yaml
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.cli import rbac
from clustergateway.errors import ConfigurationError

RULES = """
spec:
  clientIdentityExchanger:
    rules:
    - {name: r, type: StaticMappingIdentityExchanger, source: {cluster: %s}, target: {user: %s, groups: [view]}}
"""


class RbacTests(SynchronousTestCase):
    def setUp(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        self.config, self.secret = folder / "config.yaml", folder / "secret.yaml"
        self.config.write_text(RULES % ("east", "reader"))
        self.annotate(RULES % ("east", "own"))

    def annotate(self, text: str) -> None:
        metadata = {"name": "east", "annotations": {rbac.ANNOTATION: text}}
        self.secret.write_text(yaml.safe_dump({"kind": "Secret", "metadata": metadata}))

    def run_it(self, *arguments: str) -> str:
        parser = argparse.ArgumentParser()
        rbac.arguments(parser)
        out = io.StringIO()
        with redirect_stdout(out):
            self.assertEqual(rbac.main(parser.parse_args(arguments)), 0)
        return out.getvalue()

    def users(self, *arguments: str) -> list[str]:
        text = self.run_it("--service-account", "gw/gateway", *arguments)
        (role, binding) = yaml.safe_load_all(text)
        self.assertEqual(binding["subjects"], [{"kind": "ServiceAccount", "name": "gateway", "namespace": "gw"}])
        names: list[str] = role["rules"][0].get("resourceNames", ["*"])
        return names

    def test_the_global_file(self) -> None:
        self.assertEqual(self.users("--config", str(self.config), "--rules-only"), ["reader"])
        self.assertEqual(self.users("--config", str(self.config), "--caller-user", "jane"), ["jane", "reader"])
        self.assertEqual(self.users("--config", str(self.config)), ["*"])
        self.assertEqual(self.users("--config", str(self.config), "--cluster", "east"), ["reader"])

    def test_a_clusters_own_rules(self) -> None:
        self.assertEqual(self.users("--config", str(self.config), "--secret", str(self.secret)), ["own"])

    def test_notes_are_comments(self) -> None:
        self.assertTrue(self.run_it("--user", "gateway").startswith("# Callers for whom there is no rule"))

    def test_a_user(self) -> None:
        _, binding = yaml.safe_load_all(self.run_it("--user", "gateway"))
        subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "gateway"}
        self.assertEqual(binding["subjects"], [subject])

    def test_constrained(self) -> None:
        text = self.run_it(
            "--user", "gateway", "--constrained", "--verb", "get", "--rules-only", "--config", str(self.config)
        )
        self.assertIn("impersonate-on:user-info:get", text)
        self.assertNotIn("impersonate-on:user-info:create", text)

    def test_what_is_wrong(self) -> None:
        user = ("--user", "gateway")
        for arguments in (
            *(("--service-account", "gateway"), (*user, "--verb", "get"), (*user, "--config", "/none")),
            (*user, "--secret", str(self.config)),
        ):
            self.assertRaises(ConfigurationError, self.run_it, *arguments)
        self.annotate("[")
        self.assertRaises(ConfigurationError, self.run_it, *user, "--secret", str(self.secret))
        with redirect_stderr(io.StringIO()):
            self.assertRaises(SystemExit, self.run_it)
