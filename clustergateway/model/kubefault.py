"""What an apiserver's error answer means, in this project's errors. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import (
    AlreadyExists,
    BadRequest,
    Conflict,
    Expired,
    Forbidden,
    GatewayError,
    HubUnavailable,
    Invalid,
    MethodNotAllowed,
    NotAcceptable,
    NotFound,
    PayloadTooLarge,
    TooManyRequests,
    UnsupportedMediaType,
)

_BY_CODE: Mapping[int, type[GatewayError]] = {
    400: BadRequest,
    403: Forbidden,
    404: NotFound,
    405: MethodNotAllowed,
    406: NotAcceptable,
    409: Conflict,
    410: Expired,
    413: PayloadTooLarge,
    415: UnsupportedMediaType,
    422: Invalid,
    429: TooManyRequests,
}

LONGEST_WAIT = 300
LONGEST_MESSAGE = 500


def fault(code: int, status: Any, retry_after: str = "") -> GatewayError:
    """
    @param code: of the HTTP answer, or of a watch's ERROR event; 400 or more.
    @param status: the metav1.Status, parsed; anything else is no help and does no harm.
    @param retry_after: the header of that name; seconds, a date is not understood.
    @return: L{HubUnavailable} for what waiting or another credential may cure, else the error of that code.
    """
    known = status if isinstance(status, Mapping) else {}
    error = _fault(code, known, retry_after)
    error.answer = code, known
    return error


def _fault(code: int, known: Mapping[str, Any], retry_after: str) -> GatewayError:
    wait = _seconds(retry_after) or _seconds(_details(known).get("retryAfterSeconds"))
    said = known.get("message")
    message = said[:LONGEST_MESSAGE] if isinstance(said, str) and said else f"The apiserver answered {code}."
    if code == 401:
        return HubUnavailable("The hub does not accept the gateway's own credential.", hop="hub", retry_after=wait)
    kind = _BY_CODE.get(code)
    if kind is None:
        return HubUnavailable(f"The hub answered {code}: {message}", hop="hub", retry_after=wait)
    if kind is Conflict and known.get("reason") == AlreadyExists.reason:
        kind = AlreadyExists
    return kind(message, hop="hub", retry_after=wait)


def event_fault(status: Any) -> GatewayError:
    """The error that an ERROR event of a watch carries. Its code may be missing or not a number."""
    code = status.get("code") if isinstance(status, Mapping) else None
    if isinstance(status, Mapping) and status.get("reason") in ("Expired", "Gone"):
        code = 410
    return fault(code if isinstance(code, int) and 400 <= code < 600 else 500, status)


def _details(status: Mapping[str, Any]) -> Mapping[str, Any]:
    details = status.get("details")
    return details if isinstance(details, Mapping) else {}


def _seconds(value: Any) -> int | None:
    try:
        seconds = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(seconds, LONGEST_WAIT) if seconds > 0 else None
