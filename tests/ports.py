"""Ports for processes that are told theirs."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    """
    A port of the loopback interface that nobody listens on now. Not an ephemeral one (RFC 6335: from 49152; Linux: from
    32768): a connection could take it as its own end before it is listened on, and some servers refuse them.
    """
    for _ in range(100):
        with socket.socket() as probe:
            port = random.randrange(20000, 30000)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")
