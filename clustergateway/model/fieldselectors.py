"""Field selectors: C{metadata.name=x,metadata.namespace!=y}. The values may escape comma, equals sign and backslash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import BadRequest

SUPPORTED_FIELDS = ("metadata.name", "metadata.namespace")


@dataclass(frozen=True, slots=True)
class FieldTerm:
    """C{field=value}, or C{field!=value} if not C{equal}."""

    field: str
    equal: bool
    value: str


@dataclass(frozen=True, slots=True)
class FieldSelector:
    """All of its terms must hold. Without terms it selects everything."""

    terms: tuple[FieldTerm, ...] = ()

    def matches(self, fields: Mapping[str, str]) -> bool:
        """@param fields: an absent field has the value C{""}."""
        return all((fields.get(term.field, "") == term.value) == term.equal for term in self.terms)

    def exact(self, field: str) -> str:
        """The one value that this field must have, C{""} if there is no such."""
        return next((term.value for term in self.terms if term.field == field and term.equal), "")

    def supported(self) -> FieldSelector:
        """
        @return: itself.
        @raise BadRequest: a term names a field that the resources of this group cannot be selected by.
        """
        for term in self.terms:
            if term.field not in SUPPORTED_FIELDS:
                known = ", ".join(f'"{field}"' for field in SUPPORTED_FIELDS)
                raise BadRequest(f'"{term.field}" is not a known field selector: only {known}')
        return self


def parse_field_selector(text: str) -> FieldSelector:
    """
    @raise BadRequest: a term has no operator, or a value is wrongly escaped.
    """
    return FieldSelector(tuple(_term(term) for term in _split_terms(text) if term))


def _split_terms(text: str) -> list[str]:
    """At the commas that are not escaped; the escapes stay in the terms."""
    terms = [""]
    escaped = False
    for character in text:
        if character == "," and not escaped:
            terms.append("")
            continue
        terms[-1] += character
        escaped = character == "\\" and not escaped
    return terms


def _term(text: str) -> FieldTerm:
    position = min((at for at in (text.find("="), text.find("!=")) if at >= 0), default=-1)
    if position < 0:
        raise BadRequest(f"invalid selector: '{text}'; can't understand '{text}'")
    for operator in ("!=", "==", "="):
        if text.startswith(operator, position):
            break
    value = _unescape(text[position + len(operator) :])
    return FieldTerm(text[:position], operator != "!=", value)


def _unescape(text: str) -> str:
    value = []
    characters = iter(text)
    for character in characters:
        if character == "\\":
            character = next(characters, "")
            if character not in ("\\", ",", "="):
                raise BadRequest(f"invalid field selector: invalid escape sequence: \\{character}")
        elif character == "=":
            raise BadRequest("invalid field selector: unescaped character in value: =")
        value.append(character)
    return "".join(value)
