"""
TLS merged into a TCP connection: stdlib C{ssl} over two memory BIOs, on the reactor's own events.

Stock Twisted TLS is a protocol between the TCP transport and the application: each read and write passes through its
buffers and through the reactor again. Here decrypted bytes go straight to the protocol, and encrypted bytes are sent at
once; the reactor is asked for a writable event only when the socket is full. That halves the CPU of a small request.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, cast

from twisted.internet import main
from twisted.internet.error import ConnectionAborted, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IHalfCloseableDescriptor,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IProducer,
    IProtocol,
    IPushProducer,
    IReadWriteDescriptor,
    ISSLTransport,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from zope.interface import implementer

from .tlsfacts import TcpFacts
from .tlsrecords import RECORD, encrypt_records, say_goodbye

# Reading fills this one buffer for all connections: it is empty again before the reactor turns to the next.
_BUFFER = bytearray(1 << 18)
_VIEW = memoryview(_BUFFER)


def hasten(sock: socket.socket) -> None:
    """
    Acknowledge at once what came. Part of a record did: a sender that gathers small writes (RFC 896), as some proxies
    do, keeps the rest until then, and the system would let it wait for 40 ms (Linux).
    """
    if hasattr(socket, "TCP_QUICKACK"):
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class TlsError(ConnectionLost):
    """
    A connection ended because of TLS.

    @ivar cause: what the C{ssl} module said.
    """

    def __init__(self, cause: ssl.SSLError) -> None:
        super().__init__(cause.reason or "TLS failed")
        self.cause = cause


class _Nobody(Protocol):
    """Stands where a connection's protocol was before the connection was taken over."""


NOBODY = _Nobody()


