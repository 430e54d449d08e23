"""C{tar}, against the standard library's."""

from __future__ import annotations

import io
import tarfile

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.streams.shell.filesystem import File, Link
from clustergateway.sandbox.streams.shell.tarstream import END, Member, TarError, TarReader

from .container_world import ContainerTestCase

LONG = "d" * 90 + "/" + "é" * 120


def packed(members: list[tuple[str, bytes]], form: int = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size, info.mtime, info.mode = len(data), 1234, 0o640
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def unpacked(archive: bytes, size: int) -> list[tuple[str, bytes]]:
    reader = TarReader()
    found: list[tuple[str, bytes]] = []
    for at in range(0, len(archive), size):
        for item in reader.feed(archive[at : at + size]):
            if isinstance(item, Member):
                found.append((item.name, b""))
            else:
                found[-1] = (found[-1][0], found[-1][1] + item)
    assert reader.whole
    return found


class Create(ContainerTestCase):
    def archive(self, *command: str) -> tarfile.TarFile:
        self.out.data = self.err.data = b""
        self.assertEqual(self.run_to_end("tar", *command), 0, self.err.data)
        return tarfile.open(fileobj=io.BytesIO(self.out.data))

    def test_as_kubectl_calls_it(self) -> None:
        self.files.put("/tmp/d", self.files.make_directories("/tmp/d"))
        self.files.append(self.files.create("/tmp/d/f", 99), b"x" * 70000)
        self.files.put("/tmp/d/l", Link("f"))
        archive = self.archive("cf", "-", "/tmp/d")
        self.assertEqual(archive.getnames(), ["tmp/d", "tmp/d/f", "tmp/d/l"])
        self.assertIn(b"removing leading '/'", self.err.data)
        content = archive.extractfile("tmp/d/f")
        assert content is not None
        self.assertEqual((content.read(), archive.getmember("tmp/d/f").mtime), (b"x" * 70000, 99))
        self.assertEqual(archive.getmember("tmp/d/l").linkname, "f")
        self.assertTrue(archive.getmember("tmp/d").isdir())

    def test_relative_names(self) -> None:
        self.files.create("/tmp/f")
        self.assertEqual(self.archive("-c", "-f", "-", "-C", "/tmp", "f").getnames(), ["f"])
        self.assertIn("./f", self.archive("-cf", "-", "-C", "/tmp", ".").getnames())

    def test_long_names(self) -> None:
        self.files.make_directories("/tmp/" + "d" * 90)
        self.files.create(f"/tmp/{LONG}")
        self.assertIn(f"tmp/{LONG}", self.archive("cf", "-", "/tmp").getnames())

    def test_missing_files(self) -> None:
        self.assertEqual(self.run_to_end("tar", "cf", "-", "/nope"), 1)
        self.assertIn(b"tar: /nope: No such file or directory\n", self.err.data)
        self.assertEqual(self.out.data, END)

    def test_resumed_as_kubectl_does(self) -> None:
        self.files.append(self.files.create("/tmp/f"), b"abc")
        whole = self.script("tar cf - '/tmp/f' | tail -c+0")[0]
        self.assertEqual(self.script("tar cf - '/tmp/f' | tail -c+601")[0], whole[600:])

    def test_to_a_file(self) -> None:
        self.assertEqual(self.script("tar cf /tmp/a.tar /etc/hostname && tar tf /tmp/a.tar")[0], b"etc/hostname\n")


class Extract(ContainerTestCase):
    def test_as_kubectl_calls_it(self) -> None:
        archive = packed([("f", b"abc"), ("new/dir/g", b"x" * 70000)])
        for command in (("-xmf", "-"), ("--no-same-permissions", "--no-same-owner", "-xmf", "-"), ("xmf", "-")):
            self.assertEqual(self.run_to_end("tar", *command, "-C", "/tmp", stdin=archive), 0)
            self.assertEqual(self.files.file("/tmp/f").data, b"abc")
            self.assertEqual(self.files.file("/tmp/new/dir/g").data, b"x" * 70000)
            self.assertEqual((self.files.file("/tmp/f").mode, self.files.file("/tmp/f").mtime), (0o640, 1_000_000))
            self.files.remove("/tmp/new")

    def test_times_are_kept_without_m(self) -> None:
        self.run_to_end("tar", "xf", "-", "-C", "/tmp", stdin=packed([("f", b"abc")]))
        self.assertEqual(self.files.file("/tmp/f").mtime, 1234)

    def test_directories_and_links(self) -> None:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, kind, target in (("d/", tarfile.DIRTYPE, ""), ("l", tarfile.SYMTYPE, "d")):
                info = tarfile.TarInfo(name)
                info.type, info.linkname = kind, target
                archive.addfile(info)
        self.assertEqual(self.run_to_end("tar", "xvf", "-", "-C", "/tmp", stdin=out.getvalue()), 0)
        self.assertIs(self.files.find("/tmp/l"), self.files.directory("/tmp/d"))
        self.assertEqual(self.out.data, b"d\nl\n")

    def test_names_do_not_leave_the_container(self) -> None:
        self.run_to_end("tar", "xf", "-", "-C", "/tmp", stdin=packed([("../../../up", b"a"), ("/abs", b"b")]))
        self.assertIsInstance(self.files.find("/up"), File)
        self.assertIsInstance(self.files.find("/tmp/abs"), File)

    def test_a_file_takes_the_place_of_a_file_only(self) -> None:
        self.files.make_directories("/tmp/f")
        self.assertEqual(self.run_to_end("tar", "xf", "-", "-C", "/tmp", stdin=packed([("f", b"a")])), 1)
        self.assertIn(b"Is a directory", self.err.data)

    def test_a_full_file_system(self) -> None:
        self.files._quota = self.files.used + 10
        self.assertEqual(self.run_to_end("tar", "xf", "-", "-C", "/tmp", stdin=packed([("f", b"x" * 11)])), 1)
        self.assertIn(b"No space left on device", self.err.data)

    def test_refused(self) -> None:
        whole = packed([("f", b"x" * 1000)])
        for command, stdin, why in (
            (("xf", "-"), b"x" * 1024, b"invalid tar magic"),
            (("xf", "-"), whole[:700], b"short read"),
            (("xf", "-", "-C", "/nope"), whole, b"No such file"),
            (("xf", "/nope"), b"", b"No such file"),
            (("f", "-"), b"", b"must specify one of"),
            (("xzf", "-"), b"", b"unrecognized option: z"),
            (("xf",), b"", b"requires an argument: f"),
            (("--what", "x"), b"", b"unrecognized option '--what'"),
        ):
            self.err.data = b""
            self.assertEqual(self.run_to_end("tar", *command, stdin=stdin), 1, command)
            self.assertIn(why, self.err.data)


class Reader(SynchronousTestCase):
    def test_formats(self) -> None:
        for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
            self.assertEqual(unpacked(packed([(LONG, b"abc"), ("g", b"")], form), 100), [(LONG, b"abc"), ("g", b"")])

    def test_what_follows_the_end_is_ignored(self) -> None:
        reader = TarReader()
        reader.feed(packed([]) + b"trailing")
        self.assertEqual(reader.feed(b"more"), [])

    def test_pax_sizes(self) -> None:
        for records in (b"5 a=b\n", b"x", b"99 a=b\n", b"0 a=b\n"):
            info = tarfile.TarInfo("pax")
            info.type, info.size = tarfile.XHDTYPE, len(records)
            block = info.tobuf(tarfile.USTAR_FORMAT) + records.ljust(512, b"\0")
            self.assertRaises(TarError, TarReader().feed, block)

    def test_huge_extended_headers(self) -> None:
        info = tarfile.TarInfo("pax")
        info.type, info.size = tarfile.XHDTYPE, 1 << 30
        self.assertRaises(TarError, TarReader().feed, info.tobuf(tarfile.USTAR_FORMAT))

    @given(
        st.lists(st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1), st.binary())),
        st.integers(1, 2000),
    )
    def test_round_trip(self, members: list[tuple[str, bytes]], size: int) -> None:
        members = [("f" + name.rstrip("/"), data) for name, data in members]
        self.assertEqual(unpacked(packed(members), size), members)

    @given(st.lists(st.binary(max_size=600)), st.integers(0, 511), st.binary(max_size=20))
    def test_fails_in_no_other_way(self, pieces: list[bytes], at: int, change: bytes) -> None:
        block = bytearray(tarfile.TarInfo("name").tobuf())
        block[at : at + len(change)] = change
        block = block[:512].ljust(512, b"\0")
        total = sum(block[:148]) + sum(block[156:512]) + 8 * 32
        block[148:156] = b"%06o\0 " % total
        reader = TarReader()
        try:
            for piece in [bytes(block), *pieces]:
                reader.feed(piece)
        except TarError as error:
            self.assertTrue(str(error))
