"""Tests for L{clustergateway.service.options}."""

from __future__ import annotations

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.service.options import Options
from clustergateway.settings import FeatureGates


def parse(*arguments: str) -> Options:
    options = Options()
    options.parseOptions(arguments)
    return options


class OptionsTests(SynchronousTestCase):
    def test_the_originals_arguments_work_unchanged(self) -> None:
        options = parse(
            "--secure-port=9443",
            "--secret-namespace=open-cluster-management-credentials",
            "--ocm-integration=true",
            "--proxy-host=proxy-entrypoint.open-cluster-management-addon",
            "--proxy-port=8090",
            "--proxy-ca-cert=/etc/ca/ca.crt",
            "--proxy-cert=/etc/tls/tls.crt",
            "--proxy-key=/etc/tls/tls.key",
            "--feature-gates=HealthinessCheck=true,SecretCache=true,",
            "--virtual-clutser-with-control-plane",
            "-v=4",
            "--logtostderr",
        )
        settings = options.settings
        self.assertEqual(settings.secure_port, 9443)
        self.assertTrue(settings.ocm_integration)
        self.assertEqual(settings.proxy_host, ("proxy-entrypoint.open-cluster-management-addon",))
        self.assertEqual(settings.feature_gates, FeatureGates(HealthinessCheck=True))
        self.assertEqual(settings.v, 4)
        self.assertFalse(settings.standalone)
        self.assertEqual(options.warnings, ("--logtostderr has no meaning here and is ignored",))

    def test_switches_alone_and_with_a_value(self) -> None:
        self.assertTrue(parse("--ocm-integration", "--secure-port", "1").settings.ocm_integration)
        self.assertFalse(parse("--ocm-integration=false").settings.ocm_integration)

    def test_verbosity_in_every_spelling(self) -> None:
        for spelling in (("-v=2",), ("--v=2",), ("-v", "2"), ("--v", "2"), ("--verbosity=2",)):
            self.assertEqual(parse(*spelling).settings.v, 2, spelling)

    def test_refused(self) -> None:
        for arguments in (
            ("--no-such-flag=1",),
            ("--secure-port=x",),
            ("--tls-cert-file=a",),
            ("--clusters-dir=d", "--kubeconfig=k"),
            ("--write-kubeconfig=k",),
            ("surplus",),
        ):
            self.assertRaises(UsageError, parse, *arguments)
