"""The kubeconfig of the first admin: a client certificate of a CA that is kept beside the serving certificate."""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from ..errors import ConfigurationError
from ..model.identity import PRIVILEGED_GROUP
from ..model.kubeconfig import ADMIN_USER, admin_kubeconfig
from ..model.manifest import documents
from ..model.x509 import KeyPair, check_pair, expiry, issue_client, issued_by
from .files import cause, read_file, write_private
from .serving import RENEWED_BEFORE, load_authority


def client_authority(directory: str, now: float) -> KeyPair:
    """
    The CA whose certificates admin kubeconfigs hold (C{client-ca.crt} and C{client-ca.key}), made if there is none.
    Clients with a certificate of it are to be trusted for as long as kubeconfigs are written.

    @param directory: of C{--cert-dir}.
    @param now: seconds since the epoch.
    @raise ConfigurationError: the folder cannot be used.
    """
    return load_authority(directory, "client-ca", "cluster-gateway client CA", now)


def write_kubeconfig(
    path: str, authority: KeyPair, server: str, trust: bytes, clusters: Iterable[str], now: float
) -> None:
    """
    Write a kubeconfig for C{admin} in C{system:masters}, readable by its owner alone: a context for the gateway itself
    and one for each cluster. Over one that was written before, its certificate is kept while it is good, and so is the
    current context.

    @param server: C{https://HOST:PORT} as clients reach the gateway.
    @param trust: PEM bundle by which they verify it.
    @raise ConfigurationError: the file is there and is another's, or cannot be written.
    """
    kept, current = _existing(path)
    if kept is None or not (
        issued_by(kept.certificate, authority.certificate) and expiry(kept.certificate) - now > RENEWED_BEFORE
    ):
        kept = issue_client(authority, "admin", (PRIVILEGED_GROUP,), now)
    config = admin_kubeconfig(server, trust, kept.certificate, kept.key, clusters, current)
    content = json.dumps(config, indent=2).encode() + b"\n"  # JSON is YAML
    try:
        write_private(path, content)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {cause(error)}") from None


def _existing(path: str) -> tuple[KeyPair | None, str]:
    """The certificate and the current context of a kubeconfig that was written here before."""
    if not os.path.lexists(path):
        return None, ""
    try:
        found = documents(read_file(path))
    except (OSError, ConfigurationError) as error:
        raise ConfigurationError(f"{path} is there and cannot be read: {cause(error)}") from None
    if not found:
        return None, ""
    config = found[0] if isinstance(found[0], Mapping) else {}
    users = config.get("users")
    if not isinstance(users, list) or [_field(user, "name") for user in users] != [ADMIN_USER]:
        raise ConfigurationError(f"{path} is there and was not written by this gateway; move it away, or name another")
    current = config.get("current-context")
    return _pair(_field(users[0], "user")), current if isinstance(current, str) else ""


def _pair(user: Any) -> KeyPair | None:
    try:
        certificate = base64.b64decode(_field(user, "client-certificate-data") or "")
        key = base64.b64decode(_field(user, "client-key-data") or "")
        check_pair(certificate, key, "the certificate", "the key")
    except (ConfigurationError, binascii.Error, TypeError, ValueError):
        return None
    return KeyPair(certificate, key)


def _field(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None
