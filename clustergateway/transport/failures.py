"""What went wrong on the way to a cluster, in the gateway's own words: foreign errors become ours here."""

from __future__ import annotations

import ssl
from errno import EHOSTUNREACH
from typing import Final

from twisted.internet.defer import CancelledError
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import (
    ConnectBindError,
    ConnectError,
    ConnectionDone,
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
    TCPTimedOutError,
    TimeoutError,
)
from twisted.python.failure import Failure

from ..errors import (
    GatewayError,
    UpstreamError,
    UpstreamRefused,
    UpstreamReset,
    UpstreamTimeout,
    UpstreamTlsFailed,
    UpstreamUnresolvable,
)
from .tlstransport import TlsError

# OpenSSL's X509_V_ERR_* (verify.h) by the check that they stand for.
_CHECKS: Final = {
    2: "its issuer is unknown",
    7: "its signature is wrong",
    9: "it is not valid yet",
    10: "it is expired",
    18: "it is self-signed and not trusted",
    19: "its chain ends in a CA that is not trusted",
    20: "its issuer is unknown",
    21: "its issuer is unknown",
    23: "it is revoked",
    24: "a certificate in its chain is not that of a CA",
    26: "it is not meant for servers",
    62: "it is for another host name",
    64: "it is for another IP address",
}

_ALERTS: Final = {
    "CERTIFICATE_REQUIRED": "the endpoint asks for a client certificate",
    "BAD_CERTIFICATE": "the endpoint refuses the gateway's client certificate",
    "UNSUPPORTED_CERTIFICATE": "the endpoint refuses the gateway's client certificate",
    "CERTIFICATE_EXPIRED": "the endpoint says that the gateway's client certificate is expired",
    "CERTIFICATE_REVOKED": "the endpoint says that the gateway's client certificate is revoked",
    "CERTIFICATE_UNKNOWN": "the endpoint refuses the gateway's client certificate",
    "UNKNOWN_CA": "the endpoint does not know the issuer of the gateway's client certificate",
    "ACCESS_DENIED": "the endpoint refuses the gateway's client certificate",
    "UNRECOGNIZED_NAME": "the endpoint does not know the server name it was asked for",
    "PROTOCOL_VERSION": "no common version of TLS",
    "UNSUPPORTED_PROTOCOL": "no common version of TLS",
    "HANDSHAKE_FAILURE": "no common parameters for TLS",
    "NO_APPLICATION_PROTOCOL": "the endpoint does not offer HTTP/1.1",
    "WRONG_VERSION_NUMBER": "the endpoint does not speak TLS",
    "HTTP_REQUEST": "the endpoint does not speak TLS",
    "PACKET_LENGTH_TOO_LONG": "the endpoint does not speak TLS",
    "RECORD_LAYER_FAILURE": "the endpoint does not speak TLS",
    "UNEXPECTED_EOF_WHILE_READING": "the endpoint closed the connection during the handshake",
}


def tls_reason(error: BaseException) -> str:
    """Names the check that failed, or what the other side complained about."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return certificate_reason(error.verify_code)
    if isinstance(error, ssl.SSLEOFError):
        return _ALERTS["UNEXPECTED_EOF_WHILE_READING"]
    return alert_reason(getattr(error, "reason", None) or "")


def certificate_reason(code: int) -> str:
    """
    @param code: one of OpenSSL's X509_V_ERR_*.
    """
    why = _CHECKS.get(code, f"verification error {code}")
    return f"the endpoint's certificate is not accepted: {why}"


def alert_reason(reason: str) -> str:
    """
    @param reason: OpenSSL's name of an error, such as C{TLSV1_ALERT_UNKNOWN_CA}.
    """
    plain = reason.upper().replace(" ", "_")
    for name, why in _ALERTS.items():
        if plain.endswith(name):
            return why
    return f"TLS failed ({plain.lower().replace('_', ' ')})" if plain else "TLS failed"


def connect_error(failure: Failure, cluster: str) -> GatewayError:
    """
    @param failure: why no connection came about.
    @return: what to tell the client. One of ours keeps its words and gets the cluster's name if it has none.
    """
    error = failure.value
    if isinstance(error, GatewayError):
        error.cluster = error.cluster or cluster
        return error
    if isinstance(error, DNSLookupError):
        return UpstreamUnresolvable("its host name has no address", cluster=cluster, hop="dns")
    if isinstance(error, (ssl.SSLError, TlsError)):
        cause = error.cause if isinstance(error, TlsError) else error
        return UpstreamTlsFailed(tls_reason(cause), cluster=cluster, hop="tls")
    if isinstance(error, (TimeoutError, TCPTimedOutError, DeferredTimeout, CancelledError)):
        return UpstreamTimeout("no connection in time", cluster=cluster, hop="connect")
    if isinstance(error, ConnectionRefusedError):
        return UpstreamRefused("connection refused", cluster=cluster, hop="connect")
    if isinstance(error, NoRouteError) or getattr(error, "osError", None) == EHOSTUNREACH:
        return UpstreamRefused("no route to the endpoint", cluster=cluster, hop="connect")
    if isinstance(error, (ConnectError, ConnectBindError)):
        return UpstreamRefused("the connection failed", cluster=cluster, hop="connect")
    return UpstreamError("the connection failed", cluster=cluster, hop="connect")


def lost_error(reason: Failure, cluster: str) -> GatewayError:
    """
    @param reason: why an established connection ended before its answer did.
    """
    error = reason.value
    if isinstance(error, GatewayError):
        error.cluster = error.cluster or cluster
        return error
    if isinstance(error, TlsError):
        # With TLS 1.3 a refused client certificate is only heard of after the handshake.
        return UpstreamTlsFailed(tls_reason(error.cause), cluster=cluster, hop="tls")
    return UpstreamReset("the endpoint closed the connection before it answered", cluster=cluster, hop="upstream")


def orderly(reason: Failure) -> bool:
    """Whether the other side ended the connection on purpose: under TLS, with close_notify."""
    return reason.check(ConnectionDone) is not None
