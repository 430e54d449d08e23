"""Tests for L{clustergateway.service.auditing}."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.record import Record
from clustergateway.service.auditing import Auditing
from clustergateway.settings import Settings


class AuditingTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.policy = self.folder / "policy.yaml"
        self.log = self.folder / "audit.log"

    def make(self, **settings: Any) -> Auditing:
        return Auditing(Settings(**settings), self.clock, {})

    def test_nothing_by_default(self) -> None:
        auditing = self.make()
        auditing.start()
        self.assertIsNone(auditing.audit)
        self.assertEqual(auditing.problems(), ())
        auditing.stop()

    def test_a_file(self) -> None:
        auditing = self.make(audit_log_path=str(self.log))
        auditing.start()
        assert auditing.audit is not None
        auditing.audit.finished(Record("GET", "/", 0.0, ended=1.0))
        auditing.stop()
        self.assertEqual(self.log.read_text().count("\n"), 1)

    def test_a_policy_is_followed(self) -> None:
        text = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: {}\n"
        self.policy.write_text(text.format("None"))
        auditing = self.make(audit_log_path=str(self.log), audit_policy_file=str(self.policy))
        auditing.start()
        self.policy.write_text(text.format("Everything"))
        self.clock.advance(1)
        (problem,) = auditing.problems()
        self.assertIn("level", problem)
        auditing.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_cannot_be_used(self) -> None:
        self.policy.write_text("nonsense")
        auditing = self.make(audit_log_path=str(self.log), audit_policy_file=str(self.policy))
        self.assertRaises(ConfigurationError, auditing.start)
        for settings in ({"audit_log_path": "/none/x"}, {"session_recording_dir": str(self.policy)}):
            self.assertRaises(ConfigurationError, self.make, **settings)
        self.assertRaises(ConfigurationError, self.make, audit_webhook_config_file="/none/x")

    def test_recordings_without_a_log(self) -> None:
        self.assertIsNotNone(self.make(session_recording_dir=str(self.folder / "s")).audit)
