from __future__ import annotations

import os

from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError, CredentialUnavailable, ServiceUnavailable
from clustergateway.model.gateway import Endpoint
from clustergateway.transport.contexts import ClientTls
from clustergateway.transport.endpoints.konnectivity import KonnectivityEndpoint
from clustergateway.transport.endpoints.preamble import PreambleEndpoint
from clustergateway.transport.endpoints.route import ClientFiles, RouteConfig, Routes, label

SECRET = "http://user:hunter2@proxy:3128"


class RoutesTests(SynchronousTestCase):
    """Which route an endpoint's configuration leads to."""

    def routes(self, config: RouteConfig | None = None) -> Routes:
        return Routes(MemoryReactorClock(), config or RouteConfig())

    def test_direct(self) -> None:
        routes = self.routes()
        self.assertIsInstance(routes.route(Endpoint("10.0.0.1", 6443)), TCP4ClientEndpoint)
        self.assertIsInstance(routes.route(Endpoint("c1", 6443)), HostnameEndpoint)
        self.assertIsNone(routes.konnectivity)

    def test_proxies(self) -> None:
        for scheme in ("http", "https", "socks5", "socks5h"):
            endpoint = Endpoint("c1", 6443, proxy_url=f"{scheme}://127.0.0.1")
            self.assertIsInstance(self.routes().route(endpoint), PreambleEndpoint)

    def test_what_is_said_to_proxies(self) -> None:
        for scheme, begins in (("http", b"CONNECT c1:6443 HTTP/1.1\r\n"), ("socks5", b"\x05\x02\x00\x02")):
            reactor = MemoryReactorClock()
            route = Routes(reactor, RouteConfig()).route(
                Endpoint("c1", 6443, proxy_url=f"{scheme}://user:hunter2@127.0.0.1:3128")
            )
            route.connect(Factory.forProtocol(Protocol)).addErrback(lambda _: None)
            host, port, factory, *_ = reactor.tcpClients[0]
            self.assertEqual(("127.0.0.1", 3128), (host, port))
            protocol = factory.buildProtocol(None)
            assert protocol is not None
            transport = StringTransport()
            protocol.makeConnection(transport)
            self.assertTrue(transport.value().startswith(begins))

    def test_a_bad_proxy_url(self) -> None:
        with self.assertRaises(ConfigurationError) as caught:
            self.routes().route(Endpoint("c1", 6443, proxy_url=SECRET + "/path"))
        self.assertNotIn("hunter2", str(caught.exception))

    def test_konnectivity(self) -> None:
        routes = self.routes(RouteConfig(proxy_servers=(("proxy", 8090),)))
        route = routes.route(Endpoint("c1", 443, via_cluster_proxy=True))
        self.assertIsInstance(route, KonnectivityEndpoint)
        assert routes.konnectivity is not None
        self.assertEqual(0, routes.konnectivity.tunnels)
        routes.close()

    def test_konnectivity_by_connect(self) -> None:
        for servers in ((("127.0.0.1", 1),), (("127.0.0.1", 1), ("127.0.0.2", 1))):
            reactor = MemoryReactorClock()
            routes = Routes(reactor, RouteConfig(proxy_servers=servers, proxy_mode="http-connect", tunnels=1))
            route = routes.route(Endpoint("c1", 443, via_cluster_proxy=True))
            self.assertIsNone(routes.konnectivity)
            assert routes.tunnels is not None
            connecting = route.connect(Factory.forProtocol(Protocol))
            self.assertEqual([client[:2] for client in reactor.tcpClients], [("127.0.0.1", 1)])
            self.assertEqual((routes.tunnels.unconnected, routes.tunnels.dials), (1, 1))
            self.failureResultOf(route.connect(Factory.forProtocol(Protocol)), ServiceUnavailable)
            connecting.cancel()
            self.failureResultOf(connecting)
            self.assertEqual((routes.tunnels.unconnected, routes.tunnels.dials, routes.tunnels.failures), (0, 2, 2))
            routes.close()

    def test_who_counts_tunnels(self) -> None:
        self.assertIsNone(self.routes().tunnels)
        routes = self.routes(RouteConfig(proxy_servers=(("proxy", 8090),)))
        self.assertIs(routes.tunnels, routes.konnectivity)

    def test_no_konnectivity(self) -> None:
        with self.assertRaises(ConfigurationError):
            self.routes().route(Endpoint("c1", 443, via_cluster_proxy=True))


class LabelTests(SynchronousTestCase):
    """Names of endpoints, for logs."""

    def test_labels(self) -> None:
        for endpoint, expected in (
            (Endpoint("fd00::1", 6443), "[fd00::1]:6443"),
            (Endpoint("c1", 443, via_cluster_proxy=True), "c1:443 via konnectivity"),
            (Endpoint("c1", 6443, proxy_url=SECRET), "c1:6443 via http proxy proxy:3128"),
            (Endpoint("c1", 6443, proxy_url=SECRET + "/x"), "c1:6443 via an unusable proxy-url"),
        ):
            self.assertEqual(expected, label(endpoint))


class ClientFilesTests(SynchronousTestCase):
    """Certificates that are rotated in place."""

    def setUp(self) -> None:
        self.directory = self.mktemp()
        os.mkdir(self.directory)
        self.paths = [self.write(name, name.encode()) for name in ("ca", "crt", "key")]
        self.files = ClientFiles(*self.paths)

    def write(self, name: str, content: bytes) -> str:
        path = os.path.join(self.directory, name)
        with open(path + ".new", "wb") as stream:
            stream.write(content)
        os.replace(path + ".new", path)
        return path

    def test_read(self) -> None:
        self.assertEqual(ClientTls(ca=b"ca", certificate=b"crt", key=b"key"), self.files.tls())

    def test_not_read_again(self) -> None:
        self.assertIs(self.files.tls(), self.files.tls())

    def test_rotated(self) -> None:
        self.files.tls()
        self.write("crt", b"other")
        self.assertEqual(b"other", self.files.tls().certificate)

    def test_missing(self) -> None:
        os.unlink(self.paths[2])
        with self.assertRaises(CredentialUnavailable) as caught:
            self.files.tls()
        self.assertEqual("proxy", caught.exception.hop)
        self.write("key", b"back")
        self.assertEqual(b"back", self.files.tls().key)

    def test_none(self) -> None:
        self.assertEqual(ClientTls(), ClientFiles("", "", "").tls())
