"""The file system in memory."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.streams.shell.filesystem import Directory, File, FileError, FileSystem, Link


class Files(SynchronousTestCase):
    def setUp(self) -> None:
        self.files = FileSystem(quota=10)
        self.files.make_directories("/a/b")

    def refused(self, path: str) -> str:
        return str(self.assertRaises(FileError, self.files.find, path))

    def test_paths(self) -> None:
        self.assertIs(self.files.find("/a/b"), self.files.find("/a//./b/../b/"))
        self.assertIs(self.files.find("/"), self.files.root)
        self.assertIs(self.files.find("/../.."), self.files.root)
        self.assertEqual(self.refused("/a/x"), "No such file or directory")
        self.files.create("/a/f")
        self.assertEqual(self.refused("/a/f/x"), "Not a directory")
        self.assertEqual(self.refused("/a/f/"), "Not a directory")

    def test_kinds(self) -> None:
        self.files.create("/a/f")
        self.assertRaises(FileError, self.files.directory, "/a/f")
        self.assertRaises(FileError, self.files.file, "/a")
        self.assertRaises(FileError, self.files.create, "/a")
        self.assertRaises(FileError, self.files.create, "/x/f")
        self.assertRaises(FileError, self.files.put, "/", File())
        self.assertRaises(FileError, self.files.make_directories, "/a/f/g")

    def test_links(self) -> None:
        self.files.put("/l", Link("a/b"))
        self.assertIs(self.files.find("/l"), self.files.find("/a/b"))
        self.assertIsInstance(self.files.find("/l", follow=False), Link)
        self.files.put("/a/b/up", Link("../../a"))
        self.assertIs(self.files.find("/l/up/b/up"), self.files.find("/a"))
        self.files.put("/a/b/root", Link("/"))
        self.assertIs(self.files.find("/l/root/a"), self.files.find("/a"))
        self.files.put("/loop", Link("loop"))
        self.assertEqual(self.refused("/loop"), "Too many levels of symbolic links")

    def test_links_that_multiply(self) -> None:
        for number in range(30):
            self.files.put(f"/{number}", Link(f"{number + 1}/../{number + 1}"))
        self.files.make_directories("/30")
        self.assertEqual(self.refused("/0"), "Too many levels of symbolic links")

    def test_depth(self) -> None:
        self.files.make_directories("/d" * 2000)
        self.assertEqual(len(list(self.files.walk("/d"))), 2000)
        self.assertRaises(FileError, self.files.make_directories, "/d" * 2049)
        self.files.remove("/d")

    def test_quota(self) -> None:
        file = self.files.create("/f")
        self.files.append(file, b"1234567890")
        error = self.assertRaises(FileError, self.files.append, file, b"x")
        self.assertEqual((str(error), self.files.used), ("No space left on device", 10))
        self.files.create("/f")
        self.assertEqual(self.files.used, 0)

    def test_what_is_removed_or_replaced_takes_no_room(self) -> None:
        self.files.append(self.files.create("/a/b/f"), b"12345")
        self.files.put("/a/b/f", File())
        self.assertEqual(self.files.used, 0)
        self.files.append(self.files.file("/a/b/f"), b"12345")
        self.files.remove("/a")
        self.assertEqual(self.files.used, 0)
        self.assertRaises(FileError, self.files.remove, "/a")

    def test_walk(self) -> None:
        self.files.create("/a/f")
        self.files.put("/a/c", Link("b"))
        walked = [(path, type(node)) for path, node in self.files.walk("/a")]
        self.assertEqual(walked, [("/a", Directory), ("/a/b", Directory), ("/a/c", Link), ("/a/f", File)])
