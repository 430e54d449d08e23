"""Text commands."""

from __future__ import annotations

import hashlib

from .container_world import ContainerTestCase


class TextCommands(ContainerTestCase):
    def test_results(self) -> None:
        for text, printed in (
            ("echo -n a; echo b", b"ab\n"),
            (r"echo -e 'a\tb\\n\c'", b"a\tb\\n\\c\n"),
            ("echo -x -", b"-x -\n"),
            ("cat /etc/hostname - < /etc/hostname", b"web\nweb\n"),
            ("echo a | tee /tmp/t; cat /tmp/t", b"a\na\n"),
            ("seq 3", b"1\n2\n3\n"),
            ("seq 2 3", b"2\n3\n"),
            ("seq 5 -2 1", b"5\n3\n1\n"),
            ("seq 1 0", b""),
            ("seq 10 | head -n 2", b"1\n2\n"),
            ("seq 10 | head -2", b"1\n2\n"),
            ("seq 10 | head -c 3", b"1\n2"),
            ("head -c 70000 /dev/zero | wc -c", b"70000\n"),
            ("seq 20 | tail -n 2", b"19\n20\n"),
            ("seq 20 | tail -n+19", b"19\n20\n"),
            ("seq 9 | tail -c+15", b"8\n9\n"),
            ("seq 9 | tail -c +0 | wc -c", b"18\n"),
            ("seq 9 | tail -c 4", b"8\n9\n"),
            ("seq 9 | tail -c 0", b""),
            ("seq 9 | tail -n 0", b""),
            ("seq 20000 | tail -c 5", b"0000\n"[-5:]),
            ("seq 20 | tail | head -n 1", b"11\n"),
            ("printf x || echo 'a b\n c' | wc", b"2 3 7\n"),
            ("echo a b | wc -w -c", b"2 4\n"),
            ("wc -l /etc/hosts", b"2 /etc/hosts\n"),
            ("echo abc | md5sum", hashlib.md5(b"abc\n").hexdigest().encode() + b"  -\n"),
            ("sha256sum /dev/null", hashlib.sha256().hexdigest().encode() + b"  /dev/null\n"),
            ("yes a b | head -n 1", b"a b\n"),
        ):
            self.assertEqual(self.script(text)[0], printed, text)

    def test_words_across_chunks(self) -> None:
        self.assertEqual(self.script("wc -w", b"a" * 40000 + b" b")[0], b"2\n")

    def test_failures(self) -> None:
        for text in (
            "cat /nope",
            "cat /etc",
            "seq",
            "seq x",
            "seq 1 0 5",
            "wc -x",
            "head -n x",
            "tail -c",
            "md5sum /nope",
        ):
            self.assertEqual(self.script(text)[1], 1, text)
            self.assertIn(text.split()[0].encode() + b": ", self.err.data)
