"""Tests for L{clustergateway.transport.serving}."""

from __future__ import annotations

import os
import ssl
import stat

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.x509 import DAY, KeyPair, expiry, issued_by, server_names
from clustergateway.transport.serving import CertificateFiles, SelfSigned, load_authority, load_pair, serving_names

from ..model.pki import NOW, client, server


class FilesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = self.mktemp()
        os.mkdir(self.folder)
        self.paths = os.path.join(self.folder, "tls.crt"), os.path.join(self.folder, "tls.key")
        self.clock = Clock()
        self.heard: list[KeyPair] = []

    def write(self, pair: KeyPair, *, key: bool = True, certificate: bool = True) -> None:
        for path, content, wanted in zip(self.paths, (pair.certificate, pair.key), (certificate, key), strict=True):
            if wanted:
                with open(f"{path}.new", "wb") as stream:
                    stream.write(content)
                os.replace(f"{path}.new", path)

    def start(self) -> CertificateFiles:
        serving = CertificateFiles(*self.paths, self.clock)
        serving.subscribe(self.heard.append)
        serving.start()
        self.addCleanup(serving.stop)
        return serving

    def test_read(self) -> None:
        self.write(server("a"))
        serving = self.start()
        self.assertEqual((serving.pair, serving.trust), (server("a"), server("a").certificate))

    def test_unusable_at_start(self) -> None:
        error = self.assertRaises(ConfigurationError, CertificateFiles, *self.paths, self.clock)
        self.assertIn("tls.crt cannot be read: No such file", error.message)
        self.write(server("a"))
        self.write(server("b"), certificate=False)
        error = self.assertRaises(ConfigurationError, CertificateFiles, *self.paths, self.clock)
        self.assertIn("does not belong to", error.message)

    def test_reloaded(self) -> None:
        self.write(server("a"))
        serving = self.start()
        self.write(server("b"))
        self.clock.advance(1)
        self.assertEqual((serving.pair, self.heard), (server("b"), [server("b")]))

    def test_unchanged(self) -> None:
        self.write(server("a"))
        self.start()
        self.clock.pump([1] * 3)
        self.write(server("a"))
        self.clock.pump([1] * 3)
        self.assertEqual(self.heard, [])

    def test_half_replaced(self) -> None:
        self.write(server("a"))
        serving = self.start()
        self.write(server("b"), key=False)
        self.clock.advance(1)
        self.assertEqual((serving.pair, self.heard), (server("a"), []))
        self.assertIn("does not belong to", serving.problem())
        self.write(server("b"), certificate=False)
        self.clock.advance(1)
        self.assertEqual((serving.pair, self.heard, serving.problem()), (server("b"), [server("b")], ""))

    def test_half_replaced_and_put_back(self) -> None:
        self.write(server("a"))
        serving = self.start()
        self.write(server("b"), key=False)
        self.clock.advance(1)
        self.write(server("a"))
        self.clock.advance(1)
        self.assertEqual((serving.problem(), self.heard), ("", []))


class SelfSignedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = os.path.join(self.mktemp(), "certs")
        self.clock = Clock()
        self.clock.advance(NOW)

    def make(self, *names: str) -> SelfSigned:
        return SelfSigned(self.folder, names or ("gateway.example", "10.0.0.1"), self.clock)

    def test_made(self) -> None:
        serving = self.make()
        self.assertEqual(server_names(serving.pair.certificate), {"gateway.example", "10.0.0.1"})
        self.assertTrue(issued_by(serving.pair.certificate, serving.trust))
        self.assertEqual(expiry(serving.pair.certificate), NOW + 365 * DAY)

    def test_private(self) -> None:
        self.make()
        self.assertEqual(stat.S_IMODE(os.stat(self.folder).st_mode), 0o700)
        self.assertEqual(
            {name: stat.S_IMODE(os.stat(os.path.join(self.folder, name)).st_mode) for name in os.listdir(self.folder)},
            dict.fromkeys(("serving.crt", "serving.key", "serving-ca.crt", "serving-ca.key"), 0o600),
        )

    def test_openssl_takes_it(self) -> None:
        serving = self.make()
        server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server_side.load_cert_chain(*(os.path.join(self.folder, name) for name in ("serving.crt", "serving.key")))
        client_side = ssl.create_default_context(cadata=serving.trust.decode())
        client_side.verify_flags |= ssl.VERIFY_X509_STRICT
        self.assertEqual(len(client_side.get_ca_certs()), 1)

    def test_kept_over_restarts(self) -> None:
        first = self.make()
        self.clock.advance(300 * DAY)
        second = self.make()
        self.assertEqual((second.pair, second.trust), (first.pair, first.trust))

    def test_renewed_in_time_under_the_same_ca(self) -> None:
        serving = self.make()
        first, trust, heard = serving.pair, serving.trust, list[KeyPair]()
        serving.subscribe(heard.append)
        serving.start()
        self.addCleanup(serving.stop)
        self.clock.advance(335 * DAY)
        self.assertEqual(heard, [serving.pair])
        self.assertNotEqual(serving.pair, first)
        self.assertEqual(serving.trust, trust)
        self.assertTrue(issued_by(serving.pair.certificate, trust))

    def test_made_anew_for_more_names(self) -> None:
        first = self.make("a", "b", "::0001")
        self.assertEqual(self.make("a", "::1").pair, first.pair)
        self.assertEqual(server_names(self.make("a", "c").pair.certificate), {"a", "c"})

    def test_made_anew_with_the_ca(self) -> None:
        first = self.make()
        os.unlink(os.path.join(self.folder, "serving-ca.key"))
        second = self.make()
        self.assertNotEqual(second.trust, first.trust)
        self.assertTrue(issued_by(second.pair.certificate, second.trust))

    def test_damaged(self) -> None:
        self.make()
        with open(os.path.join(self.folder, "serving-ca.key"), "wb") as stream:
            stream.write(client().key)
        error = self.assertRaises(ConfigurationError, self.make)
        self.assertIn("serving-ca.key does not belong to", error.message)

    def test_no_folder_to_be_had(self) -> None:
        with open(os.path.dirname(self.folder), "wb"):
            pass
        error = self.assertRaises(ConfigurationError, self.make)
        self.assertIn("cannot be kept in", error.message)


class AuthorityTests(SynchronousTestCase):
    def test_kept_until_it_is_about_to_end(self) -> None:
        folder = self.mktemp()
        first = load_authority(folder, "ca", "a CA", NOW)
        self.assertEqual(load_authority(folder, "ca", "a CA", NOW + 3000 * DAY), first)
        second = load_authority(folder, "ca", "a CA", NOW + 3649 * DAY)
        self.assertNotEqual(second, first)
        self.assertEqual(load_pair(folder, "ca"), second)

    def test_nothing_there(self) -> None:
        self.assertIsNone(load_pair(self.mktemp(), "ca"))


class NamesTests(SynchronousTestCase):
    def test_all(self) -> None:
        self.assertEqual(
            serving_names(["10.0.0.1", "::1"], "host", ["gateway.svc"]),
            ("gateway.svc", "host", "10.0.0.1", "::1", "localhost", "127.0.0.1"),
        )

    def test_every_interface_is_no_name(self) -> None:
        for bound in ("0.0.0.0", "::", ""):
            self.assertEqual(serving_names([bound], "höst"), ("localhost", "127.0.0.1", "::1"))
