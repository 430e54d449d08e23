"""What both kinds of merged TLS say in the same way."""

from __future__ import annotations

import ssl
from collections.abc import Callable

RECORD = 16384
"""Most plaintext bytes in one TLS record (RFC 8446 section 5.1)."""


def encrypt_records(encrypt: Callable[[bytes | memoryview], object], data: bytes) -> None:
    """
    Encrypt, in as many records as it takes.

    @raise ssl.SSLError: the connection is broken.
    """
    if len(data) <= RECORD:
        encrypt(data)
        return
    view = memoryview(data)
    for start in range(0, len(data), RECORD):
        encrypt(view[start : start + RECORD])


def say_goodbye(tls: ssl.SSLObject) -> None:
    """Write close_notify, once."""
    try:
        tls.unwrap()
    except (ssl.SSLError, ValueError):
        # Nearly always "want read": the other side has not closed yet.
        pass
