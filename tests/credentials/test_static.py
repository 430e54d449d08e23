"""Tests for L{clustergateway.credentials.static}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.credentials.static import FixedEntry, static_entry
from clustergateway.model.gateway import CertificateCredential, NoCredential, TokenCredential


class StaticTests(SynchronousTestCase):
    def test_token(self) -> None:
        entry = static_entry(TokenCredential("hunter2"))
        self.assertEqual((entry.token, entry.certificate, entry.key), ("hunter2", b"", b""))
        self.assertNotIn("hunter2", repr(entry))

    def test_certificate(self) -> None:
        entry = static_entry(CertificateCredential(b"certificate", b"hunter2"))
        self.assertEqual((entry.token, entry.certificate, entry.key), ("", b"certificate", b"hunter2"))
        self.assertNotIn("hunter2", repr(entry))

    def test_nothing(self) -> None:
        entry = static_entry(NoCredential())
        self.assertEqual(entry, FixedEntry(version=entry.version))

    def test_version(self) -> None:
        one, again, two = (static_entry(TokenCredential(token)).version for token in ("1", "1", "2"))
        self.assertEqual(one, again)
        self.assertNotEqual(one, two)
