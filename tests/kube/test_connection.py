"""What only a real TLS connection shows; on loopback."""

from __future__ import annotations

import ssl
from typing import Any

from OpenSSL import SSL
from twisted.internet import defer, error
from twisted.internet import reactor as global_reactor
from twisted.internet.protocol import Protocol
from twisted.internet.ssl import Certificate, CertificateOptions, PrivateCertificate
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from twisted.web.client import ResponseNeverReceived
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from clustergateway.errors import HubUnavailable
from clustergateway.kube.body import hang_up
from clustergateway.kube.client import KubeClient
from clustergateway.kube.connection import Connection, connector, unavailable
from clustergateway.model.gateway import ClusterGateway, Endpoint, NoCredential
from clustergateway.model.resourcetype import ACCESS_REVIEWS
from clustergateway.testing.certificates import Authority, Pair
from clustergateway.testing.hub import TestCredentials, TestEntry

reactor: Any = global_reactor
HUB = Authority("hub")
USERS = Authority("users")


class Echo(Resource):
    """Answers who asked, over which connection, with what; below /hang never."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, int]] = []
        self.gone: defer.Deferred[None] = defer.Deferred()

    def render(self, request: Request) -> Any:
        transport: Any = request.transport
        peer = transport.getPeerCertificate()
        name = peer.get_subject().CN if peer is not None else ""
        self.asked.append((name, transport.getPeer().port))
        if request.path.startswith(b"/hang"):
            request.notifyFinish().addErrback(lambda _: self.gone.callback(None))
            request.write(b"x")
            return NOT_DONE_YET
        assert request.content is not None
        return b'{"body": %s}' % (request.content.read() or b"null")


def served(pair: Pair) -> CertificateOptions:
    both = PrivateCertificate.loadPEM(pair.certificate + pair.key)
    options: CertificateOptions = both.options(Certificate.loadPEM(USERS.certificate))
    options.requireCertificate = False
    options.verify = True
    return options


class LoopbackTests(TestCase):
    def setUp(self) -> None:
        self.echo = Echo()

    def begin(
        self, *names: str, host: str = "localhost", entry: TestEntry | None = None, **endpoint: Any
    ) -> KubeClient:
        site = Site(self.echo)
        port: Any = reactor.listenSSL(0, site, served(HUB.server(*names)), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        where = Endpoint(host, port.getHost().port, ca=endpoint.pop("ca", HUB.certificate), **endpoint)
        cluster = ClusterGateway("hub", (where,), NoCredential())
        credentials = TestCredentials()
        if entry is not None:
            credentials.current = entry
        client = KubeClient(Connection(lambda: cluster, credentials, connector(reactor)), reactor)
        self.addCleanup(client.close)
        return client

    async def refused(self, client: KubeClient) -> str:
        failure = await self.assertFailure(defer.Deferred.fromCoroutine(client.call("GET", "/x")), HubUnavailable)
        return str(failure)

    async def test_verified_and_kept(self) -> None:
        client = self.begin("localhost")
        self.assertEqual(await client.create(ACCESS_REVIEWS, {"a": 1}), {"body": {"a": 1}})
        self.assertEqual(await client.call("GET", "/x"), {"body": None})
        self.assertEqual(len({port for _, port in self.echo.asked}), 1)

    async def test_address(self) -> None:
        await self.begin("127.0.0.1", host="127.0.0.1").call("GET", "/x")

    async def test_stranger(self) -> None:
        said = await self.refused(self.begin("localhost", ca=USERS.certificate))
        self.assertIn("TLS failed", said)
        self.assertEqual(self.echo.asked, [])

    async def test_other_name(self) -> None:
        self.assertIn("TLS failed", await self.refused(self.begin("other")))
        self.assertEqual(self.echo.asked, [])

    async def test_server_name(self) -> None:
        await self.begin("other", server_name="other").call("GET", "/x")

    async def test_insecure(self) -> None:
        await self.begin("other", ca=None, insecure=True).call("GET", "/x")

    async def test_client_certificate(self) -> None:
        pair = USERS.client("gateway")
        client = self.begin("localhost", entry=TestEntry("", pair.certificate, pair.key))
        await client.call("GET", "/x")
        self.assertEqual([name for name, _ in self.echo.asked], ["gateway"])

    async def test_hang_up(self) -> None:
        """The connection of a stream that nobody wants any more is closed, not kept."""
        client = self.begin("localhost")
        receiver = Protocol()
        await client.stream("/hang", [], receiver)
        hang_up(receiver.transport)
        await self.echo.gone


class UnavailableTests(SynchronousTestCase):
    def test_causes(self) -> None:
        for cause, said in (
            (error.ConnectionRefusedError(), "refused"),
            (error.DNSLookupError(), "no address"),
            (error.TimeoutError(), "in time"),
            (ResponseNeverReceived([Failure(SSL.Error([("", "", "certificate verify failed")]))]), "TLS failed"),
            (ResponseNeverReceived([Failure(error.ConnectionLost("hush"))]), "broke"),
            (ResponseNeverReceived([]), "broke"),
            (ssl.SSLError("hush"), "broke"),
        ):
            found = unavailable(cause)
            self.assertIn(said, found.message)
            self.assertNotIn("hush", found.message)
