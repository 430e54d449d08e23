from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.testing.certificates import Authority


class Authorities(SynchronousTestCase):
    def setUp(self) -> None:
        self.root = Authority("root")

    def test_clients(self) -> None:
        pair = self.root.client("jane", ["a", "b"])
        subject = x509.load_der_x509_certificate(pair.der).subject
        self.assertEqual("jane", subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        self.assertEqual(["a", "b"], [n.value for n in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)])
        self.assertNotIn("PRIVATE", repr(pair))

    def test_servers(self) -> None:
        certificate = x509.load_pem_x509_certificate(self.root.server("gw.example", "127.0.0.1").certificate)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(["gw.example"], names.get_values_for_type(x509.DNSName))
        self.assertEqual(["127.0.0.1"], [str(name) for name in names.get_values_for_type(x509.IPAddress)])
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(self.root.certificate))

    def test_intermediates_come_behind_the_leaf(self) -> None:
        middle = Authority("middle", self.root)
        _, *chain = x509.load_pem_x509_certificates(Authority("low", middle).client("jane").certificate)
        names = [link.subject.rfc4514_string() for link in chain]
        self.assertEqual(["CN=low", "CN=middle"], names)
