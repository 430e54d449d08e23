"""Records exec and attach sessions as asciicasts, from beside them: nothing that passes waits for it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from ..errors import ConfigurationError, GatewayError, ServiceUnavailable
from ..model.asciicast import DEFAULT_SIZE, Event, Header, Text, exit_marker
from ..model.channels import Channel, TerminalSize
from ..model.http1answer import parse_response
from ..model.query import decode_query, first
from ..model.session import Piece, SessionDecoder, session_decoder
from ..settings import Limits

if TYPE_CHECKING:
    from ..model.auditpolicy import Session
    from ..model.record import Record

FLUSH = 0.5
"""Seconds after which what was recorded is in the file."""

_UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")
_log = Logger()


class SessionRecorder:
    """
    Makes recordings in a folder, one file each.

    @ivar recorded: how many were completed.
    @ivar failed: how many could not be.
    """

    def __init__(self, directory: str, clock: IReactorTime, max_bytes: int = 64 << 20) -> None:
        """
        @param max_bytes: size at which a recording ends.
        @raise ConfigurationError: the folder is not there and cannot be made.
        """
        self.directory = Path(directory)
        self.clock = clock
        self.max_bytes = max_bytes
        self.recorded = 0
        self.failed = 0
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"the folder for recordings cannot be made: {error.strerror}") from None

    def begin(self, record: Record, session: Session) -> Recording | None:
        """
        @return: sees the session as it passes; C{None} if there can be no recording, and need not be.
        @raise ServiceUnavailable: there can be none, and must be.
        """
        try:
            path, file = self._create(record)
        except OSError as error:
            self.failed += 1
            _log.error("a session cannot be recorded: {why}", why=error.strerror)
            if session.required:
                why = "this session must be recorded, and that is not possible now"
                raise ServiceUnavailable(why, cluster=record.cluster, hop="recording") from None
            return None
        return Recording(self, path, file, _about(record), session, self.clock.seconds())

    def _create(self, record: Record) -> tuple[Path, int]:
        stamp = datetime.fromtimestamp(self.clock.seconds(), timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        parts = (stamp, record.cluster, record.namespace, record.name, record.audit_id[:64])
        name = "_".join(_UNSAFE.sub("-", part)[:100] for part in parts if part)
        for number in range(100):
            path = self.directory / f"{name}{f'_{number}' if number else ''}.cast"
            try:
                return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileExistsError:
                continue
        raise FileExistsError(17, "File exists")


def _about(record: Record) -> dict[str, str]:
    query = decode_query(record.target.partition("?")[2])
    about = {
        "auditID": record.audit_id,
        "user": record.identity.user,
        "impersonated": record.impersonated.user if record.impersonated is not None else "",
        "address": ", ".join(record.addresses),
        "cluster": record.cluster,
        "namespace": record.namespace,
        "pod": record.name,
        "container": first(query, "container"),
        "kind": record.subresource,
        "command": " ".join(query.get("command", ())),
    }
    return {key: value for key, value in about.items() if value}


class Recording:
    """
    A L{Tap<clustergateway.interfaces.Tap>} that writes one asciicast.

    There is a file of every session that took place, whether anything was shown in it or not.

    @ivar problem: why it is not complete, C{""} if it is.
    """

    def __init__(
        self,
        recorder: SessionRecorder,
        path: Path,
        file: int,
        about: dict[str, str],
        session: Session,
        started: float,
    ) -> None:
        self._recorder = recorder
        self._path = path
        self._file = file
        self._about = about
        self._session = session
        self._started = started
        self._decoder: SessionDecoder | None = None
        self._texts = {channel: Text() for channel in (Channel.STDIN, Channel.STDOUT, Channel.STDERR)}
        self._lines: list[str] = []
        self._size = 0
        self._terminal: TerminalSize | None = None
        self._begun = False
        self._header = False
        self._blind = False
        self._flushing: IDelayedCall | None = None
        self._stop: Callable[[GatewayError], object] | None = None
        self.problem = ""

    @property
    def exit_code(self) -> int | None:
        """Of the command; C{None} while (or if never) known."""
        return None if self._decoder is None else self._decoder.exit_code

    @property
    def name(self) -> str:
        """Of the file, C{""} if there is none."""
        return self._path.name if self._begun else ""

    def bind(self, stop: Callable[[GatewayError], object]) -> None:
        """@param stop: ends the session; used when it has to be recorded and no longer can be."""
        self._stop = stop

    def response_head(self, code: int, head: bytes) -> None:
        if code != 101:
            return
        self._begun = True
        self._flush_soon()
        answer = parse_response(head, Limits())
        self._decoder = None if answer is None else session_decoder(answer)
        if self._decoder is None:
            self.fail("its protocol is not known")

    def request_data(self, data: bytes) -> None:
        if self._decoder is not None and not self._blind:
            self._decode(self._decoder.client, data)

    def response_data(self, data: bytes) -> None:
        if self._decoder is not None and not self._blind:
            self._decode(self._decoder.server, data)

    def parting(self, error: GatewayError) -> bytes:
        """See L{clustergateway.interfaces.Tap.parting}."""
        return b"" if self._decoder is None or self._blind else self._decoder.parting(error)

    def ended(self) -> None:
        self._stop = None
        if self._file < 0:
            return
        for channel, text in self._texts.items():
            self._text(channel, text.end())
        if self.exit_code is not None and not self.problem:
            self._lines.append(exit_marker(self._seconds(), self.exit_code).line())
        self._flush()
        self._close()
        if self._begun and not self.problem:
            self._recorder.recorded += 1

    def _decode(self, feed: Callable[[bytes], list[Piece | TerminalSize]], data: bytes) -> None:
        try:
            events = feed(data)
        except GatewayError as error:
            self._blind = True
            self.fail(error.message)
            return
        for each in events:
            if isinstance(each, TerminalSize):
                self._resize(each)
            else:
                self._text(each.channel, self._texts[each.channel].feed(each.data))

    def _resize(self, size: TerminalSize) -> None:
        if not (size.width and size.height):
            # A terminal that does not know.
            return
        # A client tells the size of its terminal at once, but the first output may come before that.
        if self._terminal is None and not self._header:
            self._terminal = size
        else:
            self._event("r", f"{size.width}x{size.height}")

    def _text(self, channel: Channel, text: str) -> None:
        if text and (channel is not Channel.STDIN or self._session.stdin):
            self._event("i" if channel is Channel.STDIN else "o", text)

    def _header_line(self) -> str:
        title = "{user} in {cluster}".format_map({"user": "", "cluster": "", **self._about})
        size = self._terminal or DEFAULT_SIZE
        return Header(size, int(self._started), title, self._about.get("command", ""), self._about).line()

    def _event(self, code: str, text: str) -> None:
        if self.problem:
            return
        line = Event(self._seconds(), code, text).line()
        self._size += len(line)
        if self._size > self._recorder.max_bytes:
            self.fail(f"it is larger than {self._recorder.max_bytes} bytes")
            return
        self._lines.append(line)
        self._flush_soon()

    def _seconds(self) -> float:
        """Since the session began."""
        return max(0.0, self._recorder.clock.seconds() - self._started)

    def _flush_soon(self) -> None:
        if self._flushing is None:
            self._flushing = self._recorder.clock.callLater(FLUSH, self._flush)

    def _flush(self) -> None:
        if self._flushing is not None and self._flushing.active():
            self._flushing.cancel()
        self._flushing = None
        if self._begun and not self._header:
            self._header = True
            self._lines.insert(0, self._header_line())
        data = "".join(self._lines).encode("ascii")
        self._lines = []
        try:
            while data:
                data = data[os.write(self._file, data) :]
        except OSError as error:
            self.fail(error.strerror or "it cannot be written")

    def fail(self, why: str) -> None:
        """What was recorded so far is kept; the session ends with it if it must be recorded."""
        if self.problem:
            return
        self.problem = why
        self._recorder.failed += 1
        _log.error("the recording of a session ends: {why}", why=why, path=str(self._path))
        if self._session.required and self._stop is not None:
            message = f"this session must be recorded, and its recording has ended: {why}"
            error = ServiceUnavailable(message, cluster=self._about.get("cluster", ""), hop="recording")
            # Not from within what is passing just now.
            self._recorder.clock.callLater(0, self._stop, error)

    def _close(self) -> None:
        os.close(self._file)
        self._file = -1
        if not self._begun:
            # The cluster refused: there was no session.
            self._path.unlink(missing_ok=True)
