"""Scripts, from text to exit code."""

from __future__ import annotations

from clustergateway.sandbox.streams.pipe import Pipe

from .container_world import ContainerTestCase


class Scripts(ContainerTestCase):
    def test_results(self) -> None:
        for text, printed, code in (
            ("", b"", 0),
            ("echo a; echo b", b"a\nb\n", 0),
            ("echo a\necho b\n", b"a\nb\n", 0),
            ("true && echo yes || echo no", b"yes\n", 0),
            ("false && echo yes || echo no", b"no\n", 0),
            ("false || false && echo x", b"", 1),
            ("true &&\n echo x", b"x\n", 0),
            ("exit 3; echo never", b"", 3),
            ("false; exit", b"", 1),
            ("false; echo $?", b"1\n", 0),
            ("echo 'a  b' \"c  d\" e  f", b"a  b c  d e f\n", 0),
            ("X=1; echo $X ${X}2 '$X' \"$X\" \\$X", b"1 12 $X 1 $X\n", 0),
            ("X='a  b'; echo $X \"$X\"", b"a b a  b\n", 0),
            ("X=1 env | tail -n1; echo .$X", b"X=1\n.\n", 0),
            ('echo $UNSET "" $UNSET x | wc -w', b"1\n", 0),
            ("echo # nothing", b"\n", 0),
            ("echo a#b $", b"a#b $\n", 0),
            ("seq 3 | cat | wc -l", b"3\n", 0),
            ("echo x | false", b"", 1),
            ("false | true", b"", 0),
            ("exit 4 | exit 5; echo $?", b"5\n", 0),
            ("yes | head -n 2", b"y\ny\n", 0),
            ("/bin/echo a && /usr/bin/echo b", b"a\nb\n", 0),
            ("export A=5; env | tail -n 1; sh -c 'echo $A'", b"A=5\n5\n", 0),
            ("cd /etc; pwd; cat hostname; cd; pwd", b"/etc\nweb\n/root\n", 0),
            ("echo $COLOR $CLUSTER $HOSTNAME $$", b"blue east web 1\n", 0),
        ):
            self.assertEqual(self.script(text), (printed, code), text)

    def test_redirections(self) -> None:
        for text, printed in (
            ("echo a >/tmp/f; echo b >>/tmp/f; cat /tmp/f", b"a\nb\n"),
            ("echo a >/tmp/f; echo b >/tmp/f; cat </tmp/f", b"b\n"),
            ("nope 2>/dev/null; echo $?", b"127\n"),
            ("ls /nope 2>&1", b"ls: /nope: No such file or directory\n"),
            ("ls /nope >/tmp/f 2>&1; cat /tmp/f", b"ls: /nope: No such file or directory\n"),
            ("echo a >&2", b""),
            ("echo a1>/tmp/f; cat /tmp/f", b"a1\n"),
            ("> /tmp/new; ls /tmp/new", b"/tmp/new\n"),
            ("echo a > /dev/null; wc -c < /dev/null", b"0\n"),
            ("echo a >/nope/f || echo $?", b"1\n"),
            ("cat < /nope || echo $?", b"1\n"),
        ):
            self.assertEqual(self.script(text)[0], printed, text)

    def test_complaints(self) -> None:
        for text, complaint, code in (
            ("nope", b"sh: nope: not found\n", 127),
            ("/opt/nope", b"sh: /opt/nope: not found\n", 127),
            ("echo 'a", b"sh: syntax error: unterminated quoted string\n", 2),
            ("echo a >", b"sh: syntax error: unexpected redirection\n", 2),
            ("| a", b'sh: syntax error: unexpected "|"\n', 2),
            ("a &&", b"sh: syntax error: unexpected end of file\n", 2),
            ("sleep 1 &", b'sh: syntax error: unexpected "&"\n', 2),
            ("for x in a; do b; done", b'sh: syntax error: this shell knows no "for"\n', 2),
            ("echo $(date)", b"sh: syntax error: this shell knows no such substitution\n", 2),
            ("cd /nope", b"sh: cd: can't cd to /nope: No such file or directory\n", 2),
            ("exit x", b"exit: Illegal number: x\n", 1),
        ):
            self.assertEqual((self.script(text)[1], self.err.data), (code, complaint), text)

    def test_positional_parameters(self) -> None:
        self.assertEqual(self.run_to_end("sh", "-c", "echo $0 $2 $1 $9.", "zero", "one", "two"), 0)
        self.assertEqual(self.out.data, b"zero two one .\n")

    def test_script_file(self) -> None:
        self.script("echo 'echo $1; exit 4' > /tmp/s")
        self.out.data = b""
        self.assertEqual((self.run_to_end("sh", "/tmp/s", "arg"), self.out.data), (4, b"arg\n"))


class Lines(ContainerTestCase):
    def test_lines_of_the_standard_input(self) -> None:
        stdin = Pipe()
        running = self.start("sh", stdin=stdin)
        stdin.put(b"echo one\nread")
        self.assertEqual(self.out.data, b"one\n")
        stdin.put(b"y\n")
        self.assertEqual(self.err.data, b"sh: ready: not found\n")
        stdin.put(b"echo 'x\n")
        self.assertIn(b"unterminated", self.err.data)
        stdin.put(b"exit 9\nnever\n")
        self.assertEqual(self.successResultOf(running), 9)

    def test_commands_read_on_where_the_shell_stopped(self) -> None:
        self.assertEqual(self.run_to_end("sh", stdin=b"head -n 1\nfor head\necho after\n"), 0)
        self.assertEqual(self.out.data, b"for head\nafter\n")

    def test_the_last_code_counts(self) -> None:
        self.assertEqual(self.run_to_end("sh", stdin=b"false"), 1)
