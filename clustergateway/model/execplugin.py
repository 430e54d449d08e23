"""
client-go credential plugins: the configuration that names one, what it is told, and what it answers.

Follows "client-go credential plugins" of the Kubernetes documentation (client.authentication.k8s.io, v1 and v1beta1).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, TypeGuard

from ..errors import ConfigurationError
from .endpoint import endpoint_url
from .gateway import Endpoint, ExecCredential
from .x509 import check_pair

API_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
INFO_VARIABLE = "KUBERNETES_EXEC_INFO"

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.\d+)?([Zz]|[+-]\d\d:\d\d)")


@dataclass(frozen=True, slots=True)
class PluginResult:
    """
    What a plugin gave: a token, or a certificate with its key, or all of them.

    @ivar expires: seconds since the epoch, C{None} if it did not say.
    """

    token: str = field(default="", repr=False)
    certificate: bytes = b""
    key: bytes = field(default=b"", repr=False)
    expires: float | None = None


def parse_exec_config(config: object, what: str) -> ExecCredential:
    """
    @param config: an ExecConfig, as parsed from JSON or YAML.
    @param what: what to call it in an error.
    @raise ConfigurationError: it cannot be used; values of C{env} are never repeated.
    """
    if not isinstance(config, Mapping):
        raise ConfigurationError(f"{what} is not an object")
    command = _text(config, "command", what)
    if not command or "\0" in command:
        raise ConfigurationError(f"{what} names no command")
    api_version = _text(config, "apiVersion", what)
    if api_version not in API_VERSIONS:
        raise ConfigurationError(f"{what} must have apiVersion {' or '.join(API_VERSIONS)}")
    mode = _text(config, "interactiveMode", what)
    if mode not in ("", "Never", "IfAvailable"):
        raise ConfigurationError(
            f"{what} needs a terminal (interactiveMode {mode[:40]!r}), which a gateway has none of"
        )
    provide = config.get("provideClusterInfo")
    if provide not in (None, True, False):
        raise ConfigurationError(f"{what}: provideClusterInfo is neither true nor false")
    return ExecCredential(
        command=command,
        args=_arguments(config, what),
        env=_environment(config, what),
        api_version=api_version,
        provide_cluster_info=bool(provide),
        install_hint=_text(config, "installHint", what),
        cluster_config=_json(config.get("config"), what),
    )


def exec_info(credential: ExecCredential, endpoint: Endpoint | None) -> str:
    """
    The JSON for C{KUBERNETES_EXEC_INFO}.

    @param endpoint: shown to the plugin if it asked for cluster information.
    """
    spec: dict[str, Any] = {"interactive": False}
    if credential.provide_cluster_info and endpoint is not None:
        cluster: dict[str, Any] = {"server": endpoint_url(endpoint), "config": credential.cluster_config}
        if endpoint.server_name:
            cluster["tls-server-name"] = endpoint.server_name
        if endpoint.insecure:
            cluster["insecure-skip-tls-verify"] = True
        if endpoint.ca is not None:
            cluster["certificate-authority-data"] = base64.b64encode(endpoint.ca).decode()
        if endpoint.proxy_url:
            cluster["proxy-url"] = endpoint.proxy_url
        spec["cluster"] = cluster
    return json.dumps({"apiVersion": credential.api_version, "kind": "ExecCredential", "spec": spec})


def parse_exec_result(output: bytes, api_version: str) -> PluginResult:
    """
    @param output: everything the plugin wrote to its standard output.
    @param api_version: what its configuration says; the answer must say the same.
    @raise ConfigurationError: it is no ExecCredential with a credential. The message repeats nothing of the output.
    """
    try:
        document = json.loads(output)
    except (ValueError, RecursionError):
        raise ConfigurationError("its output is not JSON") from None
    if not isinstance(document, dict) or document.get("kind") != "ExecCredential":
        raise ConfigurationError("its output is not an ExecCredential")
    if document.get("apiVersion") != api_version:
        raise ConfigurationError(f"its output does not have the configured apiVersion {api_version}")
    status = document.get("status")
    if not isinstance(status, dict):
        raise ConfigurationError("its output has no status")
    token = _result_text(status, "token")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError("its token holds characters that a header cannot")
    certificate = _result_text(status, "clientCertificateData").encode()
    key = _result_text(status, "clientKeyData").encode()
    if bool(certificate) != bool(key):
        raise ConfigurationError("its output has only one of clientCertificateData and clientKeyData")
    if certificate:
        check_pair(certificate, key, "its clientCertificateData", "its clientKeyData")
    if not token and not certificate:
        raise ConfigurationError("its output holds no credential")
    return PluginResult(token, certificate, key, _expiration(status.get("expirationTimestamp")))


def _expiration(value: object) -> float | None:
    if value is None or value == "":
        return None
    match = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ConfigurationError("its expirationTimestamp is not an RFC 3339 time")
    date, time, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{time}{'+00:00' if zone in 'Zz' else zone}")
        return moment.astimezone(timezone.utc).timestamp()
    except (ValueError, OverflowError):
        raise ConfigurationError("its expirationTimestamp is not an RFC 3339 time") from None


def _result_text(status: Mapping[str, Any], key: str) -> str:
    value = status.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ConfigurationError(f"its {key} is not a string")
    if not _is_unicode(value):
        raise ConfigurationError(f"its {key} is not text")
    return value


def _text(config: Mapping[Any, Any], key: str, what: str) -> str:
    value = config.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or not _is_unicode(value):
        raise ConfigurationError(f"{what}: {key} is not a string")
    return value


def _arguments(config: Mapping[Any, Any], what: str) -> tuple[str, ...]:
    values = config.get("args") or ()
    if not isinstance(values, list | tuple) or not all(_is_word(value) for value in values):
        raise ConfigurationError(f"{what}: args is not a list of strings")
    return tuple(values)


def _environment(config: Mapping[Any, Any], what: str) -> tuple[tuple[str, str], ...]:
    variables = config.get("env") or ()
    if not isinstance(variables, list | tuple):
        raise ConfigurationError(f"{what}: env is not a list")
    pairs: list[tuple[str, str]] = []
    for variable in variables:
        name = variable.get("name") if isinstance(variable, Mapping) else None
        value = variable.get("value", "") if isinstance(variable, Mapping) else None
        if not _is_word(name) or not _is_word(value) or not name or "=" in name:
            raise ConfigurationError(f"{what}: env is not a list of name and value")
        pairs.append((name, value))
    return tuple(pairs)


def _is_word(value: object) -> TypeGuard[str]:
    """Can it be an argument or variable of a process?"""
    return isinstance(value, str) and "\0" not in value and _is_unicode(value)


def _is_unicode(value: str) -> bool:
    """False for lone surrogates, which JSON can write and UTF-8 cannot."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _json(value: object, what: str) -> object:
    try:
        json.dumps(value, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        raise ConfigurationError(f"{what}: config is not JSON") from None
    return value
