"""Tests for L{clustergateway.model.x509}."""

from __future__ import annotations

import contextlib

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.model.x509 import (
    DAY,
    certificates,
    check_pair,
    expiry,
    expiry_warning,
    issue_client,
    issue_server,
    issued_by,
    new_authority,
    server_names,
)

from .pki import NOW, authority, client, server


class CertificatesTests(SynchronousTestCase):
    def test_bundle_with_text_around(self) -> None:
        bundle = b"# the first\n" + authority().certificate + b"\nand another\n" + client().certificate
        self.assertEqual(len(certificates(bundle, "ca.crt")), 2)

    def test_nothing_in_it(self) -> None:
        for pem in (b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", client().key):
            error = self.assertRaises(ConfigurationError, certificates, pem, "data key ca.crt")
            self.assertIn("data key ca.crt", error.message)

    @given(st.binary(max_size=200))
    def test_fails_in_no_other_way(self, noise: bytes) -> None:
        for pem in (noise, authority().certificate[:-60] + noise):
            with contextlib.suppress(ConfigurationError):
                certificates(pem, "it")
                check_pair(pem, noise, "it", "its key")


class PairTests(SynchronousTestCase):
    def test_belongs(self) -> None:
        check_pair(client().certificate, client().key, "tls.crt", "tls.key")

    def test_leaf_counts_not_the_chain(self) -> None:
        check_pair(client().certificate + authority().certificate, client().key, "tls.crt", "tls.key")
        self.assertRaises(
            ConfigurationError, check_pair, authority().certificate + client().certificate, client().key, "c", "k"
        )

    def test_another_key(self) -> None:
        error = self.assertRaises(
            ConfigurationError, check_pair, client().certificate, client("john").key, "tls.crt", "tls.key"
        )
        self.assertEqual(error.message, "tls.key does not belong to the certificate in tls.crt")

    def test_encrypted_key(self) -> None:
        private = load_pem_private_key(client().key, None)
        locked = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
        error = self.assertRaises(ConfigurationError, check_pair, client().certificate, locked, "c", "tls.key")
        self.assertIn("tls.key is encrypted", error.message)

    def test_no_key(self) -> None:
        for key in (b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", client().certificate):
            error = self.assertRaises(ConfigurationError, check_pair, client().certificate, key, "tls.crt", "tls.key")
            self.assertEqual(error.message, "tls.key is not a PEM private key")


class ExpiryTests(SynchronousTestCase):
    def test_expiry(self) -> None:
        self.assertEqual(expiry(client().certificate), NOW + 365 * DAY)

    def test_warning(self) -> None:
        pem = client().certificate
        self.assertEqual(expiry_warning(pem, "tls.crt", NOW), "")
        self.assertEqual(expiry_warning(pem, "tls.crt", NOW + 366 * DAY), "tls.crt expired at 2028-01-15T08:00:00Z")
        self.assertIn("is not valid before", expiry_warning(pem, "tls.crt", NOW - DAY))


class IssueTests(SynchronousTestCase):
    def test_client(self) -> None:
        leaf = certificates(client().certificate, "it")[0]
        self.assertEqual(leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value, "jane")
        organizations = [name.value for name in leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
        self.assertEqual(organizations, ["dev", "ops"])
        usage = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        self.assertEqual(list(usage), [ExtendedKeyUsageOID.CLIENT_AUTH])

    def test_server(self) -> None:
        pair = server("gateway.example", "10.0.0.1", "::1")
        self.assertEqual(server_names(pair.certificate), {"gateway.example", "10.0.0.1", "::1"})
        check_pair(pair.certificate, pair.key, "c", "k")

    def test_authorities(self) -> None:
        root = new_authority("root", NOW, depth=None)
        between = new_authority("between", NOW, issuer=root, depth=1)
        for pair, issuer, depth in ((root, root, None), (between, root, 1), (authority(), authority(), 0)):
            found = certificates(pair.certificate, "it")[0].extensions.get_extension_for_class(x509.BasicConstraints)
            self.assertEqual(found.value, x509.BasicConstraints(ca=True, path_length=depth))
            self.assertTrue(found.critical)
            self.assertTrue(issued_by(pair.certificate, issuer.certificate))
        self.assertTrue(issued_by(issue_client(between, "jane", (), NOW).certificate, between.certificate))

    def test_long_name(self) -> None:
        name = "a" * 60 + ".example.org"
        self.assertEqual(server_names(issue_server(authority(), (name,), NOW).certificate), {name})

    def test_issued_by(self) -> None:
        self.assertTrue(issued_by(client().certificate, authority().certificate))
        self.assertFalse(issued_by(client().certificate, authority("another").certificate))
        self.assertFalse(issued_by(b"", authority().certificate))

    def test_no_names(self) -> None:
        self.assertEqual(server_names(client().certificate), frozenset())

    def test_lifetime(self) -> None:
        pair = issue_client(authority(), "jane", (), NOW, lifetime=DAY)
        self.assertEqual(expiry(pair.certificate), NOW + DAY)
        self.assertIsInstance(load_pem_private_key(pair.key, None), ec.EllipticCurvePrivateKey)
