"""Refusals in kube-apiserver's own words: a code, a reason and the C{metav1.Status} that is answered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from .objects import Object


class ApiError(Exception):
    """
    A request is answered with a C{metav1.Status} of failure.

    @ivar details: the Status's details, C{None} to leave them out.
    @ivar text: answered as C{text/plain} instead of a Status, for paths outside of any API.
    """

    def __init__(self, code: int, reason: str, message: str, details: Object | None = None, text: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.text = text

    def status(self) -> Object:
        """The body of the answer."""
        body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        body["message"] = self.message
        if self.reason:
            body["reason"] = self.reason
        if self.details is not None:
            body["details"] = self.details
        return body | {"code": self.code}


Cause = tuple[str, str, str]
"""Reason (such as C{FieldValueInvalid}), message, field."""


def qualified(resource: str, group: str) -> str:
    """A resource as messages name it: C{deployments.apps}."""
    return f"{resource}.{group}" if group else resource


def named(kind: str, group: str, name: str = "") -> Object:
    """Details of a Status."""
    details: Object = {"name": name} if name else {}
    if group:
        details["group"] = group
    return details | {"kind": kind}


def not_found(resource: str, group: str, name: str) -> ApiError:
    message = f'{qualified(resource, group)} "{name}" not found'
    return ApiError(404, "NotFound", message, named(resource, group, name))


def no_such_path() -> ApiError:
    return ApiError(404, "NotFound", "404 page not found", text="404 page not found\n")


def no_such_resource() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource", {})


def method_not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource", {})


def already_exists(resource: str, group: str, name: str) -> ApiError:
    message = f'{qualified(resource, group)} "{name}" already exists'
    return ApiError(409, "AlreadyExists", message, named(resource, group, name))


def conflict(resource: str, group: str, name: str, why: str = "") -> ApiError:
    why = why or "the object has been modified; please apply your changes to the latest version and try again"
    message = f'Operation cannot be fulfilled on {qualified(resource, group)} "{name}": {why}'
    return ApiError(409, "Conflict", message, named(resource, group, name))


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def forbidden(resource: str, group: str, name: str, why: str) -> ApiError:
    quoted = f' "{name}"' if name else ""
    message = f"{qualified(resource, group)}{quoted} is forbidden: {why}"
    return ApiError(403, "Forbidden", message, named(resource, group, name))


def invalid(kind: str, group: str, name: str, causes: Iterable[Cause]) -> ApiError:
    """
    @param causes: what is wrong; several are joined in brackets.
    """
    wrong = list(causes)
    said = [f"{field}: {message}" for _, message, field in wrong]
    joined = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    details = named(kind, group, name)
    details["causes"] = [{"reason": reason, "message": message, "field": field} for reason, message, field in wrong]
    return ApiError(422, "Invalid", f'{qualified(kind, group)} "{name}" is invalid: {joined}', details)


def invalid_value(field: str, value: Any, why: str) -> Cause:
    return ("FieldValueInvalid", f"Invalid value: {json.dumps(value, ensure_ascii=False)}: {why}", field)


def required_value(field: str, why: str = "") -> Cause:
    return ("FieldValueRequired", f"Required value: {why}" if why else "Required value", field)


def unsupported_value(field: str, value: Any, supported: Iterable[str]) -> Cause:
    offered = ", ".join(json.dumps(one) for one in supported)
    return ("FieldValueNotSupported", f"Unsupported value: {json.dumps(value)}: supported values: {offered}", field)


def forbidden_value(field: str, why: str) -> Cause:
    return ("FieldValueForbidden", f"Forbidden: {why}", field)


def invalid_options(kind: str, cause: Cause) -> ApiError:
    """Bad query parameters, for instance of C{ListOptions}."""
    return invalid(kind, "meta.k8s.io", "", [cause])


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def unknown_body_type(accepted: Iterable[str]) -> ApiError:
    offered = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {offered}"
    return ApiError(415, "UnsupportedMediaType", message)


def not_acceptable(offered: Iterable[str]) -> ApiError:
    message = f"only the following media types are accepted: {', '.join(offered)}"
    return ApiError(406, "NotAcceptable", message)


def too_large_version(asked: int, current: int) -> ApiError:
    details: Object = {"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]}
    message = f"Timeout: Too large resource version: {asked}, current: {current}"
    return ApiError(504, "Timeout", message, details | {"retryAfterSeconds": 1})
