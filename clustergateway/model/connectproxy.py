"""Asking an HTTP proxy for a connection (RFC 9110 section 9.3.6), without I/O."""

from __future__ import annotations

from ..errors import GatewayError, UpstreamMalformed, UpstreamRefused, UpstreamTimeout
from .preamble import Step, authority, wire_name
from .tunnel import dial_error

_LARGEST_ANSWER = 16384

# 407 is the code for it; tinyproxy says 401 to a wrong password.
_UNAUTHENTICATED = (401, 407)
_MEANINGS = {
    403: "does not allow this destination",
    405: "does not know CONNECT",
    429: "has too many requests",
    500: "could not make the connection",
    502: "could not reach the destination",
    503: "could not reach the destination",
}


class Connect:
    """
    The client's side of one CONNECT.

    @param authorization: value of Proxy-Authorization, C{b""} for none. Never shown.
    @param host_header: what to put into Host instead of the destination.
    """

    def __init__(self, host: str, port: int, authorization: bytes = b"", host_header: str = "") -> None:
        self._target = authority(wire_name(host).decode(), port)
        self._authorization = authorization
        self._host = host_header or self._target
        self._head = b""

    def begin(self) -> bytes:
        """What to send first."""
        lines = [f"CONNECT {self._target} HTTP/1.1\r\nHost: {self._host}\r\n".encode()]
        if self._authorization:
            lines.append(b"Proxy-Authorization: " + self._authorization + b"\r\n")
        return b"".join([*lines, b"\r\n"])

    def feed(self, data: bytes) -> Step:
        """
        Take part of the answer.

        @raise UpstreamRefused: the proxy said no. UpstreamTimeout: it waited in vain for the destination.
        @raise UpstreamMalformed: this is no answer to CONNECT.
        """
        self._head += data
        while True:
            end = self._head.find(b"\r\n\r\n")
            if (end if end >= 0 else len(self._head)) > _LARGEST_ANSWER:
                raise UpstreamMalformed("the proxy's answer to CONNECT has no end", hop="proxy")
            if end < 0:
                if not b"HTTP/1.".startswith(self._head[:7]):
                    raise UpstreamMalformed("the proxy does not speak HTTP", hop="proxy")
                return Step()
            code = self._code(self._head[:end].split(b"\r\n", 1)[0])
            rest = self._head[end + 4 :]
            if code >= 200:
                break
            self._head = rest  # an interim answer
        if code > 299:
            raise self._refusal(code, rest)
        return Step(rest=rest)

    @staticmethod
    def _code(line: bytes) -> int:
        version, _, rest = line.partition(b" ")
        code = rest[:3]
        if version not in (b"HTTP/1.1", b"HTTP/1.0") or not code.isdigit() or rest[3:4].strip():
            raise UpstreamMalformed("the proxy's answer to CONNECT is not HTTP", hop="proxy")
        if not 100 <= int(code) <= 599:
            raise UpstreamMalformed("the proxy's answer to CONNECT has no possible code", hop="proxy")
        return int(code)

    def _refusal(self, code: int, _: bytes) -> GatewayError:
        if code == 504:
            return UpstreamTimeout(f"the proxy waited in vain for {self._target} (504)", hop="proxy")
        meaning = _MEANINGS.get(code, "refused")
        if code in _UNAUTHENTICATED:
            given = self._authorization
            meaning = (
                "does not accept the credential in proxy-url" if given else "wants a user and password in proxy-url"
            )
        return UpstreamRefused(f"the proxy {meaning} ({code} to CONNECT {self._target})", hop="proxy")


class KonnectivityConnect(Connect):
    """
    CONNECT to a konnectivity proxy-server in http-connect mode.

    What it or its agent says of a failed dial stands behind the head. A second head behind a 200, which proxy-servers
    have sent when there was no agent, is a refusal too.
    """

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port, host_header="127.0.0.1")

    def feed(self, data: bytes) -> Step:
        """As its parent does; an error head right behind the 200 is a refusal too."""
        step = super().feed(data)
        if step.rest is not None and step.rest.startswith(b"HTTP/1.1 5"):
            raise UpstreamRefused(f"no konnectivity agent is connected for {self._target}", hop="tunnel")
        return step

    def _refusal(self, code: int, said: bytes) -> GatewayError:
        words = said.decode("utf-8", "replace").strip()
        return dial_error(self._target, words) if code in (500, 502) and words else super()._refusal(code, said)
