"""TLS of a client over a transport that is no socket, such as a tunnel: stdlib C{ssl} over two memory BIOs."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet import main
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IProducer,
    IProtocol,
    IPushProducer,
    ITransport,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from .tlsfacts import TlsFacts
from .tlsrecords import RECORD, encrypt_records, say_goodbye
from .tlstransport import NOBODY, TlsError


@implementer(ITransport, IConsumer, IPushProducer)
class TlsLayer(TlsFacts):
    """
    A transport for one protocol, and what the transport below delivers to. Backpressure is the transport's below: it
    knows how much waits.
    """

    __slots__ = (
        "_below",
        "_decrypt",
        "_encrypt",
        "_established",
        "_incoming",
        "_on_ready",
        "_outgoing",
        "_protocol",
        "_read_closed",
        "_why",
        "_write_closed",
        "connected",
        "disconnecting",
    )

    def __init__(
        self,
        base: ITransport,
        tls: ssl.SSLObject,
        bios: tuple[ssl.MemoryBIO, ssl.MemoryBIO],
        protocol: IProtocol,
        on_ready: Callable[[ssl.SSLError | None], None],
    ) -> None:
        """
        @param tls: of a client, made from C{bios} (incoming, outgoing) and not used yet.
        @param protocol: connected by C{on_ready}.
        @param on_ready: called when the handshake is over, with the error if it failed.
        """
        super().__init__(base, tls)
        # What a transport can do beyond ITransport is in no interface that all of them claim.
        self._below: Any = base
        self._decrypt = tls.read
        self._encrypt = tls.write
        self._incoming, self._outgoing = bios
        self._protocol = protocol
        self._on_ready: Callable[[ssl.SSLError | None], None] | None = on_ready
        self._established = False
        self._read_closed = False
        self._write_closed = False
        self._why: Exception | None = None
        self.connected = True
        self.disconnecting = False

    def begin(self) -> None:
        """Start the handshake."""
        self._handshake()

    # What the transport below calls.

    def dataReceived(self, data: bytes) -> None:
        """Encrypted bytes came."""
        incoming, decrypt = self._incoming, self._decrypt
        incoming.write(data)
        if not self._established:
            self._handshake()
            if not self._established:
                return
        parts: list[bytes] = []
        why: Exception | None = None
        try:
            while why is None:
                part = decrypt(RECORD)
                if part:
                    parts.append(part)
                    if not incoming.pending:
                        break
                else:
                    why = main.CONNECTION_DONE
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            why = main.CONNECTION_DONE
        except ssl.SSLError as error:
            why = TlsError(error)
        if parts:
            self._protocol.dataReceived(parts[0] if len(parts) == 1 else b"".join(parts))
        if self._outgoing.pending and self.connected:
            self._below.write(self._outgoing.read())
        if why is not None:
            self._read_ended(why)

    def connectionLost(self, reason: Failure) -> None:
        """The transport below is gone."""
        self.connected = False
        self._ready(ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the connection was closed during the handshake"))
        # The protocol refers to this transport: nothing of a closed connection waits for the garbage collector.
        protocol, self._protocol = self._protocol, NOBODY
        if not self._established:
            return
        if self._why is not None:
            reason = Failure(self._why)
        elif reason.check(ConnectionDone) and not (self._read_closed or self._write_closed):
            # The end of the connection without close_notify may be an attacker's (RFC 8446 section 6.1).
            reason = Failure(main.CONNECTION_LOST)
        protocol.connectionLost(reason)

    def _read_ended(self, why: Exception) -> None:
        if not self.connected or self.disconnecting:
            return
        if why is not main.CONNECTION_DONE:
            self._why = why
            self.abortConnection()
            return
        already, self._read_closed = self._read_closed, True
        half = IHalfCloseableProtocol(self._protocol, None)
        if half is None or self._write_closed:
            self.loseConnection()
        elif not already:
            half.readConnectionLost()

    # The handshake.

    def _handshake(self) -> None:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._below.write(self._outgoing.read())
            return
        except ssl.SSLError as error:
            # An alert that tells the other side why.
            self._below.write(self._outgoing.read())
            self._ready(error)
            self._below.loseConnection()
            return
        self._established = True
        self._below.write(self._outgoing.read())
        self._ready(None)

    def _ready(self, error: ssl.SSLError | None) -> None:
        on_ready, self._on_ready = self._on_ready, None
        if on_ready is not None:
            on_ready(error)

    # ITransport.

    def write(self, data: bytes) -> None:
        """Encrypt and send bytes."""
        if not data or self._write_closed or not self.connected:
            return
        try:
            encrypt_records(self._encrypt, data)
        except ssl.SSLError:
            self.abortConnection()
            return
        self._below.write(self._outgoing.read())

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Send several."""
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        """Send what is still waiting and close_notify; hang up without waiting for the other side's."""
        if self.disconnecting or not self.connected:
            return
        self.loseWriteConnection()
        self.disconnecting = True
        self._below.unregisterProducer()
        self._below.loseConnection()

    def loseWriteConnection(self) -> None:
        """Send close_notify, and go on reading (RFC 8446 section 6.1)."""
        if self._write_closed or not self.connected:
            return
        self._write_closed = True
        say_goodbye(self.tls)
        self._below.write(self._outgoing.read())

    def abortConnection(self) -> None:
        """Cut it, so that the other side cannot take it for an orderly end."""
        if self.connected:
            self.connected = False
            self.disconnecting = True
            self._below.abortConnection()

    # As consumer and producer.

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """As Twisted's transports do."""
        self._below.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """As Twisted's transports do."""
        self._below.unregisterProducer()

    def pauseProducing(self) -> None:
        """Deliver nothing."""
        self._below.pauseProducing()

    def resumeProducing(self) -> None:
        """Deliver again."""
        if self.connected and not self.disconnecting:
            self._below.resumeProducing()

    def stopProducing(self) -> None:
        """The consumer of what this delivers is gone."""
        self.loseConnection()
