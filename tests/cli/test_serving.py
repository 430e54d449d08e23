"""Tests for L{clustergateway.cli.serving}."""

from __future__ import annotations

import argparse
import base64

from cryptography import x509
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.cli.serving import arguments, manifests


class ManifestsTests(SynchronousTestCase):
    def test_the_apiservice_trusts_the_certificate_for_the_name_the_aggregator_checks(self) -> None:
        parser = argparse.ArgumentParser()
        arguments(parser)
        secret, apiservice = manifests(parser.parse_args(["--namespace", "gateways"]), 1_800_000_000)
        leaf = x509.load_pem_x509_certificate(base64.b64decode(secret["data"]["tls.crt"]))
        authority = x509.load_pem_x509_certificate(base64.b64decode(apiservice["spec"]["caBundle"]))
        leaf.verify_directly_issued_by(authority)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertIn("cluster-gateway.gateways.svc", names.get_values_for_type(x509.DNSName))
        self.assertEqual(apiservice["spec"]["service"]["namespace"], secret["metadata"]["namespace"])
