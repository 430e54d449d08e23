"""Digests: of what a connection depends on, and of a credential for people to compare."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

from .gateway import ClusterGateway, Credential


def credential_version(credential: Credential) -> str:
    """Changes whenever the credential does. 32 hex digits; the credential cannot be read from it."""
    return _digest([type(credential).__name__, asdict(credential)])


def with_generation(gateway: ClusterGateway) -> ClusterGateway:
    """The same gateway with its C{generation} computed from its endpoints and its credential."""
    parts = [[asdict(endpoint) for endpoint in gateway.endpoints], credential_version(gateway.credential)]
    return replace(gateway, generation=_digest(parts))


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=lambda data: data.decode("latin-1"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]
