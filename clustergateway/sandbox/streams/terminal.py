"""What a Linux terminal does between a keyboard and a program, as far as a dumb one needs it."""

from __future__ import annotations

from collections.abc import Callable

from ...model.channels import TerminalSize
from .pipe import Pipe, Sink

MAX_LINE = 4096
CTRL_C, CTRL_D, CTRL_U, BACKSPACE, DELETE = 0x03, 0x04, 0x15, 0x08, 0x7F


class Terminal:
    """
    Typed bytes become lines of the program's input, and are echoed.

    @ivar interrupt: called on Ctrl-C.
    @ivar size: as last said by the client.
    """

    def __init__(self, keyboard: Pipe, echo: Callable[[bytes], None]) -> None:
        self.interrupt: Callable[[], None] = lambda: None
        self.size = TerminalSize(80, 24)
        self._keyboard = keyboard
        self._echo = echo
        self._line = bytearray()

    def typed(self, data: bytes) -> None:
        """The client sent these bytes."""
        for byte in data:
            self._key(byte)

    def _key(self, byte: int) -> None:
        if byte in b"\r\n":
            self._echo(b"\r\n")
            self._enter(b"\n")
        elif byte == CTRL_C:
            self._echo(b"^C\r\n")
            self._line.clear()
            self.interrupt()
        elif byte == CTRL_D:
            self._enter(b"")
        elif byte in (BACKSPACE, DELETE):
            if self._line:
                del self._line[-1]
                self._echo(b"\b \b")
        elif byte == CTRL_U:
            self._echo(b"\b \b" * len(self._line))
            self._line.clear()
        elif len(self._line) < MAX_LINE:
            self._line.append(byte)
            self._echo(bytes((byte,)) if byte >= 0x20 or byte == 0x09 else b"^" + bytes((byte + 0x40,)))

    def _enter(self, ending: bytes) -> None:
        line = bytes(self._line) + ending  # empty after Ctrl-D on an empty line: the program sees an end of file
        self._line.clear()
        self._keyboard.put(line)


class Screen:
    """A program's output on its way to a terminal: newlines return the carriage."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    async def write(self, data: bytes) -> None:
        await self._sink.write(data.replace(b"\n", b"\r\n"))
