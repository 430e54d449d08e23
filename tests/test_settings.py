"""Tests for L{clustergateway.settings}."""

from __future__ import annotations

from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError
from clustergateway.settings import FLAGS, FeatureGates, Limits, Settings, parse_settings


class ParseTests(SynchronousTestCase):
    def test_nothing_given_means_the_defaults(self) -> None:
        self.assertEqual(parse_settings({}), (Settings(), ()))

    def test_each_kind_of_value(self) -> None:
        settings, warnings = parse_settings(
            {
                "secure-port": "6443",
                "shutdown-grace": "2.5",
                "ocm-integration": "true",
                "requestheader-allowed-names": "front-proxy-client, aggregator",
                "connections": "10",
                "feature-gates": "HealthinessCheck=true,SecretCache=false",
            }
        )
        self.assertEqual(
            settings,
            Settings(
                secure_port=6443,
                shutdown_grace=2.5,
                ocm_integration=True,
                requestheader_allowed_names=("front-proxy-client", "aggregator"),
                limits=Limits(connections=10),
                feature_gates=FeatureGates(HealthinessCheck=True, SecretCache=False),
            ),
        )
        self.assertEqual(warnings, ())

    def test_the_originals_misspelling_and_the_right_spelling(self) -> None:
        for name in ("virtual-clutser-with-control-plane", "virtual-cluster-with-control-plane"):
            settings, _ = parse_settings({name: "false"})
            self.assertFalse(settings.virtual_cluster_with_control_plane)

    def test_variables_for_no_commands(self) -> None:
        for commands, warned in (("", True), ("*", True), ("aws eks get-token", False), ("aws,kubelogin", False)):
            settings, warnings = parse_settings({"exec-plugin-allow": commands, "exec-plugin-allow-env": "A, B"})
            self.assertEqual(settings.exec_plugin_allow_env, ("A", "B"))
            self.assertEqual(any("--exec-plugin-allow-env says nothing" in each for each in warnings), warned)

    def test_what_only_the_original_knows_is_ignored_with_a_warning(self) -> None:
        settings, warnings = parse_settings({"feature-gates": "APIPriorityAndFairness=false", "logtostderr": "true"})
        self.assertEqual(settings, Settings())
        self.assertEqual(len(warnings), 2)
        self.assertIn("APIPriorityAndFairness", warnings[0])
        self.assertIn("--logtostderr", warnings[1])

    def test_bad_values_are_refused_by_name(self) -> None:
        for name, value in (
            ("secure-port", "ssh"),
            ("secure-port", "65536"),
            ("secure-port", "-1"),
            ("shutdown-grace", "inf"),
            ("shutdown-grace", "nan"),
            ("ocm-integration", "maybe"),
            ("tls-transport", "magic"),
            ("feature-gates", "SecretCache"),
            ("feature-gates", "SecretCache=perhaps"),
            ("no-such-flag", "1"),
        ):
            with self.assertRaises(ConfigurationError) as caught:
                parse_settings({name: value})
            self.assertIn(name, caught.exception.message)

    @given(st.dictionaries(st.sampled_from([flag.name for flag in FLAGS]), st.text(max_size=12), max_size=4))
    def test_fails_in_no_other_way(self, given: dict[str, str]) -> None:
        try:
            parse_settings(given)
        except ConfigurationError:
            pass


class TableTests(SynchronousTestCase):
    def test_every_field_has_its_flag(self) -> None:
        flagged = {flag.field for flag in FLAGS if not flag.limit}
        self.assertEqual(flagged, {f.name for f in fields(Settings)} - {"limits"})

    def test_every_limit_flag_has_its_field(self) -> None:
        for flag in FLAGS:
            if flag.limit:
                self.assertTrue(hasattr(Limits(), flag.field), flag.name)
