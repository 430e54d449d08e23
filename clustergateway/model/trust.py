"""What a hosting cluster says about whom to believe: the ConfigMap C{extension-apiserver-authentication}. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError
from .requestheader import RequestHeaderTrust

NAMESPACE = "kube-system"
NAME = "extension-apiserver-authentication"


@dataclass(frozen=True, slots=True)
class Trust:
    """
    Whom to believe.

    @ivar client_ca: PEM authorities of users' client certificates, C{None} for none.
    @ivar requestheader: the front proxy, C{None} for none.
    """

    client_ca: bytes | None = None
    requestheader: RequestHeaderTrust | None = None

    def bundle(self) -> bytes:
        """Every authority that a client certificate may lead to: what TLS has to accept."""
        front = b"" if self.requestheader is None else self.requestheader.ca
        return b"\n".join(part for part in (self.client_ca or b"", front) if part)


def parse_trust(config_map: Mapping[str, Any]) -> Trust:
    """
    @param config_map: the whole object. What it does not say is not trusted: without C{requestheader-uid-headers} the
        hub's aggregator does not know of that header, and passes on a client's own.
    @raise ConfigurationError: it cannot be understood; names the key.
    """
    data = config_map.get("data") or {}
    if not isinstance(data, Mapping):
        raise ConfigurationError("its data is not a mapping")
    front = _pem(data, "requestheader-client-ca-file")
    if front is None:
        return Trust(_pem(data, "client-ca-file"))
    return Trust(
        _pem(data, "client-ca-file"),
        RequestHeaderTrust(
            front,
            _names(data, "requestheader-allowed-names"),
            _headers(data, "requestheader-username-headers"),
            _headers(data, "requestheader-group-headers"),
            _headers(data, "requestheader-extra-headers-prefix"),
            _headers(data, "requestheader-uid-headers"),
        ),
    )


def _pem(data: Mapping[str, Any], key: str) -> bytes | None:
    value = data.get(key) or ""
    if not isinstance(value, str):
        raise ConfigurationError(f"{key} is not a text")
    return value.encode("utf-8", "replace") if value.strip() else None


def _names(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    text = data.get(key) or "[]"
    try:
        names = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) and name.isascii() for name in names):
        raise ConfigurationError(f"{key} is not a JSON list of texts")
    return tuple(names)


def _headers(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    names = _names(data, key)
    if not all(names):  # an empty prefix would take every header for an extra
        raise ConfigurationError(f"{key} has an empty name")
    return names
