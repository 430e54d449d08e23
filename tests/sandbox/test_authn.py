from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.x509 import DAY
from clustergateway.sandbox.authn import bearer_token, certificate_user
from clustergateway.sandbox.call import User

from ..model.pki import NOW, authority, client


class CertificateTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.authority = authority()
        self.certificate = load_pem_x509_certificate(client().certificate).public_bytes(Encoding.DER)

    def test_names_its_user(self) -> None:
        found = certificate_user(self.certificate, self.authority.certificate, NOW)
        self.assertEqual(found, User("jane", ("dev", "ops", "system:authenticated")))

    def test_one_of_several_authorities(self) -> None:
        bundle = authority("other").certificate + self.authority.certificate
        self.assertIsNotNone(certificate_user(self.certificate, bundle, NOW))

    def test_not_believed(self) -> None:
        other = authority("another").certificate
        self.assertIsNone(certificate_user(self.certificate, other, NOW))
        self.assertIsNone(certificate_user(self.certificate, self.authority.certificate, NOW + 400 * DAY))
        self.assertIsNone(certificate_user(self.certificate, self.authority.certificate, NOW - DAY))


class BearerTests(SynchronousTestCase):
    def test_tokens(self) -> None:
        prefix = "base64url.bearer.authorization.k8s.io."
        for headers, wanted in (
            ({}, ""),
            ({"authorization": "Bearer x"}, "x"),
            ({"authorization": "bearer  x"}, "x"),
            ({"authorization": "Basic x"}, ""),
            ({"sec-websocket-protocol": f"v4, {prefix}eA"}, "x"),
            ({"sec-websocket-protocol": f"{prefix}_"}, ""),
        ):
            self.assertEqual(bearer_token(headers), wanted)
