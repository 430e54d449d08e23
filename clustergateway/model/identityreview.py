"""ClientIdentityReview: what an external identity exchanger is asked, and what it answers. Pure."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..errors import ConfigurationError, ServiceUnavailable
from . import fields
from .identity import Attributes, Identity

API_VERSION = "cluster.core.oam.dev/v1alpha1"
KIND = "ClientIdentityReview"

MAX_ANSWER = 1024 * 1024
"""Largest answer read, in bytes."""
MAX_TTL = 3600.0
"""An answer is asked for again after at most this many seconds, whatever it says."""
MAX_TIMEOUT = 30.0

_WEBHOOK = ("caBundle", "caFile", "certFile", "keyFile", "timeoutSeconds")


@dataclass(frozen=True, slots=True)
class Webhook:
    """
    Where an external exchanger is, and how it is spoken to.

    @ivar url: https.
    @ivar ca: PEM bundle that its certificate must lead to, C{b""} for the system's (unless C{ca_file} says otherwise).
    @ivar ca_file: likewise in a file, C{""} for none.
    @ivar cert_file: PEM chain of the client certificate to show it, C{""} for none.
    @ivar key_file: its key.
    @ivar timeout: seconds for the whole exchange.
    """

    url: str
    ca: bytes = b""
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    timeout: float = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """
    @ivar identity: whom the caller enters the cluster as; C{None}: they do not.
    @ivar reason: for people, when they do not.
    @ivar ttl: seconds for which the same question need not be asked again.
    """

    identity: Identity | None
    reason: str = ""
    ttl: float = 0.0


def parse_webhook(url: str, value: object, place: str, files: bool) -> Webhook:
    """
    @param value: the rule's C{webhook} field.
    @param files: whether files of the gateway's machine may be named.
    @raise ConfigurationError: it is not one that can be asked safely.
    """
    _check_url(url, f"{place}.url")
    place = f"{place}.webhook"
    given = fields.mapping(value, place)
    fields.known(given, _WEBHOOK, place)
    ca_file, cert_file, key_file = (fields.text(given, key, place) for key in ("caFile", "certFile", "keyFile"))
    bundle = fields.text(given, "caBundle", place)
    if (ca_file or cert_file or key_file) and not files:
        raise ConfigurationError(f"{place}: files are for the global configuration only; use caBundle")
    if bool(cert_file) != bool(key_file):
        raise ConfigurationError(f"{place}: certFile and keyFile belong together")
    if bundle and ca_file:
        raise ConfigurationError(f"{place}: caBundle and caFile exclude each other")
    timeout = fields.number(given, "timeoutSeconds", place, 5.0, MAX_TIMEOUT)
    return Webhook(url, _bundle(bundle, f"{place}.caBundle"), ca_file, cert_file, key_file, timeout)


def _check_url(url: str, place: str) -> None:
    try:
        parts = urlsplit(url)
        # Reading the port raises when it is none.
        good = parts.scheme == "https" and bool(parts.hostname) and parts.port != 0 and url.isascii()
    except ValueError:
        good = False
    if not good or any(character <= " " for character in url):
        raise ConfigurationError(f"{place}: expected an https URL")
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{place}: a URL is no place for a password")


def _bundle(encoded: str, place: str) -> bytes:
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except (binascii.Error, ValueError):
        raise ConfigurationError(f"{place}: expected base64 of PEM") from None


def encode_review(who: Identity, cluster: str, rule: str, attributes: Attributes) -> bytes:
    """The question, as JSON. The same question is the same bytes."""
    spec: dict[str, Any] = {
        "user": who.user,
        "groups": list(who.groups),
        "uid": who.uid,
        "extra": {key: list(values) for key, values in who.extra},
        "cluster": cluster,
        "rule": rule,
    }
    if attributes.path:
        spec["nonResourceAttributes"] = {"verb": attributes.verb, "path": attributes.path}
    else:
        spec["resourceAttributes"] = {
            name: getattr(attributes, name)
            for name in ("verb", "group", "version", "resource", "subresource", "namespace", "name")
        }
    return json.dumps({"apiVersion": API_VERSION, "kind": KIND, "spec": spec}, separators=(",", ":")).encode()


def decode_answer(body: bytes) -> Answer:
    """
    @raise ServiceUnavailable: it is no answer; the message says what is wrong with it.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise ServiceUnavailable("the identity webhook's answer is not JSON") from None
    try:
        return _answer(document)
    except ConfigurationError as error:
        raise ServiceUnavailable(f"the identity webhook's answer is malformed: {error.message}") from None


def _answer(document: object) -> Answer:
    review = fields.mapping(document, "the answer")
    if review.get("apiVersion") != API_VERSION or review.get("kind") != KIND:
        raise ConfigurationError(f"expected {KIND} of {API_VERSION}")
    status = fields.mapping(review.get("status"), "status")
    if not isinstance(status.get("allowed"), bool):
        raise ConfigurationError("status.allowed: expected true or false")
    ttl = status.get("ttlSeconds")
    if ttl is not None and (type(ttl) not in (int, float) or not 0 <= ttl < float("inf")):
        raise ConfigurationError("status.ttlSeconds: expected a number of seconds")
    seconds = min(float(ttl or 0), MAX_TTL)
    if not status["allowed"]:
        return Answer(None, fields.text(status, "reason", "status")[:1024], seconds)
    user = fields.text(status, "user", "status")
    if not user:
        raise ConfigurationError("status.user: needed when allowed is true")
    groups = tuple(dict.fromkeys(fields.texts(status, "groups", "status")))
    return Answer(Identity(user, groups, fields.text(status, "uid", "status"), _extra(status), "exchange"), "", seconds)


def _extra(status: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    extra = fields.mapping(status.get("extra"), "status.extra")
    values: dict[str, tuple[str, ...]] = {}
    for key in extra:
        lowered = key.lower()
        values[lowered] = values.get(lowered, ()) + fields.texts(extra, key, "status.extra")
    return tuple(values.items())
