from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.kube.follow import FollowedFile


class FollowedFileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.path = FilePath(self.mktemp())
        self.path.setContent(b"one")
        self.used: list[bytes] = []
        self.file = FollowedFile(self.path.path, self.clock, self.use)

    def use(self, contents: bytes) -> None:
        if contents == b"bad":
            raise ConfigurationError("It is bad.")
        self.used.append(contents)

    def test_read_once_while_it_stays(self) -> None:
        self.file.start()
        self.clock.pump([1, 1, 1])
        self.assertEqual(self.used, [b"one"])

    def test_changed(self) -> None:
        self.file.start()
        self.path.setContent(b"two")
        self.clock.advance(1)
        self.assertEqual(self.used, [b"one", b"two"])

    def test_switched_link(self) -> None:
        """A mounted ConfigMap is a link to a directory that is exchanged."""
        base = self.mktemp()
        for name in ("a", "b"):
            os.makedirs(f"{base}/{name}")
            FilePath(f"{base}/{name}/file").setContent(name.encode())
        os.symlink("a", f"{base}/data")
        file = FollowedFile(f"{base}/data/file", self.clock, self.use)
        file.start()
        os.symlink("b", f"{base}/new")
        os.rename(f"{base}/new", f"{base}/data")
        self.clock.advance(1)
        self.assertEqual(self.used, [b"a", b"b"])

    def test_refused_change(self) -> None:
        self.file.start()
        self.path.setContent(b"bad")
        self.clock.advance(1)
        self.assertEqual(self.file.problems(), (f"{self.path.path}: It is bad.",))
        self.clock.advance(1)
        self.assertTrue(self.file.problems())
        self.path.setContent(b"good")
        self.clock.advance(1)
        self.assertEqual((self.used, self.file.problems()), ([b"one", b"good"], ()))

    def test_vanished_and_back(self) -> None:
        self.file.start()
        self.path.remove()
        self.clock.advance(1)
        self.assertIn("cannot be read", self.file.problems()[0])
        self.path.setContent(b"one")
        self.clock.advance(1)
        self.assertEqual(self.file.problems(), ())

    def test_start_needs_a_good_file(self) -> None:
        self.path.setContent(b"bad")
        self.assertRaises(ConfigurationError, self.file.start)
        self.path.remove()
        self.assertRaises(ConfigurationError, self.file.start)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_file(self) -> None:
        file = FollowedFile("", self.clock, self.use)
        file.start()
        self.assertEqual((self.used, file.problems(), self.clock.getDelayedCalls()), ([], (), []))
        file.stop()

    def test_stop(self) -> None:
        self.file.start()
        self.file.stop()
        self.file.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
