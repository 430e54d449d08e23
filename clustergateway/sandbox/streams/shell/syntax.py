"""The grammar: C{list := pipeline ((; | newline | && | ||) pipeline)*}, with quotes, variables and redirections."""

from __future__ import annotations

import re
from dataclasses import dataclass

OPERATORS = ("&&", "||", ">>", ";", "|", "\n")
_REDIRECTION = re.compile(r"([0-9]?)(>>|>&|>|<)")
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*|[0-9?])\}|([A-Za-z_][A-Za-z0-9_]*|[0-9?$]))")
_RESERVED = {"if", "for", "while", "until", "case", "{", "}", "!", "function"}


class ShellSyntaxError(Exception):
    """What is wrong, as C{sh} says it after C{syntax error: }."""


@dataclass(frozen=True, slots=True)
class Piece:
    """
    Part of a word.

    @ivar text: literal, or the name of a variable.
    @ivar quoted: it is not split at blanks.
    """

    text: str
    quoted: bool = False
    variable: bool = False


Word = tuple[Piece, ...]


@dataclass(frozen=True, slots=True)
class Redirection:
    """@ivar mode: C{<}, C{>}, C{>>}, or C{>&}."""

    descriptor: int
    mode: str
    target: Word


@dataclass(frozen=True, slots=True)
class Command:
    words: tuple[Word, ...] = ()
    redirections: tuple[Redirection, ...] = ()


Pipeline = tuple[Command, ...]
Script = tuple[tuple[str, Pipeline], ...]
"""Each pipeline behind what connects it to the one before: C{;}, C{&&} or C{||}."""


@dataclass(frozen=True, slots=True)
class _Arrow:
    descriptor: int
    mode: str


_Token = str | Word | _Arrow


def parse(text: str) -> Script:
    """
    @raise ShellSyntaxError: it is not a script that this shell runs.
    """
    return _Parser(_Lexer(text).tokens()).script()


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._pieces: list[Piece] = []
        self._tokens: list[_Token] = []

    def tokens(self) -> list[_Token]:
        text = self._text
        while self._at < len(text):
            char = text[self._at]
            if char in " \t":
                self._end_word()
                self._at += 1
            elif char == "#" and not self._pieces:
                end = text.find("\n", self._at)
                self._at = len(text) if end < 0 else end
            elif not self._operator():
                self._part(char)
        self._end_word()
        return self._tokens

    def _operator(self) -> bool:
        redirection = _REDIRECTION.match(self._text, self._at)
        if redirection is not None and not (redirection[1] and self._pieces):
            self._end_word()
            default = 0 if redirection[2] == "<" else 1
            self._tokens.append(_Arrow(int(redirection[1] or default), redirection[2]))
            self._at = redirection.end()
            return True
        for operator in OPERATORS:
            if self._text.startswith(operator, self._at):
                self._end_word()
                self._tokens.append(operator)
                self._at += len(operator)
                return True
        if self._text[self._at] in "&()`":
            raise ShellSyntaxError(f'unexpected "{self._text[self._at]}"')
        return False

    def _part(self, char: str) -> None:
        if char == "'":
            end = self._text.find("'", self._at + 1)
            if end < 0:
                raise ShellSyntaxError("unterminated quoted string")
            self._pieces.append(Piece(self._text[self._at + 1 : end], True))
            self._at = end + 1
        elif char == '"':
            self._at += 1
            self._double_quoted()
        elif char == "\\":
            if self._text[self._at + 1 : self._at + 2] != "\n":
                self._pieces.append(Piece(self._text[self._at + 1 : self._at + 2], True))
            self._at += 2
        elif char == "$":
            self._variable(False)
        else:
            self._pieces.append(Piece(char))
            self._at += 1

    def _double_quoted(self) -> None:
        self._pieces.append(Piece("", True))
        while (char := self._text[self._at : self._at + 1]) != '"':
            if not char:
                raise ShellSyntaxError("unterminated quoted string")
            if char == "$":
                self._variable(True)
                continue
            if char == "\\" and self._text[self._at + 1 : self._at + 2] in ("\\", '"', "$", "`"):
                self._at += 1
                char = self._text[self._at]
            self._pieces.append(Piece(char, True))
            self._at += 1
        self._at += 1

    def _variable(self, quoted: bool) -> None:
        match = _VARIABLE.match(self._text, self._at)
        if match is not None:
            self._pieces.append(Piece(match[1] or match[2], quoted, True))
            self._at = match.end()
            return
        if self._text[self._at + 1 : self._at + 2] in ("(", "{"):
            raise ShellSyntaxError("this shell knows no such substitution")
        self._pieces.append(Piece("$", quoted))
        self._at += 1

    def _end_word(self) -> None:
        if self._pieces:
            self._tokens.append(tuple(self._pieces))
            self._pieces = []


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def script(self) -> Script:
        pipelines: list[tuple[str, Pipeline]] = []
        connector = ";"
        while self._at < len(self._tokens):
            if self._peek() in (";", "\n") and connector == ";":
                if self._peek() == ";" and not pipelines:
                    raise ShellSyntaxError('unexpected ";"')
                self._at += 1
                continue
            pipelines.append((connector, self._pipeline()))
            connector = ";"
            following = self._peek()
            if isinstance(following, str):
                self._at += 1
                connector = following if following in ("&&", "||") else ";"
                while connector != ";" and self._peek() == "\n":
                    self._at += 1
        if connector != ";":
            raise ShellSyntaxError("unexpected end of file")
        return tuple(pipelines)

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _pipeline(self) -> Pipeline:
        commands = [self._command()]
        while self._peek() == "|":
            self._at += 1
            commands.append(self._command())
        return tuple(commands)

    def _command(self) -> Command:
        words: list[Word] = []
        redirections: list[Redirection] = []
        while (token := self._peek()) is not None and not isinstance(token, str):
            self._at += 1
            if isinstance(token, _Arrow):
                redirections.append(self._redirection(token))
            else:
                words.append(token)
        if not words and not redirections:
            raise ShellSyntaxError(
                f'unexpected "{_shown(token)}"' if isinstance(token, str) else "unexpected end of file"
            )
        first = "".join(piece.text for piece in words[0]) if words else ""
        if first in _RESERVED and not any(piece.quoted for piece in words[0]):
            raise ShellSyntaxError(f'this shell knows no "{first}"')
        return Command(tuple(words), tuple(redirections))

    def _redirection(self, arrow: _Arrow) -> Redirection:
        target = self._peek()
        if not isinstance(target, tuple):
            raise ShellSyntaxError("unexpected redirection")
        self._at += 1
        return Redirection(arrow.descriptor, arrow.mode, target)


def _shown(operator: str) -> str:
    return "newline" if operator == "\n" else operator
