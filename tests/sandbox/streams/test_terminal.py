"""The line discipline."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.sandbox.streams.pipe import Pipe
from clustergateway.sandbox.streams.terminal import MAX_LINE, Screen, Terminal


class Typing(SynchronousTestCase):
    def setUp(self) -> None:
        self.keyboard = Pipe()
        self.echoed = b""
        self.terminal = Terminal(self.keyboard, self.echo)

    def echo(self, data: bytes) -> None:
        self.echoed += data

    def read(self) -> bytes:
        return self.successResultOf(Deferred.fromCoroutine(self.keyboard.read()))

    def test_return_is_a_newline(self) -> None:
        self.terminal.typed(b"ls\r")
        self.assertEqual((self.read(), self.echoed), (b"ls\n", b"ls\r\n"))

    def test_nothing_is_read_before_the_line_ends(self) -> None:
        self.terminal.typed(b"ls")
        self.assertNoResult(Deferred.fromCoroutine(self.keyboard.read()))

    def test_erasing(self) -> None:
        self.terminal.typed(b"lx\x7fs\x08\x7f\x7fab\x15cd\n")
        self.assertEqual(self.read(), b"cd\n")
        self.assertEqual(self.echoed, b"lx\b \bs\b \b\b \bab\b \b\b \bcd\r\n")

    def test_end_of_file(self) -> None:
        self.terminal.typed(b"\x04ab\x04")
        self.assertEqual([self.read(), self.read()], [b"", b"ab"])

    def test_interrupt_drops_the_line(self) -> None:
        interrupts: list[None] = []
        self.terminal.interrupt = lambda: interrupts.append(None)
        self.terminal.typed(b"ab\x03cd\r")
        self.assertEqual((self.read(), len(interrupts), self.echoed), (b"cd\n", 1, b"ab^C\r\ncd\r\n"))

    def test_control_characters_are_shown(self) -> None:
        self.terminal.typed(b"\x1b[A\t\r")
        self.assertEqual((self.read(), self.echoed), (b"\x1b[A\t\n", b"^[[A\t\r\n"))

    def test_a_line_is_bounded(self) -> None:
        self.terminal.typed(b"x" * (MAX_LINE + 9) + b"\r")
        self.assertEqual(self.read(), b"x" * MAX_LINE + b"\n")


class Screens(SynchronousTestCase):
    def test_newlines_return_the_carriage(self) -> None:
        pipe = Pipe()
        self.successResultOf(Deferred.fromCoroutine(Screen(pipe).write(b"a\nb\n")))
        self.assertEqual(self.successResultOf(Deferred.fromCoroutine(pipe.read())), b"a\r\nb\r\n")
