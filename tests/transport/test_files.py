"""Tests for L{clustergateway.transport.files}."""

from __future__ import annotations

import os
import stat

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.transport.files import LARGEST, Poll, cause, read_file, signature, write_private


class SignatureTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = self.mktemp()
        os.mkdir(self.folder)
        self.path = os.path.join(self.folder, "it")

    def write(self, content: bytes) -> None:
        with open(self.path, "wb") as stream:
            stream.write(content)

    def test_nothing_there(self) -> None:
        self.assertIsNone(signature(self.path))
        self.assertIsNone(signature(self.folder))
        self.assertIsNone(signature("a\0b"))

    def test_unchanged(self) -> None:
        self.write(b"one")
        self.assertEqual(signature(self.path), signature(self.path))

    def test_replaced_by_one_of_the_same_size_and_time(self) -> None:
        self.write(b"one")
        before, times = signature(self.path), os.stat(self.path)
        self.path = os.path.join(self.folder, "new")
        self.write(b"two")
        os.utime(self.path, ns=(times.st_atime_ns, times.st_mtime_ns))
        os.replace(self.path, os.path.join(self.folder, "it"))
        self.assertNotEqual(signature(os.path.join(self.folder, "it")), before)

    def test_switched_link(self) -> None:
        for name in ("one", "two"):
            os.mkdir(os.path.join(self.folder, name))
            self.path = os.path.join(self.folder, name, "it")
            self.write(b"same size")
        link = os.path.join(self.folder, "data")
        os.symlink("one", link)
        before = signature(os.path.join(link, "it"))
        os.symlink("two", f"{link}.new")
        os.replace(f"{link}.new", link)
        self.assertNotEqual(signature(os.path.join(link, "it")), before)


class ReadTests(SynchronousTestCase):
    def test_too_large(self) -> None:
        path = self.mktemp()
        with open(path, "wb") as stream:
            stream.truncate(LARGEST + 1)
        error = self.assertRaises(ConfigurationError, read_file, path)
        self.assertEqual(cause(error), "it is larger than 16 MiB")

    def test_cause(self) -> None:
        error = self.assertRaises(OSError, read_file, self.mktemp())
        self.assertEqual(cause(error), "No such file or directory")
        self.assertEqual(cause(self.assertRaises(ValueError, read_file, "a\0b")), "its path cannot be used")


class WriteTests(SynchronousTestCase):
    def test_owner_alone(self) -> None:
        path = self.mktemp()
        with open(path, "wb") as stream:
            stream.write(b"old")
        os.chmod(path, 0o644)
        write_private(path, b"new")
        self.assertEqual(read_file(path), b"new")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

    def test_nothing_left_over(self) -> None:
        folder = self.mktemp()
        os.makedirs(os.path.join(folder, "it"))
        self.assertRaises(OSError, write_private, os.path.join(folder, "it"), b"new")
        self.assertEqual(os.listdir(folder), ["it"])


class PollTests(SynchronousTestCase):
    def test_looks_at_an_interval(self) -> None:
        clock, looks = Clock(), list[float]()
        poll = Poll(lambda: looks.append(clock.seconds()), clock, 2.0)
        poll.start()
        clock.pump([1.0] * 5)
        poll.stop()
        poll.stop()
        clock.pump([1.0] * 5)
        self.assertEqual(looks, [2.0, 4.0])

    def test_survives_errors(self) -> None:
        clock, looks = Clock(), list[float]()

        def look() -> None:
            looks.append(clock.seconds())
            raise ZeroDivisionError

        poll = Poll(look, clock, 1.0)
        poll.start()
        clock.pump([1.0] * 3)
        self.assertEqual(looks, [1.0, 2.0, 3.0])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)
        poll.stop()
