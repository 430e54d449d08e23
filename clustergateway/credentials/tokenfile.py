"""Bearer tokens in files that somebody else rotates."""

from __future__ import annotations

from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from ..errors import ConfigurationError, CredentialUnavailable
from ..model.gateway import TokenCredential
from ..model.secrets import is_token
from ..transport.files import Signature, cause, read_file, signature
from .static import FixedEntry, static_entry

LOOK_AGAIN = 1.0
"""Seconds between two looks at the same file."""


@dataclass(slots=True)
class _Known:
    looked: float
    signature: Signature | None
    entry: FixedEntry | None
    problem: str


class TokenFiles:
    """
    The tokens of any number of files, each looked at once a second at most, and read when it changed. While a file
    cannot be read its last token serves on.
    """

    _log = Logger()

    def __init__(self, clock: IReactorTime) -> None:
        self._clock = clock
        self._known: dict[str, _Known] = {}

    def entry(self, path: str, cluster: str) -> FixedEntry:
        """
        @param cluster: whose token it is, for the error.
        @raise CredentialUnavailable: it was never readable.
        """
        known = self._known.get(path)
        now = self._clock.seconds()
        if known is None or not 0 <= now - known.looked < LOOK_AGAIN:
            known = self._look(path, known, now)
        if known.entry is None:
            raise CredentialUnavailable(
                f"the token file of cluster {cluster} cannot be used: {known.problem}",
                cluster=cluster,
                hop="credential",
                retry_after=1,
            )
        return known.entry

    def rejected(self, path: str, entry_version: str) -> bool:
        """
        The token was refused: look at the file now.

        @return: whether it holds another one.
        """
        known = self._look(path, self._known.get(path), self._clock.seconds())
        return known.entry is not None and known.entry.version != entry_version

    def _look(self, path: str, known: _Known | None, now: float) -> _Known:
        seen = signature(path)
        if known is not None and seen == known.signature and not known.problem:
            known.looked = now
            return known
        entry, problem = None if known is None else known.entry, ""
        try:
            entry = _read(path)
        except (ConfigurationError, OSError, ValueError) as error:
            problem = cause(error)
            if known is None or known.problem != problem:
                self._log.warn("token file {path}: {problem}", path=path, problem=problem)
        self._known[path] = _Known(now, seen, entry, problem)
        return self._known[path]


def _read(path: str) -> FixedEntry:
    token = read_file(path).decode("latin-1").strip()
    if not is_token(token):
        raise ConfigurationError("it holds no token")
    return static_entry(TokenCredential(token))
