"""What C{/version} says."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.version import version_info


class VersionTests(SynchronousTestCase):
    def test_numbers(self) -> None:
        for version, expected in [
            ("0.1.0", ("0", "1", "v0.1.0")),
            ("12.3", ("12", "3", "v12.3.0")),
            ("1.2.3.dev4+g5", ("1", "2", "v1.2.3")),
            ("", ("0", "0", "v0.0.0")),
        ]:
            found = version_info(version)
            self.assertEqual((found["major"], found["minor"], found["gitVersion"]), expected)
