"""C{clustergateway sessions}: which sessions were recorded, and what was seen in one."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

from twisted.internet import task
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.interfaces import IReactorTime

from ..errors import ConfigurationError
from ..model.asciicast import Event, Header, NotACast, marked_exit, parse_events, parse_header

_COLUMNS = ("STARTED", "SECONDS", "EXIT", "USER", "CLUSTER", "NAMESPACE", "POD", "COMMAND", "FILE")
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_subparsers(dest="what", required=True, metavar="list|play")
    listed = what.add_parser("list", help="one line for each recording, oldest first")
    listed.add_argument("folder", metavar="DIR", help="what --session-recording-dir names")
    played = what.add_parser("play", help="show a recording as it was seen; asciinema play does so as well")
    played.add_argument("file", metavar="FILE", help="a recording")
    played.add_argument("--speed", type=float, default=1.0, help="how many times as fast; 0 for all at once")
    played.add_argument("--idle-limit", type=float, default=2.0, metavar="SECONDS", help="longest pause kept")


def main(options: argparse.Namespace) -> int:
    if options.what == "list":
        sys.stdout.write(listing(Path(options.folder)))
        return 0
    if options.speed < 0 or options.idle_limit < 0:
        raise ConfigurationError("--speed and --idle-limit must not be negative")
    path = Path(options.file)
    with opened(path) as file:
        parse_header(file.readline())
        events = list(shown(parse_events(file)))
    if options.speed == 0:
        sys.stdout.write("".join(event.text for event in events))
        return 0

    def run(reactor: Any) -> Deferred[None]:
        return play(events, sys.stdout, reactor, options.speed, options.idle_limit)

    _react(run)
    return 0


def _react(run: Callable[[Any], Deferred[None]]) -> None:
    try:
        task.react(run)
    except SystemExit as over:
        if over.code:
            raise


def opened(path: Path) -> TextIO:
    """
    @raise ConfigurationError: it cannot be.
    """
    try:
        # Line ends as they were written: what was shown holds carriage returns of its own, but those are escaped.
        return path.open(encoding="utf-8", errors="replace", newline="\n")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None


def shown(events: Iterator[Event]) -> Iterator[Event]:
    """What was on the screen."""
    return (event for event in events if event.code == "o")


def play(events: list[Event], out: TextIO, clock: IReactorTime, speed: float, idle_limit: float) -> Deferred[None]:
    """
    @param speed: above 0.
    @param idle_limit: seconds; longer pauses are cut to it.
    @return: fires when the last was shown.
    """

    async def showing() -> None:
        before = 0.0
        for event in events:
            pause = min(max(0.0, event.at - before), idle_limit) / speed
            before = event.at
            if pause:
                await task.deferLater(clock, pause)
            out.write(event.text)
            out.flush()

    return ensureDeferred(showing())


def listing(folder: Path) -> str:
    """
    @return: a table. Files that are no recordings are left out.
    @raise ConfigurationError: there is no such folder.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is no folder")
    rows = sorted(row for path in folder.glob("*.cast") if (row := _row(path)) is not None)
    table = [_COLUMNS, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(_COLUMNS) - 1)]
    return "".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) + "\n"
        for row in table
    )


def _row(path: Path) -> tuple[str, ...] | None:
    try:
        with opened(path) as file:
            header = parse_header(file.readline())
            seconds, code = 0.0, None
            for event in parse_events(file):
                seconds, code = event.at, marked_exit(event)
    except (NotACast, ConfigurationError):
        return None
    return (_time(header), f"{seconds:.0f}", "-" if code is None else str(code), *_cells(header), path.name)


def _cells(header: Header) -> Iterator[str]:
    for key in ("user", "cluster", "namespace", "pod"):
        yield _plain(header.about.get(key, "")) or "-"
    yield _plain(header.command)[:60] or "-"


def _plain(text: str) -> str:
    """Without what would make a terminal do something: a command line is the user's choice."""
    return text.translate(_ESCAPES)


def _time(header: Header) -> str:
    try:
        return datetime.fromtimestamp(header.timestamp, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return "-"
