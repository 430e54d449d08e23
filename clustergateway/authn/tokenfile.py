"""Tokens that a file lists, for a gateway without a hosting cluster."""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.interfaces import IReactorTime

from ..errors import ConfigurationError
from ..kube.follow import FollowedFile
from ..model.identity import Identity
from ..model.tokens import digest, parse_token_file
from .groups import authenticated


class TokenFile:
    """
    Knows the tokens of a C{--token-auth-file}, and takes a changed file into use within a second.

    A token is looked up by its SHA-256, so the time it takes says nothing about any token.
    """

    def __init__(self, path: str, clock: IReactorTime) -> None:
        self._table: Mapping[bytes, Identity] = {}
        self._file = FollowedFile(path, clock, self._use)

    def start(self) -> None:
        """
        @raise ConfigurationError: the file cannot be read or understood.
        """
        self._file.start()

    def stop(self) -> None:
        """Follow the file no more."""
        self._file.stop()

    def problems(self) -> tuple[str, ...]:
        """Why the newest file is not in force, if it is not."""
        return self._file.problems()

    def judge(self, token: str) -> Identity | None:
        """Whose token it is."""
        return self._table.get(digest(token))

    def _use(self, contents: bytes) -> None:
        try:
            text = contents.decode("utf-8-sig")
        except UnicodeDecodeError:
            raise ConfigurationError("The token file is not UTF-8.") from None
        self._table = {key: authenticated(who) for key, who in parse_token_file(text).items()}
