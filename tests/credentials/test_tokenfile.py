"""Tests for L{clustergateway.credentials.tokenfile}."""

from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.credentials.tokenfile import TokenFiles
from clustergateway.errors import CredentialUnavailable


class TokenFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = self.mktemp()
        self.clock = Clock()
        self.files = TokenFiles(self.clock)

    def write(self, content: bytes) -> None:
        with open(f"{self.path}.new", "wb") as stream:
            stream.write(content)
        os.replace(f"{self.path}.new", self.path)

    def token(self) -> str:
        return self.files.entry(self.path, "east").token

    def test_read(self) -> None:
        self.write(b"hunter2\n")
        self.assertEqual(self.token(), "hunter2")

    def test_looked_at_once_a_second(self) -> None:
        self.write(b"one")
        self.token()
        self.write(b"two")
        self.clock.advance(0.9)
        self.assertEqual(self.token(), "one")
        self.clock.advance(0.1)
        self.assertEqual(self.token(), "two")

    def test_version(self) -> None:
        self.write(b"one")
        entry = self.files.entry(self.path, "east")
        self.clock.advance(1)
        self.assertIs(self.files.entry(self.path, "east"), entry)
        self.write(b"two")
        self.clock.advance(1)
        self.assertNotEqual(self.files.entry(self.path, "east").version, entry.version)

    def test_never_readable(self) -> None:
        error = self.assertRaises(CredentialUnavailable, self.token)
        self.assertEqual((error.cluster, error.hop), ("east", "credential"))
        self.assertIn("No such file or directory", error.message)
        self.write(b"hunter2")
        self.clock.advance(1)
        self.assertEqual(self.token(), "hunter2")

    def test_not_a_token(self) -> None:
        for content in (b"", b"\n", b"hunter2 hunter2", b"hunter2\r\nX: y", b"hunter2\xff"):
            self.write(content)
            self.clock.advance(1)
            error = self.assertRaises(CredentialUnavailable, self.token)
            self.assertNotIn("hunter2", error.message)

    def test_the_last_one_serves_on(self) -> None:
        self.write(b"hunter2")
        self.token()
        os.unlink(self.path)
        self.clock.advance(1)
        self.assertEqual(self.token(), "hunter2")
        self.write(b"")
        self.clock.advance(1)
        self.assertEqual(self.token(), "hunter2")
        self.write(b"hunter3")
        self.clock.advance(1)
        self.assertEqual(self.token(), "hunter3")

    def test_clock_put_back(self) -> None:
        self.clock.advance(1000)
        self.write(b"one")
        self.token()
        self.clock.rightNow = 5.0
        self.write(b"two")
        self.assertEqual(self.token(), "two")

    def test_rejected(self) -> None:
        self.write(b"one")
        entry = self.files.entry(self.path, "east")
        self.assertFalse(self.files.rejected(self.path, entry.version))
        self.write(b"two")
        self.assertTrue(self.files.rejected(self.path, entry.version))
        self.assertEqual(self.token(), "two")
