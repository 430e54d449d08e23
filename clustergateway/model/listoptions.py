"""The options of list and watch requests (meta.k8s.io/v1 ListOptions), checked as kube-apiserver checks them."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import BadRequest, Invalid
from .fieldselectors import FieldSelector, parse_field_selector
from .query import Values, first, flag, is_true
from .selectors import LabelSelector, parse_label_selector

NOT_OLDER_THAN = "NotOlderThan"
EXACT = "Exact"
ALL_LABELS = LabelSelector()
ALL_FIELDS = FieldSelector()


@dataclass(frozen=True, slots=True)
class ListOptions:
    """
    @ivar version: the resourceVersion asked for; C{None} if none is, 0 if any will do.
    @ivar exact: the list must be of exactly this version.
    @ivar limit: how many objects a page holds at most, 0 for no pages.
    @ivar timeout: seconds after which a watch ends, 0 for the server's choice.
    @ivar send_initial_events: begin a watch with what there is, then a bookmark; C{None}: not said.
    """

    labels: LabelSelector = ALL_LABELS
    fields: FieldSelector = ALL_FIELDS
    version: int | None = None
    exact: bool = False
    limit: int = 0
    continue_token: str = ""
    watch: bool = False
    bookmarks: bool = False
    timeout: int = 0
    send_initial_events: bool | None = None

    @property
    def selects_all(self) -> bool:
        return not self.labels.requirements and not self.fields.terms


def parse_list_options(values: Values) -> ListOptions:
    """
    @raise BadRequest: an option is not of its type.
    @raise Invalid: options contradict each other.
    """
    watch = flag(values, "watch")
    bookmarks = flag(values, "allowWatchBookmarks")
    initial = is_true(first(values, "sendInitialEvents")) if "sendInitialEvents" in values else None
    match = first(values, "resourceVersionMatch")
    if watch:
        _check_watch(match, initial, first(values, "continue"))
    else:
        _check_list(match, initial, first(values, "resourceVersion"), first(values, "continue"))
    version = parse_wanted_version(values)
    if watch and bookmarks and initial is None and not version:
        initial = True  # as kube-apiserver: such a client gets the bookmark that ends the initial events too
    return ListOptions(
        labels=parse_label_selector(first(values, "labelSelector")),
        fields=parse_field_selector(first(values, "fieldSelector")).supported(),
        version=version,
        exact=match == EXACT,
        limit=_number(values, "limit"),
        continue_token=first(values, "continue"),
        watch=watch,
        bookmarks=bookmarks,
        timeout=_number(values, "timeoutSeconds"),
        send_initial_events=initial,
    )


def _number(values: Values, name: str) -> int:
    text = first(values, name)
    if not text:
        return 0
    digits = text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        raise BadRequest(f'{name}: "{text}" is not a number')
    return max(int(text), 0)


def parse_wanted_version(values: Values) -> int | None:
    """
    @return: C{None} if none is asked for, 0 if any will do.
    @raise BadRequest: it is no number.
    """
    text = first(values, "resourceVersion")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        raise BadRequest(f'invalid resource version: "{text}" is not a number')
    return int(text)


def _check_list(match: str, initial: bool | None, version: str, continue_token: str) -> None:
    if initial is not None:
        raise _invalid("sendInitialEvents", "Forbidden: sendInitialEvents is forbidden for list")
    if continue_token and version not in ("", "0"):
        raise BadRequest("specifying resource version is not allowed when using continue")
    if not match:
        return
    if not version:
        raise _match_forbidden("is forbidden unless resourceVersion is provided")
    if continue_token:
        raise _match_forbidden("is forbidden when continue is provided")
    if match not in (EXACT, NOT_OLDER_THAN):
        raise _invalid(
            "resourceVersionMatch", f'Unsupported value: "{match}": supported values: "{EXACT}", "{NOT_OLDER_THAN}", ""'
        )
    if match == EXACT and version == "0":
        raise _match_forbidden('"exact" is forbidden for resourceVersion "0"')


def _check_watch(match: str, initial: bool | None, continue_token: str) -> None:
    if initial is not None and match != NOT_OLDER_THAN:
        raise _invalid(
            "resourceVersionMatch",
            f"Forbidden: sendInitialEvents requires setting resourceVersionMatch to {NOT_OLDER_THAN}",
        )
    if match and initial is None:
        raise _match_forbidden("is forbidden for watch unless sendInitialEvents is provided")
    if match and continue_token:
        raise _match_forbidden("is forbidden when continue is provided")


def _match_forbidden(why: str) -> Invalid:
    return _invalid("resourceVersionMatch", f"Forbidden: resourceVersionMatch {why}")


def _invalid(field: str, why: str) -> Invalid:
    return Invalid(f'ListOptions.meta.k8s.io "" is invalid: {field}: {why}')
