"""Certificates for tests of the model: made once, at a fixed time."""

from __future__ import annotations

from functools import cache

from clustergateway.model.x509 import KeyPair, issue_client, issue_server, new_authority

NOW = 1_800_000_000.0


@cache
def authority(name: str = "test-ca") -> KeyPair:
    return new_authority(name, NOW)


@cache
def client(user: str = "jane", groups: tuple[str, ...] = ("dev", "ops")) -> KeyPair:
    return issue_client(authority(), user, groups, NOW)


@cache
def server(*names: str) -> KeyPair:
    return issue_server(authority(), names, NOW)
