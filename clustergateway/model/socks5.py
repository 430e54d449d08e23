"""Asking a SOCKS5 proxy for a connection (RFC 1928; user and password: RFC 1929), without I/O."""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address

from ..errors import GatewayError, UpstreamMalformed, UpstreamRefused, UpstreamTimeout, UpstreamUnresolvable
from .preamble import Step, authority, wire_name

_VERSION = 5
_NO_AUTHENTICATION, _USER_PASSWORD, _NO_METHOD = 0, 2, 0xFF
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4

_REPLIES = {
    1: "failed in some way of its own",
    2: "does not allow this destination",
    3: "has no route to the network",
    4: "cannot reach the host",
    5: "was refused by the destination",
    6: "waited in vain for the destination",
    7: "does not know CONNECT",
    8: "does not take this kind of address",
}


class Socks5:
    """
    The client's side of one SOCKS5 negotiation. Names are resolved by the proxy.

    @param user: and C{password}: at most 255 bytes each; both empty to offer no authentication.
    """

    def __init__(self, host: str, port: int, user: bytes = b"", password: bytes = b"") -> None:
        self._target = authority(host, port)
        self._destination = _destination(host) + port.to_bytes(2, "big")
        self._user = user
        self._password = password
        self._held = b""
        self._next = self._method

    def begin(self) -> bytes:
        """What to send first: which authentication is offered."""
        if self._user or self._password:
            return bytes((_VERSION, 2, _NO_AUTHENTICATION, _USER_PASSWORD))
        return bytes((_VERSION, 1, _NO_AUTHENTICATION))

    def feed(self, data: bytes) -> Step:
        """
        Take part of the proxy's answers.

        @raise UpstreamRefused: the proxy said no. UpstreamTimeout, UpstreamUnresolvable: and that was why.
        @raise UpstreamMalformed: this is not SOCKS5.
        """
        self._held += data
        send = b""
        while True:
            waiting = self._next
            step = waiting()
            send += step.send
            if step.rest is not None or self._next == waiting:
                return Step(send, step.rest)

    def _take(self, size: int) -> bytes | None:
        if len(self._held) < size:
            return None
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def _method(self) -> Step:
        if self._held[:1] not in (b"", b"\x05"):
            raise UpstreamMalformed("the proxy does not speak SOCKS5", hop="proxy")
        answer = self._take(2)
        if answer is None:
            return Step()
        method = answer[1]
        if method == _NO_AUTHENTICATION:
            self._next = self._reply
            return Step(self._request())
        if method == _USER_PASSWORD and (self._user or self._password):
            self._next = self._status
            user, password = self._user, self._password
            return Step(bytes((1, len(user))) + user + bytes((len(password),)) + password)
        if method == _NO_METHOD:
            raise UpstreamRefused("the SOCKS5 proxy accepts none of the authentication methods offered", hop="proxy")
        raise UpstreamMalformed("the SOCKS5 proxy chose an authentication method that was not offered", hop="proxy")

    def _status(self) -> Step:
        answer = self._take(2)
        if answer is None:
            return Step()
        if answer[1]:
            raise UpstreamRefused("the SOCKS5 proxy does not accept the credential in proxy-url", hop="proxy")
        self._next = self._reply
        return Step(self._request())

    def _request(self) -> bytes:
        return bytes((_VERSION, _CONNECT, 0)) + self._destination

    def _reply(self) -> Step:
        if self._held[:1] not in (b"", b"\x05"):
            raise UpstreamMalformed("the proxy does not speak SOCKS5", hop="proxy")
        if self._held[1:2] not in (b"", b"\x00"):
            raise self._refusal(self._held[1])
        if len(self._held) < 5:
            return Step()
        size = {_IPV4: 4, _NAME: 1 + self._held[4], _IPV6: 16}.get(self._held[3])
        if size is None:
            raise UpstreamMalformed("the SOCKS5 proxy's answer has an address of no known kind", hop="proxy")
        if self._take(4 + size + 2) is None:
            return Step()
        return Step(rest=self._held)

    def _refusal(self, reply: int) -> GatewayError:
        meaning = _REPLIES.get(reply, "refused")
        said = f"the SOCKS5 proxy {meaning} (reply {reply} for {self._target})"
        if reply == 6:
            return UpstreamTimeout(said, hop="proxy")
        return UpstreamRefused(said, hop="proxy")


def _destination(host: str) -> bytes:
    try:
        address = ip_address(host)
    except ValueError:
        pass
    else:
        kind = _IPV4 if isinstance(address, IPv4Address) else _IPV6
        return bytes((kind,)) + address.packed
    name = wire_name(host)
    if len(name) > 255:
        raise UpstreamUnresolvable("the endpoint's name does not fit into a SOCKS5 request", hop="dns")
    return bytes((_NAME, len(name))) + name
