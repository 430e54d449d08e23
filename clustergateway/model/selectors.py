"""
Label selectors, in the whole grammar of apimachinery: C{a=b, c==d, e!=f, g in (h,i), j notin (k), l, !m, n>1, o<2}.

An identifier is whatever stands between white space and the symbols; what a key or value may be made of is checked
afterwards, as apimachinery does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import BadRequest

OPERATORS = ("=", "!=", "==", "in", "notin", ">", "<")
TOKEN = re.compile(r"[ \t\r\n]*(?:(?P<symbol>==|!=|[=!(),<>])|(?P<word>[^ \t\r\n=!(),<>]+)|$)")
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?\Z")
PREFIX = re.compile(r"[a-z0-9]+(?:-+[a-z0-9]+)*(?:\.[a-z0-9]+(?:-+[a-z0-9]+)*)*\Z")
INTEGER = re.compile(r"[+-]?[0-9]{1,18}\Z")


@dataclass(frozen=True, slots=True)
class Requirement:
    """
    @ivar operator: C{in}, C{notin}, C{exists}, C{!}, C{>} or C{<}; the equalities are C{in} and C{notin} of one value.
    """

    key: str
    operator: str
    values: frozenset[str] = frozenset()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        if self.operator == "in":
            return value in self.values
        if self.operator == "notin":
            return value not in self.values
        if self.operator == "exists":
            return value is not None
        if self.operator == "!":
            return value is None
        if value is None or not INTEGER.match(value):
            return False
        (bound,) = self.values
        return int(value) > int(bound) if self.operator == ">" else int(value) < int(bound)


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """All of its requirements must hold. Without requirements it selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)


def parse_label_selector(text: str) -> LabelSelector:
    """
    @raise BadRequest: it is not a label selector, and where it stops being one.
    """
    return LabelSelector(tuple(_Parser(text).requirements()))


class _Parser:
    """One pass over the tokens; C{""} is the end of the text."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._position = 0

    def requirements(self) -> list[Requirement]:
        found: list[Requirement] = []
        while self._next:
            if self._next != "!" and not _is_word(self._next):
                raise BadRequest(f"found '{self._next}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self._requirement())
            except BadRequest as error:
                raise BadRequest(f"unable to parse requirement: {error.message}") from None
            after = self._take()
            if after not in ("", ","):
                raise BadRequest(f"found '{after}', expected: ',' or 'end of string'")
            if after == "," and self._next != "!" and not _is_word(self._next):
                raise BadRequest(f"found '{self._next}', expected: identifier after ','")
        return found

    @property
    def _next(self) -> str:
        return self._tokens[self._position]

    def _take(self) -> str:
        token = self._next
        self._position += token != ""
        return token

    def _requirement(self) -> Requirement:
        absent = self._next == "!"
        if absent:
            self._take()
        key = self._take()
        if not _is_word(key):
            raise BadRequest(f"found '{key}', expected: identifier")
        _check_key(key)
        if absent or self._next in ("", ","):
            return Requirement(key, "!" if absent else "exists")
        operator = self._take()
        if operator not in OPERATORS:
            raise BadRequest(f"found '{operator}', expected: {', '.join(OPERATORS)}")
        values = self._set() if operator in ("in", "notin") else frozenset([self._exact()])
        for value in values:
            _check_value(key, value, operator)
        meaning = {"=": "in", "==": "in", "!=": "notin"}
        return Requirement(key, meaning.get(operator, operator), values)

    def _exact(self) -> str:
        if self._next in ("", ","):
            return ""
        value = self._take()
        if not _is_word(value):
            raise BadRequest(f"found '{value}', expected: identifier")
        return value

    def _set(self) -> frozenset[str]:
        """Between the parentheses each place between commas is a value, also an empty one."""
        opening = self._take()
        if opening != "(":
            raise BadRequest(f"found '{opening}' expected: '('")
        values = []
        while True:
            values.append(self._take() if _is_word(self._next) else "")
            after = self._take()
            if after == ")":
                return frozenset(values)
            if after != ",":
                raise BadRequest(f"found '{after}', expected: ',' or ')'")


def _tokens(text: str) -> list[str]:
    """The tokens, and C{""} after them."""
    found = []
    position = 0
    while position < len(text):
        match = TOKEN.match(text, position)
        if match is None or match.end() == position:
            break
        found.append(match["symbol"] or match["word"] or "")
        position = match.end()
    return [token for token in found if token] + [""]


def _is_word(token: str) -> bool:
    return bool(token) and token[0] not in "=!(),<>"


def _check_key(key: str) -> None:
    prefix, slash, name = key.rpartition("/")
    if not NAME.match(name) or (slash and (len(prefix) > 253 or not PREFIX.match(prefix))):
        raise BadRequest(
            f'Invalid value: "{key}": not a qualified name (an optional DNS prefix and a slash, then at most 63 '
            "letters, digits, '-', '_' or '.', with a letter or digit at both ends)"
        )


def _check_value(key: str, value: str, operator: str) -> None:
    if operator in (">", "<"):
        if not INTEGER.match(value):
            raise BadRequest(
                f"values[0]: Invalid value: \"{value}\": for 'Gt', 'Lt' operators, the value must be an integer"
            )
    elif value and not NAME.match(value):
        raise BadRequest(
            f'values[0][{key}]: Invalid value: "{value}": a label value has at most 63 letters, digits, '
            "'-', '_' or '.', with a letter or digit at both ends"
        )
