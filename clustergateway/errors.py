"""
The one tree of errors. Each class carries the HTTP code and the metav1.Status reason it is answered with.

A foreign error (OSError, ssl.SSLError, a Twisted failure) is converted into one of these at the border where it is
caught. The message of a L{GatewayError} is read by users and ends up in logs: it never holds a credential.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class GatewayError(Exception):
    """
    Something the gateway answers for.

    @ivar message: the sentence a user reads.
    @ivar cluster: the cluster it is about, C{""} for none.
    @ivar hop: which leg failed, for instance C{"dns"}, C{"connect"}, C{"tls"}, C{"proxy"}, C{"tunnel"}, C{"upstream"},
        C{"hub"}, C{"credential"}; C{""} for none.
    @ivar retry_after: seconds after which trying again makes sense, or C{None}.
    @ivar rule: the identity exchange rule that it comes from, C{""} for none. Not shown to the user.
    @ivar answer: the code and the metav1.Status (empty: it was none) of another server's answer that it was made of,
        C{None} if it was made of none.
    """

    code: ClassVar[int] = 500
    reason: ClassVar[str] = "InternalError"

    def __init__(self, message: str, *, cluster: str = "", hop: str = "", retry_after: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.cluster = cluster
        self.hop = hop
        self.retry_after = retry_after
        self.rule = ""
        self.answer: tuple[int, Mapping[str, Any]] | None = None


class ConfigurationError(GatewayError):
    """The configuration cannot be used; said at start, or when a changed file is refused."""


# What the client got wrong.


class BadRequest(GatewayError):
    """The request is malformed."""

    code = 400
    reason = "BadRequest"


class Unauthenticated(GatewayError):
    """The request carries no identity that this gateway accepts."""

    code = 401
    reason = "Unauthorized"


class Forbidden(GatewayError):
    """The identity may not do this."""

    code = 403
    reason = "Forbidden"


class NotFound(GatewayError):
    """There is no such thing here."""

    code = 404
    reason = "NotFound"


class UnknownCluster(NotFound):
    """No cluster has this name."""


class MethodNotAllowed(GatewayError):
    """The resource does not serve this method."""

    code = 405
    reason = "MethodNotAllowed"


class NotAcceptable(GatewayError):
    """None of the media types that the client accepts can be produced."""

    code = 406
    reason = "NotAcceptable"


class RequestTimeout(GatewayError):
    """The client took too long to send its request."""

    code = 408
    reason = "Timeout"


class Conflict(GatewayError):
    """The object changed since it was read."""

    code = 409
    reason = "Conflict"


class AlreadyExists(Conflict):
    """There is an object of this name already."""

    reason = "AlreadyExists"


class Expired(GatewayError):
    """The resourceVersion or continue token is too old; list again."""

    code = 410
    reason = "Expired"


class PayloadTooLarge(GatewayError):
    """The request body is larger than this resource takes."""

    code = 413
    reason = "RequestEntityTooLarge"


class UriTooLong(GatewayError):
    """The request target is longer than the gateway takes."""

    code = 414
    reason = "URITooLong"


class UnsupportedMediaType(GatewayError):
    """The body's media type is not understood here."""

    code = 415
    reason = "UnsupportedMediaType"


class Invalid(GatewayError):
    """The object does not validate."""

    code = 422
    reason = "Invalid"


class TooManyRequests(GatewayError):
    """A limit is reached; try again later."""

    code = 429
    reason = "TooManyRequests"


class HeadersTooLarge(GatewayError):
    """The request's header section is larger than the gateway takes, or would be larger than the upstream takes."""

    code = 431
    reason = "RequestHeaderFieldsTooLarge"


class NotImplementedMethod(GatewayError):
    """The gateway does not do this, for instance CONNECT."""

    code = 501
    reason = "NotImplemented"


class HttpVersionNotSupported(GatewayError):
    """The request speaks a version of HTTP that the gateway does not."""

    code = 505
    reason = "HTTPVersionNotSupported"


# What went wrong on the way to a cluster. Each names cluster and hop.


class UpstreamError(GatewayError):
    """The cluster could not be asked, or its answer could not be understood."""

    code = 502
    reason = "BadGateway"


class UpstreamUnresolvable(UpstreamError):
    """The name of the endpoint has no address."""


class UpstreamRefused(UpstreamError):
    """The endpoint, or a proxy on the way, refused the connection."""


class UpstreamTlsFailed(UpstreamError):
    """The TLS handshake with the endpoint failed; the message names the check that did."""


class UpstreamReset(UpstreamError):
    """The endpoint closed the connection before it answered."""


class UpstreamMalformed(UpstreamError):
    """The endpoint's answer is not HTTP that can be forwarded safely."""


class UpstreamRejectedCredential(UpstreamError):
    """The endpoint does not accept the gateway's own credential for the cluster (it answered 401)."""


class CredentialUnavailable(UpstreamError):
    """The credential of the cluster could not be obtained, for instance its exec plugin failed."""


class UpstreamTimeout(GatewayError):
    """The endpoint did not connect, or did not begin its answer, in time."""

    code = 504
    reason = "Timeout"


# What waiting helps.


class ResourceVersionTooLarge(GatewayError):
    """The client wants what is not older than a version that has not been heard of here."""

    code = 504
    reason = "Timeout"

    def __init__(self, version: int, current: int) -> None:
        super().__init__(f"Timeout: Too large resource version: {version}, current: {current}", retry_after=1)


class ServiceUnavailable(GatewayError):
    """Not now."""

    code = 503
    reason = "ServiceUnavailable"


class HubUnavailable(ServiceUnavailable):
    """The hosting cluster does not answer, and no cached answer is fresh enough."""


class HubSilent(HubUnavailable):
    """The hosting cluster did not answer in time: not even that it cannot."""


class ClusterUnavailable(ServiceUnavailable):
    """The cluster is known to be down (breaker open), not accepted, or being deleted."""
