"""A file that somebody else changes."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..errors import ConfigurationError, GatewayError
from ..transport.files import Poll, Signature, cause, read_file, signature


class FollowedFile:
    """
    Has a file's contents taken into use at start and again whenever they change; what cannot be used is reported and
    the last good contents stay in force.

    The file is looked at every C{interval} seconds. That sees what a mounted ConfigMap or Secret does (a symbolic link
    is switched) as well as an editor's rename.
    """

    _log = Logger()

    def __init__(self, path: str, clock: IReactorTime, use: Callable[[bytes], None], interval: float = 1.0) -> None:
        """
        @param path: C{""} for no file: nothing is ever taken into use.
        @param use: called with the contents; a L{GatewayError} it raises refuses them.
        """
        self.path = path
        self._use = use
        self._seen: Signature | None = None
        self._poll = Poll(self._again, clock, interval)
        self._problem = ""

    def start(self) -> None:
        """
        Read the file now, and follow it.

        @raise ConfigurationError: it cannot be read or used: nothing is good yet that could stay in force.
        """
        if not self.path:
            return
        self._look()
        if self._problem:
            raise ConfigurationError(self._problem)
        self._poll.start()

    def stop(self) -> None:
        """Follow it no more."""
        self._poll.stop()

    def problems(self) -> tuple[str, ...]:
        """Why the newest contents are not in force, if they are not."""
        return (self._problem,) if self._problem else ()

    def _again(self) -> None:
        before = self._problem
        self._look()
        if self._problem and self._problem != before:
            self._log.error("{problem} The former contents stay in force.", problem=self._problem)
        elif before and not self._problem:
            self._log.info("{path} is usable again.", path=self.path)

    def _look(self) -> None:
        seen = signature(self.path)
        if seen is not None and seen == self._seen:
            return
        self._seen = seen
        try:
            self._use(read_file(self.path))
        except OSError as error:
            self._problem = f"{self.path} cannot be read: {cause(error)}."
        except GatewayError as error:
            self._problem = f"{self.path}: {error.message}"
        else:
            self._problem = ""
