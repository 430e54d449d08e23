"""Every example does what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.identity import Attributes, Identity
from clustergateway.model.policy import parse_policy

from .world import shared_world

EXAMPLES = Path(__file__).parents[2] / "examples"


class PolicyTests(SynchronousTestCase):
    def test_the_example_means_what_its_comment_says(self) -> None:
        policy = parse_policy((EXAMPLES / "policy.yaml").read_text())
        developer, robot = Identity("jane", ("developers",)), Identity("robot-1")
        read, write = Attributes("list", resource="pods"), Attributes("create", resource="pods")
        expected = {
            (developer, "east", write): True,
            (developer, "west", read): True,
            (developer, "west", write): False,
            (robot, "west", read): True,
            (robot, "east", write): False,
        }
        for (who, cluster, what), allowed in expected.items():
            self.assertEqual(policy.decide_inner(who, cluster, what, False).allowed, allowed, (who, cluster, what))


class ExamplesTests(SynchronousTestCase):
    def test_pods_everywhere(self) -> None:
        world = shared_world()
        command = [sys.executable, str(EXAMPLES / "pods_everywhere.py"), str(world.kubeconfig), "cluster-gateway"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.stderr, "")
        self.assertRegex(done.stdout, r"^east: \d+ pods\nwest: \d+ pods\n$")
