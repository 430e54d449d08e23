"""An Agent for control-plane calls: which authorities it trusts, and which certificate it shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cryptography import x509
from OpenSSL import SSL, crypto
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import VerifyError
from twisted.internet.interfaces import IConsumer, IOpenSSLClientConnectionCreator, IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import (
    Certificate,
    KeyPair,
    PrivateCertificate,
    optionsForClientTLS,
)
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, _HTTP11ClientFactory
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IPolicyForHTTPS, IResponse
from zope.interface import implementer

from ..errors import ConfigurationError

CONNECT_TIMEOUT = 10.0
KEPT_PER_HOST = 8


@implementer(IOpenSSLTrustRoot)
class _Bundle:
    """Every certificate of a bundle is trusted by itself, root or not, as in Go."""

    def __init__(self, ca: bytes) -> None:
        self._authorities = [crypto.X509.from_cryptography(each) for each in x509.load_pem_x509_certificates(ca)]

    def _addCACertsToContext(self, context: SSL.Context) -> None:
        store = context.get_cert_store()
        assert store is not None
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        for authority in self._authorities:
            store.add_cert(authority)


@implementer(IPolicyForHTTPS)
class _Policy:
    def __init__(self, ca: bytes, cert: bytes, key: bytes, server_name: str, insecure: bool) -> None:
        self._server_name = server_name
        self._insecure = insecure
        self._options: dict[str, Any] = {"acceptableProtocols": [b"http/1.1"]}
        if ca:
            self._options["trustRoot"] = _Bundle(ca)
        if cert:
            leaf, *chain = (crypto.X509.from_cryptography(each) for each in x509.load_pem_x509_certificates(cert))
            pair = KeyPair.load(key, crypto.FILETYPE_PEM)
            self._options["clientCertificate"] = PrivateCertificate.fromCertificateAndKeyPair(Certificate(leaf), pair)
            self._options["extraCertificateOptions"] = {"extraCertChain": chain}
        self._creators: dict[bytes, IOpenSSLClientConnectionCreator] = {}
        # What does not fit together shows now rather than at the first request.
        self.creatorForNetloc(b"localhost", 443)

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:
        creator = self._creators.get(hostname)
        if creator is None:
            creator = self._creators[hostname] = self._creator(self._server_name or hostname.decode("ascii"))
        return creator

    def _creator(self, name: str) -> IOpenSSLClientConnectionCreator:
        if not self._insecure:
            return optionsForClientTLS(name, **self._options)
        return _Unverified(optionsForClientTLS(name, **self._options))


@implementer(IOpenSSLClientConnectionCreator)
class _Unverified:
    """Shows what the verified one would, and believes whoever answers."""

    def __init__(self, verified: IOpenSSLClientConnectionCreator) -> None:
        self._verified = verified

    def clientConnectionForTLS(self, tlsProtocol: Any) -> SSL.Connection:
        connection: SSL.Connection = self._verified.clientConnectionForTLS(tlsProtocol)
        connection.set_verify(SSL.VERIFY_NONE, lambda *_: True)
        return connection


class _QuietFactory(_HTTP11ClientFactory):
    """Twisted's own writes two log lines for each connection; the pool has no public way to say otherwise."""

    noisy = False


def pooled_agent(
    reactor: Any, ca: bytes = b"", cert: bytes = b"", key: bytes = b"", server_name: str = "", insecure: bool = False
) -> tuple[IAgent, HTTPConnectionPool]:
    """
    @param ca: PEM bundle that servers' certificates must lead to, C{b""} for the system's.
    @param cert: PEM chain of the client certificate, leaf first, C{b""} for none.
    @param key: PEM of its key.
    @param server_name: verified and sent instead of the URL's host name, C{""} for that one.
    @param insecure: whoever answers is believed.
    @return: an agent that keeps connections and follows no redirects, and where it keeps them.
    @raise ConfigurationError: the PEM cannot be read, or certificate and key do not belong together.
    """
    try:
        policy = _Policy(ca, cert, key, server_name, insecure)
    except (ValueError, crypto.Error, SSL.Error, VerifyError):
        raise ConfigurationError("the CA bundle, client certificate or key cannot be used") from None
    pool = HTTPConnectionPool(reactor)
    pool._factory = _QuietFactory
    pool.maxPersistentPerHost = KEPT_PER_HOST
    return Agent(reactor, policy, CONNECT_TIMEOUT, pool=pool), pool


def agent(reactor: Any, ca: bytes = b"", cert: bytes = b"", key: bytes = b"") -> IAgent:
    """
    L{pooled_agent} that verifies chain and host name, for those who never need to know the pool.
    """
    return pooled_agent(reactor, ca, cert, key)[0]


@implementer(IBodyProducer)
class Whole:
    """A body that is all here; Twisted's own producers of one want the global reactor."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Nothing is left to hold back."""

    def resumeProducing(self) -> None:
        """Nothing was held back."""

    def stopProducing(self) -> None:
        """It has stopped."""


def poster(
    asked: IAgent, url: str, clock: IReactorTime, timeout: float, token: str = ""
) -> Callable[[bytes], Deferred[int]]:
    """
    @param token: bearer token, C{""} for none.
    @return: POSTs JSON there; gives the answer's status code, when its body has passed unread.
    """
    headers = Headers({"Content-Type": ["application/json"]})
    if token:
        headers.addRawHeader("Authorization", f"Bearer {token}")

    def post(body: bytes) -> Deferred[int]:
        sent = asked.request(b"POST", url.encode("ascii"), headers, Whole(body)).addCallback(_code)
        sent.addTimeout(timeout, clock)
        return sent

    return post


def _code(response: IResponse) -> Deferred[int]:
    unread = _Unread(response.code)
    response.deliverBody(unread)
    return unread.passed


class _Unread(Protocol):
    """Lets a body pass, so that its connection can be used again."""

    def __init__(self, code: int) -> None:
        self._code = code
        self.passed: Deferred[int] = Deferred(self._hang_up)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self.passed.called:
            self.passed.callback(self._code)

    def _hang_up(self, _: object) -> None:
        transport: Any = self.transport
        transport.stopProducing()
