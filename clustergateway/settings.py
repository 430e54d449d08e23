"""The configuration: one frozen value, made once from the command line and handed to who needs it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """
    Bounds on what one client or one upstream can cost. Sizes in bytes, times in seconds.

    @ivar head: largest request or response head.
    @ivar target: longest request target.
    @ivar fields: most header fields in one head.
    @ivar body: largest request body of a request that is not proxied.
    @ivar trailers: largest trailer section.
    @ivar handshake_timeout: from accept to the end of the TLS handshake.
    @ivar head_timeout: from the first byte of a request head to its end.
    @ivar body_timeout: longest silence inside a request body.
    @ivar idle_timeout: how long a client's connection without a request is kept.
    @ivar connect_timeout: for DNS, TCP, proxies and TLS to an endpoint, altogether.
    @ivar answer_timeout: from the end of the request to the first byte of the answer's head.
    @ivar high_water: bytes that may wait in one direction of one connection before its source is paused.
    @ivar connections: most client connections at a time.
    @ivar idle_upstream: most idle connections kept to one cluster.
    @ivar idle_upstream_timeout: how long such a one is kept.
    @ivar busy_upstream: most connections to one cluster at a time; more requests are answered 429.
    """

    head: int = 65536
    target: int = 16384
    fields: int = 256
    body: int = 1 << 20
    trailers: int = 16384
    handshake_timeout: float = 10.0
    head_timeout: float = 10.0
    body_timeout: float = 60.0
    idle_timeout: float = 120.0
    connect_timeout: float = 10.0
    answer_timeout: float = 60.0
    high_water: int = 65536
    connections: int = 20000
    idle_upstream: int = 256
    idle_upstream_timeout: float = 60.0
    busy_upstream: int = 10000
