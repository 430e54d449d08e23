"""Commands that read and write text and bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from ..pipe import CHUNK, Sink, Source
from .process import Process, Program, UsageError, copy, encoded, writer

_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "a": "\a", "e": "\x1b", "0": "\0"}


async def echo(process: Process) -> int:
    words = process.arguments
    newline, escapes = True, False
    while words and len(words[0]) > 1 and words[0][0] == "-" and set(words[0][1:]) <= set("neE"):
        newline = newline and "n" not in words[0]
        escapes = escapes or "e" in words[0]
        words = words[1:]
    text = " ".join(words)
    if escapes:
        text = _unescaped(text)
    await process.say(text + "\n" * newline)
    return 0


async def cat(process: Process) -> int:
    for name in process.arguments or ["-"]:
        await copy(process.open(name), process.stdout)
    return 0


async def tee(process: Process) -> int:
    sinks: list[Sink] = [writer(process, process.path(name)) for name in process.arguments]
    while data := await process.stdin.read():
        for sink in [*sinks, process.stdout]:
            await sink.write(data)
    return 0


async def seq(process: Process) -> int:
    try:
        numbers = [int(argument) for argument in process.arguments]
        first = numbers[0] if len(numbers) > 1 else 1
        step = numbers[1] if len(numbers) > 2 else 1
        steps = range(first, numbers[-1] + (1 if step > 0 else -1), step)
    except (ValueError, IndexError):
        raise UsageError("usage: seq [FIRST [STEP]] LAST") from None
    for start in range(0, len(steps), 4096):
        await process.say("".join(f"{number}\n" for number in steps[start : start + 4096]))
        await process.breathe()
    return 0


async def yes(process: Process) -> int:
    text = (" ".join(process.arguments) or "y") + "\n"
    block = encoded(text) * max(1, CHUNK // len(text))
    while True:
        await process.stdout.write(block)
        await process.breathe()


async def head(process: Process) -> int:
    unit, count, names = _amount(process)
    for name in names:
        source, left = process.open(name), int(count)
        while left > 0 and (data := await (source.read(min(left, CHUNK)) if unit == "c" else source.read_line())):
            left -= len(data) if unit == "c" else 1
            await process.stdout.write(data)
    return 0


async def tail(process: Process) -> int:
    unit, count, names = _amount(process)
    for name in names:
        source = process.open(name)
        if count.startswith("+"):
            await _skip(source, unit, int(count) - 1)
            await copy(source, process.stdout)
        else:
            await _last(process, source, unit, abs(int(count)))
    return 0


async def wc(process: Process) -> int:
    options, names = _split(process, "clw")
    for name in names or ["-"]:
        source, lines, words, size, inside = process.open(name), 0, 0, 0, False
        while data := await source.read():
            lines += data.count(b"\n")
            size += len(data)
            words += len(data.split()) - (inside and not data[:1].isspace())
            inside = not data[-1:].isspace()
        counts = {"l": lines, "w": words, "c": size}
        shown = [str(counts[unit]) for unit in "lwc" if unit in (options or "lwc")]
        await process.say(" ".join([*shown, name] if names else shown) + "\n")
    return 0


def digest(algorithm: Callable[..., Any]) -> Program:
    """C{md5sum} and its like."""

    async def run(process: Process) -> int:
        for name in process.arguments or ["-"]:
            source, state = process.open(name), algorithm(usedforsecurity=False)
            while data := await source.read():
                state.update(data)
            await process.say(f"{state.hexdigest()}  {name}\n")
        return 0

    return run


def _unescaped(text: str) -> str:
    pieces = []
    at = 0
    while at < len(text):
        known = _ESCAPES.get(text[at + 1 : at + 2]) if text[at] == "\\" else None
        pieces.append(text[at] if known is None else known)
        at += 1 if known is None else 2
    return "".join(pieces)


def _split(process: Process, letters: str) -> tuple[str, list[str]]:
    """Option letters and operands."""
    options = "".join(word[1:] for word in process.arguments if len(word) > 1 and word[0] == "-")
    if unknown := set(options) - set(letters):
        raise UsageError(f"unrecognized option: {min(unknown)}")
    return options, [word for word in process.arguments if len(word) < 2 or word[0] != "-"]


def _amount(process: Process) -> tuple[str, str, list[str]]:
    """C{-c N}, C{-cN}, C{-n N}, C{-nN}, C{-N}: unit, amount, operands."""
    unit, count = "n", "10"
    words = list(process.arguments)
    while words and len(words[0]) > 1 and words[0][0] == "-":
        option = words.pop(0)[1:]
        if option[0] in "cn":
            unit = option[0]
            option = option[1:] or (words.pop(0) if words else "")
        count = option
        if not count.lstrip("+-").isdigit():
            raise UsageError(f"invalid number '{count}'")
    return unit, count, words or ["-"]


async def _skip(source: Source, unit: str, amount: int) -> None:
    while amount > 0:
        data = await (source.read(min(amount, CHUNK)) if unit == "c" else source.read_line())
        if not data:
            return
        amount -= len(data) if unit == "c" else 1


async def _last(process: Process, source: Source, unit: str, amount: int) -> None:
    kept: list[bytes] = []
    size = 0
    while data := await (source.read() if unit == "c" else source.read_line()):
        kept.append(data)
        size += len(data)
        if unit == "n":
            kept = kept[-amount:] if amount else []
        else:
            while size - len(kept[0]) >= amount and len(kept) > 1:
                size -= len(kept.pop(0))
    joined = b"".join(kept)
    await process.stdout.write(joined[-amount:] if unit == "c" and amount else joined if amount else b"")


PROGRAMS: dict[str, Program] = {
    "echo": echo,
    "cat": cat,
    "tee": tee,
    "seq": seq,
    "yes": yes,
    "head": head,
    "tail": tail,
    "wc": wc,
    "md5sum": digest(hashlib.md5),
    "sha256sum": digest(hashlib.sha256),
}
