"""Tests for L{clustergateway.model.soundness}."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.gateway import CertificateCredential, ClusterGateway, Endpoint, NoCredential
from clustergateway.model.soundness import all_warnings, warnings
from clustergateway.model.x509 import DAY, new_authority

from .pki import NOW, authority, client

OLD = new_authority("old", NOW, lifetime=DAY).certificate
PAIR = client()
EAST = ClusterGateway(
    "east",
    (Endpoint("east.example", 443, ca=authority().certificate),),
    CertificateCredential(PAIR.certificate, PAIR.key),
)


class WarningTests(SynchronousTestCase):
    def test_sound(self) -> None:
        self.assertEqual(list(warnings(EAST, NOW)), [])
        bare = ClusterGateway("east", (Endpoint("east.example", 443),), NoCredential())
        self.assertEqual(list(warnings(bare, NOW)), [])

    def test_client_certificate(self) -> None:
        self.assertEqual(
            list(warnings(EAST, NOW + 366 * DAY)), ["the client certificate expired at 2028-01-15T08:00:00Z"]
        )

    def test_chain(self) -> None:
        def told(*chain: bytes) -> list[str]:
            credential = CertificateCredential(b"".join(chain), PAIR.key)
            return list(warnings(replace(EAST, credential=credential), NOW))

        self.assertEqual(told(PAIR.certificate, authority().certificate), [])
        stranger = authority("another").certificate
        self.assertEqual(
            told(PAIR.certificate, stranger), ["the client certificate is followed by one that did not issue it"]
        )
        same_name = new_authority("test-ca", NOW).certificate
        self.assertEqual(len(told(PAIR.certificate, same_name)), 1)
        self.assertEqual(
            told(PAIR.certificate, authority().certificate, stranger),
            ["certificate 3 in the chain of the client certificate did not issue the one before it"],
        )

    def test_ca(self) -> None:
        old = replace(EAST, endpoints=(Endpoint("a", 443, ca=OLD), Endpoint("b", 443, ca=OLD)))
        self.assertEqual(list(warnings(old, NOW + 2 * DAY)), ["every certificate of the CA bundle expired"])

    def test_old_and_new_ca(self) -> None:
        both = replace(EAST, endpoints=(Endpoint("a", 443, ca=OLD + authority().certificate),))
        self.assertEqual(list(warnings(both, NOW + 2 * DAY)), [])

    def test_all(self) -> None:
        self.assertEqual(list(all_warnings([EAST], NOW)), [])
        self.assertEqual(list(all_warnings([EAST], NOW + 366 * DAY)), ["east"])
