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

    def test_what_needs_a_hub_is_refused_without_one(self) -> None:
        for argument in (
            "--kubeconfig=k",
            "--authentication-kubeconfig=k",
            "--authorization-kubeconfig=k",
            "--requestheader-client-ca-file=ca",
            "--requestheader-allowed-names=a",
            "--requestheader-username-headers=x",
            "--requestheader-group-headers=x",
            "--requestheader-extra-headers-prefix=x",
            "--requestheader-uid-headers=x",
            "--secret-namespace=n",
            "--user-agent=x",
            "--authorize-proxy-subpath",
            "--ocm-integration",
            "--feature-gates=SecretCache=false",
            "--feature-gates=OCMClusterCache=false",
        ):
            for where in ("--clusters-dir=d", "--clusters-kubeconfig=k"):
                error = self.assertRaises(UsageError, parse, where, argument)
                name = argument if "gates" not in argument else argument.rpartition("=")[0]
                self.assertTrue(str(error).startswith(name.partition("=")[0]), error)
                self.assertIn("hosting cluster", str(error))
                parse(argument)

    def test_cluster_profiles_need_a_hub(self) -> None:
        pair = ("--cluster-profile-namespace=inventory", "--cluster-profile-providers=file")
        self.assertEqual(parse(*pair).settings.cluster_profile_namespace, "inventory")
        error = self.assertRaises(UsageError, parse, "--clusters-dir=d", *pair)
        self.assertEqual(
            str(error),
            "--cluster-profile-namespace is for a gateway in front of a hosting cluster: it does not go with "
            "--clusters-dir or --clusters-kubeconfig",
        )
        for alone in pair:
            self.assertRaises(UsageError, parse, alone)

    def test_what_holds_anyway_may_be_said(self) -> None:
        said = ("--secret-namespace=vela-system", "--ocm-integration=false", "--feature-gates=SecretCache=true")
        self.assertTrue(parse("--clusters-dir=d", *said).settings.standalone)

    def test_front_proxy_that_the_hub_names(self) -> None:
        (warning,) = parse("--requestheader-allowed-names=a").warnings
        self.assertIn("--requestheader-allowed-names has no meaning without --requestheader-client-ca-file", warning)
        self.assertEqual(parse("--requestheader-allowed-names=a", "--requestheader-client-ca-file=f").warnings, ())
