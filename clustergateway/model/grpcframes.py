"""gRPC's framing of messages in a stream of bytes (gRPC over HTTP2, "Length-Prefixed-Message")."""

from __future__ import annotations

from ..errors import UpstreamMalformed

PREFIX = 5
LARGEST = 4 << 20
"""What gRPC implementations accept unless told otherwise."""


def prefix(size: int) -> bytes:
    """What precedes an uncompressed message of this size."""
    return b"\x00" + size.to_bytes(4, "big")


class Messages:
    """Cuts what arrives into messages. Keeps at most one incomplete message."""

    __slots__ = ("_held", "_need", "_parts")

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._held = 0
        self._need = PREFIX

    def feed(self, data: bytes) -> list[bytes]:
        """
        @return: the messages that are now complete.
        @raise UpstreamMalformed: a message is compressed (never asked for) or larger than L{LARGEST}.
        """
        if self._held:
            self._parts.append(data)
            self._held += len(data)
            if self._held < self._need:
                return []
            data = b"".join(self._parts)
            self._parts.clear()
            self._held = 0
        found = []
        at = 0
        left = len(data)
        while left >= PREFIX:
            size = int.from_bytes(data[at + 1 : at + PREFIX], "big")
            if data[at] or size > LARGEST:
                what = "compressed" if data[at] else "too large"
                raise UpstreamMalformed(f"the proxy-server sent a message that is {what}", hop="tunnel")
            self._need = PREFIX + size
            if left < self._need:
                break
            found.append(data[at + PREFIX : at + self._need])
            at += self._need
            left -= self._need
        else:
            self._need = PREFIX
        if left:
            self._parts.append(data[at:])
            self._held = left
        return found

    @property
    def whole(self) -> bool:
        """Is nothing half received?"""
        return not self._held
