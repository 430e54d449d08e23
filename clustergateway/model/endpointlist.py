"""The list of endpoints in a Secret, each with a route and a trust of its own, as C{docs/reference/secret} has it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import ConfigurationError
from .endpoint import check_ca, check_proxy_url, check_server_name, cluster_proxy_endpoint, parse_endpoint
from .gateway import Endpoint
from .manifest import documents

MOST_CHARACTERS = 65536
"""More would take seconds to read as YAML, in which nothing else happens."""
MOST_ENDPOINTS = 16
"""Each of them can cost a new connection a part of a second."""

_KEYS = ("url", "type", "proxy-url", "tls-server-name", "ca")
_SHOWABLE = re.compile(r"[A-Za-z_-]{1,32}")


def parse_endpoint_list(text: str, what: str, name: str, ca: bytes | None) -> tuple[Endpoint, ...]:
    """
    @param text: YAML or JSON: a list of mappings with the keys C{url}, C{type}, C{proxy-url}, C{tls-server-name} and
        C{ca}.
    @param what: what to call it in an error.
    @param name: of the cluster, which konnectivity dials where there is no C{url}.
    @param ca: PEM bundle for those without one; C{None}: there is none.
    @return: in order of preference; at least one. All have the same path, and either all are verified or none is.
    @raise ConfigurationError: it is no such list. The message does not repeat what is in it.
    """
    endpoints: list[Endpoint] = []
    for number, entry in enumerate(_entries(text, what)):
        place = f"{what}[{number}]"
        endpoint = _endpoint(_mapping(entry, place), place, name, ca)
        if endpoints and endpoint.base_path != endpoints[0].base_path:
            raise ConfigurationError(f"{place}.url has another path than the first one")
        if endpoints and endpoint.insecure != endpoints[0].insecure:
            raise ConfigurationError(f"{what}: some have a ca and others none; give all of them one, or ca.crt")
        endpoints.append(endpoint)
    return tuple(endpoints)


def _entries(text: str, what: str) -> list[Any]:
    if len(text) > MOST_CHARACTERS:
        raise ConfigurationError(f"{what} is longer than {MOST_CHARACTERS} characters")
    try:
        found = documents(text)
    except ConfigurationError as error:
        raise ConfigurationError(f"{what}: {error.message}") from None
    if len(found) != 1 or not isinstance(found[0], list) or not found[0]:
        raise ConfigurationError(f"{what} is not a list of endpoints in YAML or JSON")
    if len(found[0]) > MOST_ENDPOINTS:
        raise ConfigurationError(f"{what} holds more than {MOST_ENDPOINTS} endpoints")
    return found[0]


def _mapping(entry: object, place: str) -> Mapping[str, str]:
    if not isinstance(entry, dict):
        raise ConfigurationError(f"{place} is not a mapping")
    for key, value in entry.items():
        if key not in _KEYS:
            # A colon forgotten makes a key of a proxy's URL, password included.
            shown = f" {key}" if isinstance(key, str) and _SHOWABLE.fullmatch(key) else ""
            raise ConfigurationError(f"{place} has an unknown key{shown}; known are {', '.join(_KEYS)}")
        if not isinstance(value, str) or not value.strip():
            raise ConfigurationError(f"{place}.{key} is not a text, or empty")
    return entry


def _endpoint(entry: Mapping[str, str], place: str, name: str, default_ca: bytes | None) -> Endpoint:
    ca = _ca(entry["ca"], f"{place}.ca") if "ca" in entry else default_ca
    kind = entry.get("type", "Const")
    if kind == "ClusterProxy":
        endpoint = _tunnelled(entry, place, name, ca)
    elif kind == "Const":
        endpoint = _dialled(entry, place, ca)
        if "proxy-url" in entry:
            endpoint = replace(endpoint, proxy_url=_proxy_url(entry["proxy-url"], place))
    else:
        raise ConfigurationError(f"{place}.type must be Const or ClusterProxy")
    if "tls-server-name" in entry:
        server_name = check_server_name(entry["tls-server-name"].strip(), f"{place}.tls-server-name")
        endpoint = replace(endpoint, server_name=server_name)
    return endpoint


def _dialled(entry: Mapping[str, str], place: str, ca: bytes | None) -> Endpoint:
    if "url" not in entry:
        raise ConfigurationError(f"{place}.url is missing")
    return parse_endpoint(entry["url"], f"{place}.url", ca=ca, insecure=ca is None)


def _tunnelled(entry: Mapping[str, str], place: str, name: str, ca: bytes | None) -> Endpoint:
    if "proxy-url" in entry:
        raise ConfigurationError(f"{place} has a proxy-url, but a ClusterProxy is reached through konnectivity")
    if "url" not in entry:
        return cluster_proxy_endpoint(name, ca)
    return replace(_dialled(entry, place, ca), via_cluster_proxy=True)


def _proxy_url(url: str, place: str) -> str:
    try:
        return check_proxy_url(url, "proxy-url")
    except ConfigurationError as error:
        raise ConfigurationError(f"{place}: {error.message}") from None


def _ca(pem: str, what: str) -> bytes:
    # What YAML's escapes can make and no encoding has is not PEM either.
    return check_ca(pem.encode(errors="replace"), what)