@implementer(IConsumer, IPushProducer, IReadWriteDescriptor, IHalfCloseableDescriptor, ISSLTransport, ITCPTransport)
class TlsTransport(TcpFacts):
    """
    Takes over a connected TCP transport: its socket, its place in the reactor. The TCP transport keeps what it knows
    (addresses, its connector) and closes the socket in the end.
    """

    __slots__ = (
        "_decrypt",
        "_early",
        "_encrypt",
        "_established",
        "_high_water",
        "_incoming",
        "_on_ready",
        "_outgoing",
        "_paused",
        "_producer",
        "_protocol",
        "_queue",
        "_reactor",
        "_read_closed",
        "_socket",
        "_write_closed",
        "connected",
        "disconnected",
        "disconnecting",
        "fileno",
    )

    def __init__(
        self,
        base: Connection,
        tls: ssl.SSLObject,
        bios: tuple[ssl.MemoryBIO, ssl.MemoryBIO],
        protocol: IProtocol,
        *,
        high_water: int = 65536,
        on_ready: Callable[[ssl.SSLError | None], None] | None = None,
    ) -> None:
        """
        @param tls: made from C{bios} (incoming, outgoing) and not used yet.
        @param on_ready: called when the handshake is over, with the error if it failed.
        """
        super().__init__(base, tls)
        self._reactor = cast("Any", base.reactor)
        self._socket = base.socket
        self.fileno: Callable[[], int] = base.socket.fileno
        self._decrypt = tls.read
        self._encrypt = tls.write
        self._incoming, self._outgoing = bios
        self._protocol = protocol
        self._high_water = high_water
        self._on_ready = on_ready
        self._established = False
        self._early: list[bytes] = []
        self._queue = b""
        self._producer: IPushProducer | None = None
        self._paused = False
        self._write_closed = False
        self._read_closed = False
        self.connected = True
        self.disconnected = False
        self.disconnecting = False

    def begin(self, received: bytes = b"") -> None:
        """
        Start the handshake.

        @param received: bytes that came in behind what the connection was used for before.
        """
        base = self._base
        base.stopReading()
        base.stopWriting()
        base.protocol = NOBODY
        base.setTcpNoDelay(True)
        self._queue = base.dataBuffer[base.offset :] + b"".join(base._tempDataBuffer)
        self._incoming.write(received)
        self._reactor.addReader(self)
        if self._queue:
            self._reactor.addWriter(self)
        why = self._handshake()
        if why is not None:
            self._reactor.callLater(0, self.connectionLost, Failure(why))

    # What the reactor calls.

    def doRead(self) -> Exception | None:  # type: ignore[override]
        # Like every transport of Twisted, whatever the interface says, this returns an exception.
        try:
            size = self._socket.recv_into(_BUFFER)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if not size:
            # The end of the connection without close_notify may be an attacker's (RFC 8446 section 6.1).
            return main.CONNECTION_DONE if self._write_closed or self._read_closed else main.CONNECTION_LOST
        incoming = self._incoming
        incoming.write(_VIEW[:size])
        if not self._established:
            why = self._handshake()
            if why is not None or not self._established:
                return why
        try:
            data = self._decrypt(RECORD)
        except ssl.SSLError as error:
            return self._read_failed(error)
        if incoming.pending or not data:
            return self._deliver(data)
        self._protocol.dataReceived(data)
        if self._outgoing.pending and self.connected:
            self._send(self._outgoing.read())
        return None

    def _deliver(self, data: bytes) -> Exception | None:
        """More than one record came: hand all of them to the protocol in one piece."""
        decrypt, incoming = self._decrypt, self._incoming
        parts = [data]
        why: Exception | None = None if data else main.CONNECTION_DONE
        try:
            while incoming.pending and why is None:
                data = decrypt(RECORD)
                if data:
                    parts.append(data)
                else:
                    why = main.CONNECTION_DONE
        except ssl.SSLWantReadError:
            hasten(self._socket)
        except ssl.SSLZeroReturnError:
            why = main.CONNECTION_DONE
        except ssl.SSLError as error:
            why = TlsError(error)
        data = b"".join(parts)
        if data:
            self._protocol.dataReceived(data)
        if self._outgoing.pending and self.connected:
            self._send(self._outgoing.read())
        return why if why is None else self._read_ended(why)

    def _read_failed(self, error: ssl.SSLError) -> Exception | None:
        """Nothing could be decrypted."""
        if self._outgoing.pending and self.connected:
            self._send(self._outgoing.read())
        if isinstance(error, ssl.SSLWantReadError):
            hasten(self._socket)
            return None
        return self._read_ended(main.CONNECTION_DONE if isinstance(error, ssl.SSLZeroReturnError) else TlsError(error))

    def _read_ended(self, why: Exception) -> Exception | None:
        if not self.connected or (self.disconnecting and why is main.CONNECTION_DONE):
            return None  # it is being aborted, or closed when the queue is empty
        if why is not main.CONNECTION_DONE:
            return why
        half = IHalfCloseableProtocol(self._protocol, None)
        if half is None or self._write_closed:
            return why
        if not self._read_closed:
            # Reading goes on, to notice when the connection itself ends.
            self._read_closed = True
            half.readConnectionLost()
        return None

    def doWrite(self) -> Exception | None:  # type: ignore[override]
        queue = self._queue
        try:
            sent = self._socket.send(queue)
        except BlockingIOError:
            return None
        except OSError:
            return main.CONNECTION_LOST
        if sent < len(queue):
            self._queue = queue[sent:]
            return None
        self._queue = b""
        self._reactor.removeWriter(self)
        if self._paused:
            self._paused = False
            if self._producer is not None:
                self._producer.resumeProducing()
        if self.disconnecting and not self._queue:
            return main.CONNECTION_DONE
        return None

    def connectionLost(self, reason: Failure) -> None:
        if self.disconnected:
            return
        self.disconnected = True
        self.connected = False
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        self._producer = None
        self._queue = b""
        self._early.clear()
        self._base.connectionLost(reason)
        self._ready(ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the connection was closed during the handshake"))
        # The protocol refers to this transport: nothing of a closed connection waits for the garbage collector.
        protocol, self._protocol = self._protocol, NOBODY
        if self._established or self.tls.server_side:
            protocol.connectionLost(reason)

    def readConnectionLost(self, reason: Failure) -> None:
        self.connectionLost(reason)

    def writeConnectionLost(self, reason: Failure) -> None:
        self.connectionLost(reason)

    def logPrefix(self) -> str:
        return type(self._protocol).__name__

    # The handshake.

    def _handshake(self) -> Exception | None:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self._send(self._outgoing.read())
            return None
        except ssl.SSLError as error:
            # An alert that tells the other side why.
            self._send(self._outgoing.read())
            self._ready(error)
            return TlsError(error)
        self._established = True
        self._send(self._outgoing.read())
        if IHandshakeListener.providedBy(self._protocol):
            cast("IHandshakeListener", self._protocol).handshakeCompleted()
        self._ready(None)
        early, self._early = self._early, []
        for data in early:
            self.write(data)
        return None

    def _ready(self, error: ssl.SSLError | None) -> None:
        on_ready, self._on_ready = self._on_ready, None
        if on_ready is not None:
            on_ready(error)

    # Writing.

    def write(self, data: bytes) -> None:
        if not data or self._write_closed or not self.connected:
            return
        if not self._established:
            self._early.append(data)
            return
        try:
            encrypt_records(self._encrypt, data)
        except ssl.SSLError:
            self.abortConnection()
            return
        self._send(self._outgoing.read())

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def _send(self, encrypted: bytes) -> None:
        if self._queue:
            self._queue += encrypted
        elif encrypted:
            try:
                sent = self._socket.send(encrypted)
            except BlockingIOError:
                sent = 0
            except OSError:
                # The reactor will find out and say so; not from inside write().
                sent = 0
            if sent == len(encrypted):
                return
            self._queue = encrypted[sent:]
            self._reactor.addWriter(self)
        if self._producer is not None and not self._paused and len(self._queue) > self._high_water:
            self._paused = True
            self._producer.pauseProducing()

    def loseConnection(self) -> None:
        if self.disconnecting or not self.connected:
            return
        if not self._established:
            self.abortConnection()
            return
        self._close_notify()
        self.disconnecting = True
        self._reactor.removeReader(self)
        if not self._queue:
            self._reactor.callLater(0, self.connectionLost, Failure(main.CONNECTION_DONE))

    def loseWriteConnection(self) -> None:
        """Send close_notify, and go on reading (RFC 8446 section 6.1)."""
        if self._established and not self.disconnecting and self.connected:
            self._close_notify()

    def _close_notify(self) -> None:
        if self._write_closed:
            return
        self._write_closed = True
        say_goodbye(self.tls)
        self._send(self._outgoing.read())

    def abortConnection(self) -> None:
        """Close with a TCP reset, so that the other side cannot take it for an orderly end."""
        if not self.connected:
            return
        self.connected = False
        self.disconnecting = True
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        self._reactor.callLater(0, self.connectionLost, Failure(ConnectionAborted()))

    # As consumer and producer.

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        if not streaming:
            raise ValueError("only push producers write to this transport")
        if self._producer is not None:
            raise RuntimeError("a producer is registered already")
        if self.disconnected:
            producer.stopProducing()
        else:
            self._producer = cast("IPushProducer", producer)
            self._paused = False

    def unregisterProducer(self) -> None:
        self._producer = None

    def pauseProducing(self) -> None:
        self._reactor.removeReader(self)

    def resumeProducing(self) -> None:
        if self.connected and not self.disconnecting:
            self._reactor.addReader(self)

    def stopProducing(self) -> None:
        self.loseConnection()
