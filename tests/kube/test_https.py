"""Tests for L{clustergateway.kube.https}, on the loopback interface: TLS shows nowhere else."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.ssl import Certificate, CertificateOptions, PrivateCertificate, trustRootFromCertificates
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from clustergateway.errors import ConfigurationError
from clustergateway.kube.https import agent, pooled_agent, poster
from clustergateway.testing.certificates import Authority, Pair

reactor: Any = _reactor


class Hook(Resource):
    """Notes who asked what; answers if it is told to."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, bytes, str]] = []
        self.silent = False

    def render_POST(self, request: Request) -> bytes | int:
        transport: Any = request.transport
        peer = transport.getPeerCertificate()
        assert request.content is not None
        token = request.getHeader("authorization") or ""
        self.asked.append(("" if peer is None else peer.get_subject().CN, request.content.read(), token))
        return NOT_DONE_YET if self.silent else b"read by nobody"


class AgentTests(TestCase):
    def setUp(self) -> None:
        self.ca = Authority("ca")
        self.hook = Hook()

    def listen(self, server: Pair) -> str:
        own = PrivateCertificate.loadPEM(server.certificate + server.key)
        trust = trustRootFromCertificates([Certificate.loadPEM(self.ca.certificate)])
        options = CertificateOptions(own.privateKey.original, own.original, trustRoot=trust)
        options.requireCertificate = False
        port = reactor.listenSSL(0, Site(self.hook), options, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return f"https://localhost:{port.getHost().port}/"

    def post(
        self, ca: bytes, cert: bytes = b"", key: bytes = b"", *, url: str, clock: Any = reactor, token: str = ""
    ) -> Deferred[int]:
        asked, pool = pooled_agent(reactor, ca, cert, key)
        self.addCleanup(pool.closeCachedConnections)
        return poster(asked, url, clock, 5, token)(b"{}")

    @inlineCallbacks
    def test_both_sides_show_who_they_are(self) -> Any:
        url = self.listen(self.ca.server("localhost"))
        client = self.ca.client("gateway")
        code = yield self.post(self.ca.certificate, client.certificate, client.key, url=url)
        self.assertEqual((code, self.hook.asked), (200, [("gateway", b"{}", "")]))

    @inlineCallbacks
    def test_without_a_certificate_of_its_own(self) -> Any:
        url = self.listen(self.ca.server("localhost"))
        yield self.post(self.ca.certificate, url=url, token="secret")
        self.assertEqual(self.hook.asked, [("", b"{}", "Bearer secret")])

    @inlineCallbacks
    def test_nobody_else_is_asked(self) -> Any:
        url = self.listen(self.ca.server("elsewhere.example"))
        for trusted in (self.ca, Authority("other")):
            yield self.assertFailure(self.post(trusted.certificate, url=url), Exception)
        self.assertEqual(self.hook.asked, [])

    @inlineCallbacks
    def test_one_who_does_not_answer(self) -> Any:
        url = self.listen(self.ca.server("localhost"))
        self.hook.silent = True
        clock = Clock()
        asked = self.post(self.ca.certificate, url=url, clock=clock)
        clock.advance(5)
        yield self.assertFailure(asked, Exception)

    def test_what_cannot_be_used(self) -> None:
        pair, other = self.ca.client("a"), self.ca.client("b")
        for ca, cert, key in (
            *((b"nonsense", b"", b""), (b"", b"nonsense", pair.key), (b"", pair.certificate, b"nonsense")),
            (b"", pair.certificate, other.key),
        ):
            error = self.assertRaises(ConfigurationError, agent, reactor, ca, cert, key)
            self.assertNotIn("PRIVATE", str(error))
