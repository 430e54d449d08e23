"""Label and field selectors, with kube-apiserver's complaints about bad ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from .objects import Object, dig
from .status import bad_request

_TOKEN = re.compile(r"\s*(?:(?P<op>==|!=|=|!|\(|\)|,|>|<)|(?P<word>[^\s=!(),<>]+))")
Matcher = Callable[[Object], bool]


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of a label selector; C{operator} is one of C{in notin exists !exists gt lt}."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        if self.operator == "exists":
            return value is not None
        if self.operator == "!exists":
            return value is None
        if self.operator == "in":
            return value in self.values
        if self.operator == "notin":
            return value not in self.values
        return _compares(value, self.operator, self.values[0])


def _compares(value: str | None, operator: str, bound: str) -> bool:
    if value is None or not value.lstrip("-").isdigit():
        return False
    return int(value) > int(bound) if operator == "gt" else int(value) < int(bound)


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[str] = []
        self.ops: list[bool] = []
        at = 0
        while text[at:].strip():
            found = _TOKEN.match(text, at)
            assert found is not None
            self.tokens.append(found["op"] or found["word"])
            self.ops.append(found["op"] is not None)
            at = found.end()
        self.at = 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def word(self, expected: str = "identifier") -> str:
        if self.at >= len(self.tokens) or self.ops[self.at]:
            raise bad_request(f"unable to parse requirement: found '{self.peek()}', expected: {expected}")
        self.at += 1
        return self.tokens[self.at - 1]

    def take(self, *tokens: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at] in tokens:
            self.at += 1
            return True
        return False

    def requirement(self) -> Requirement:
        if self.take("!"):
            return Requirement(self.word(), "!exists")
        key = self.word()
        if self.peek() in ("", ","):
            return Requirement(key, "exists")
        if self.take("=", "=="):
            return Requirement(key, "in", (self.value(),))
        if self.take("!="):
            return Requirement(key, "notin", (self.value(),))
        if self.take("in"):
            return Requirement(key, "in", self.values())
        if self.take("notin"):
            return Requirement(key, "notin", self.values())
        if self.peek() in ("<", ">"):
            operator = "gt" if self.take(">") else (self.take("<") and "lt") or "lt"
            return Requirement(key, operator, (self.number(),))
        expected = "in, notin, =, ==, !=, gt, lt"
        raise bad_request(f"unable to parse requirement: found '{self.peek()}', expected: {expected}")

    def value(self) -> str:
        return "" if self.peek() in ("", ",") else self.word()

    def number(self) -> str:
        word = self.word()
        if not word.lstrip("-").isdigit():
            raise bad_request(f'unable to parse requirement: values[0]: Invalid value: "{word}": must be an integer')
        return word

    def values(self) -> tuple[str, ...]:
        if not self.take("("):
            raise bad_request(f"unable to parse requirement: found '{self.peek()}' expected: '('")
        found = [] if self.peek() == ")" else [self.word()]
        while self.take(","):
            found.append(self.word())
        if not self.take(")"):
            raise bad_request(f"unable to parse requirement: found '{self.peek()}', expected: ',' or ')'")
        return tuple(found)


def parse_labels(selector: str) -> tuple[Requirement, ...]:
    """
    Parse C{a=b,c!=d,e in (f,g),!h,i}.

    @raise ApiError: 400, it is malformed.
    """
    parser = _Parser(selector)
    found: list[Requirement] = []
    while parser.peek():
        if found and not parser.take(","):
            raise bad_request(f"unable to parse requirement: found '{parser.peek()}', expected: ',' or 'end of string'")
        found.append(parser.requirement())
    return tuple(found)


def label_matcher(selector: str) -> Matcher:
    """A predicate of objects."""
    wanted = parse_labels(selector)
    return lambda obj: all(one.matches(dig(obj, "metadata", "labels") or {}) for one in wanted)


def matches_selector(selector: Object | None, labels: Mapping[str, str]) -> bool:
    """Does a C{metav1.LabelSelector} match? C{None} matches nothing, an empty one everything."""
    if selector is None:
        return False
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    operators = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!exists"}
    return all(
        Requirement(one["key"], operators[one["operator"]], tuple(one.get("values") or ())).matches(labels)
        for one in selector.get("matchExpressions") or ()
    )


FIELDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("", "pods"): (
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "spec.hostNetwork",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    ("", "nodes"): ("spec.unschedulable",),
    ("", "namespaces"): ("status.phase",),
    ("", "secrets"): ("type",),
    ("", "services"): ("spec.clusterIP", "spec.type"),
    ("", "events"): (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    ("apps", "replicasets"): ("status.replicas",),
    ("batch", "jobs"): ("status.successful",),
}
"""What each resource can be selected by besides name and namespace. Seen on kube-apiserver's answers."""


def field_matcher(selector: str, group: str, resource: str) -> Matcher:
    """
    A predicate of objects from C{metadata.name=x,status.phase!=Running}.

    @raise ApiError: 400, it is malformed or names a field that is no selector.
    """
    terms = [_field_term(term, group, resource) for term in selector.split(",") if term]

    def matches(obj: Object) -> bool:
        return all((_field(obj, path) == value) is equal for path, equal, value in terms)

    return matches


def _field_term(term: str, group: str, resource: str) -> tuple[str, bool, str]:
    found = re.fullmatch(r"\s*([^=!]+?)\s*(==|!=|=)\s*(.*)", term)
    if found is None:
        raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
    path, operator, value = found.groups()
    extra = FIELDS.get((group, resource), ())
    if path not in ("metadata.name", "metadata.namespace", *extra):
        known = 'only "metadata.name", "metadata.namespace"'
        raise bad_request(
            f"field label not supported: {path}" if extra else f'"{path}" is not a known field selector: {known}'
        )
    return path, operator != "!=", value


def _field(obj: Object, path: str) -> str:
    value = dig(obj, *path.split("."))
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
