"""Every error of the gateway as a metav1.Status, the way an apiserver words one."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from ..errors import GatewayError, ResourceVersionTooLarge, Unauthenticated

JSON = b"application/json"
GROUP = "cluster.core.oam.dev"
RESOURCE = "clustergateways"
MAXIMUM_WARNING = 500
"""Characters of an error's sentence in a Warning field."""


def sentence(error: GatewayError) -> str:
    """What a user reads: the message, behind cluster and hop where they are known. kubectl prints nothing else."""
    where = " ".join(part for part in (f'cluster "{error.cluster}"' if error.cluster else "", error.hop) if part)
    return f"{where}: {error.message}" if where else error.message


def status(error: GatewayError) -> dict[str, Any]:
    """
    @return: a metav1.Status, ready for JSON. The failing hop is a cause.
    """
    details: dict[str, Any] = {}
    if error.cluster:
        details.update(name=error.cluster, group=GROUP, kind=RESOURCE)
    if error.hop:
        details["causes"] = [{"reason": type(error).__name__, "message": error.message, "field": error.hop}]
    if isinstance(error, ResourceVersionTooLarge):
        # By this client-go tells it from other timeouts, and lists again without a version.
        details["causes"] = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    if error.retry_after is not None:
        details["retryAfterSeconds"] = error.retry_after
    answer: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": sentence(error),
        "reason": error.reason,
        "code": error.code,
    }
    if details:
        answer["details"] = details
    return answer


def status_bytes(error: GatewayError) -> bytes:
    """The same as JSON."""
    return json.dumps(status(error)).encode("ascii")


def status_headers(error: GatewayError) -> list[tuple[bytes, bytes]]:
    """Header fields that an answer with this error has, framing apart."""
    fields = [(b"Content-Type", JSON), (b"Cache-Control", b"no-cache, private")]
    if error.retry_after is not None:
        fields.append((b"Retry-After", b"%d" % error.retry_after))
    if isinstance(error, Unauthenticated):
        fields.append((b"WWW-Authenticate", b'Bearer realm="cluster-gateway"'))
    return fields


def warning(error: GatewayError) -> bytes:
    """
    A Warning field's value (RFC 7234 section 5.5, as Kubernetes uses it), C{b""} for none. The first requests of
    kubectl are for discovery, and of their errors client-go shows nothing but the code: this it shows.
    """
    if not error.cluster or (error.code < 500 and error.code != HTTPStatus.NOT_FOUND):
        return b""
    text = "".join(c if c.isprintable() else " " for c in sentence(error)[:MAXIMUM_WARNING])
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{quoted}"'.encode("ascii", "replace")


def status_answer(error: GatewayError, *, keep_alive: bool, http10: bool = False, head_only: bool = False) -> bytes:
    """
    A whole HTTP/1.1 answer.

    @param keep_alive: whether another request may follow on the connection.
    @param http10: whether the client speaks HTTP/1.0, which must be told of keep-alive instead of the end of it.
    @param head_only: whether the request was a HEAD.
    """
    body = status_bytes(error)
    lines = [b"HTTP/1.1 %d %s" % (error.code, HTTPStatus(error.code).phrase.encode("ascii"))]
    lines += [b"%s: %s" % field for field in status_headers(error)]
    if said := warning(error):
        lines.append(b"Warning: " + said)
    lines.append(b"Content-Length: %d" % len(body))
    if not keep_alive:
        lines.append(b"Connection: close")
    elif http10:
        lines.append(b"Connection: keep-alive")
    return b"\r\n".join([*lines, b"", b"" if head_only else body])
