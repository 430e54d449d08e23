"""Tests for L{clustergateway.model.exchange}."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from clustergateway.errors import ConfigurationError, Forbidden
from clustergateway.model.exchange import (
    Configuration,
    Erroneous,
    Privileged,
    Rule,
    Source,
    Static,
    compiled,
    first_match,
)
from clustergateway.model.identity import Identity

JANE = Identity("jane", ("dev", "system:authenticated"), "42")


def pattern(source: str) -> object:
    return compiled(source, "here")


class SourceTests(SynchronousTestCase):
    def matches(self, **given: object) -> bool:
        return Source(**given).matches(JANE, "east-1")  # type: ignore[arg-type]

    def test_every_field(self) -> None:
        table = [
            ("user", "jane", "jan"),
            ("group", "dev", "de"),
            ("uid", "42", "4"),
            ("cluster", "east-1", "east"),
            ("user_pattern", pattern("^j.*e$"), pattern("^an")),
            ("group_pattern", pattern("^de"), pattern("^ops$")),
            ("cluster_pattern", pattern("-[0-9]$"), pattern("^west")),
        ]
        for name, right, wrong in table:
            self.assertTrue(self.matches(**{name: right}), name)
            self.assertFalse(self.matches(**{name: wrong}), name)

    def test_all_given_ones_must_match(self) -> None:
        self.assertTrue(self.matches(user="jane", cluster="east-1", group_pattern=pattern("v")))
        self.assertFalse(self.matches(user="jane", cluster="west"))

    def test_a_condition_of_nothing_is_met(self) -> None:
        self.assertTrue(self.matches())

    def test_an_empty_text_is_a_condition(self) -> None:
        self.assertFalse(self.matches(user=""))
        self.assertFalse(self.matches(uid=""))

    def test_patterns_are_unanchored(self) -> None:
        self.assertTrue(self.matches(user_pattern=pattern("an")))
        self.assertTrue(self.matches(user_pattern=pattern("")))

    def test_no_group_meets_no_pattern(self) -> None:
        self.assertFalse(Source(group_pattern=compiled("", "here")).matches(Identity("jane"), "east"))

    def test_an_identity_that_is_no_text_is_refused(self) -> None:
        source = Source(user_pattern=compiled(".", "here"))
        self.assertRaises(Forbidden, source.matches, Identity("\ud800"), "east")


class PatternTests(SynchronousTestCase):
    def test_go_syntax(self) -> None:
        self.assertTrue(compiled(r"(?i)^\p{Greek}+:\d{2}\z", "here").found("\N{GREEK SMALL LETTER LAMDA}:42"))
        self.assertTrue(compiled(r"^team-(?P<name>[a-z]+)$", "here").found("team-a"))

    def test_what_is_none(self) -> None:
        for source in (
            "(",
            "a**",
            "(?=a)",
            r"(a)\1",
            "a{2000}",
            "[z-a]",
            "\ud800",
            "x" * 5000,
            "((((a{100}){100}){100}){9})",
        ):
            error = self.assertRaises(ConfigurationError, compiled, source, "rules[0].source.userPattern")
            self.assertIn("userPattern", error.message)

    def test_no_text_hangs_it(self) -> None:
        """A backtracking matcher takes years for this."""
        self.assertFalse(compiled("^(a|aa)+(a*)*$", "here").found("a" * 50_000 + "b"))


class FirstMatchTests(SynchronousTestCase):
    everybody = Source()

    def test_nobody_is_meant_without_a_source(self) -> None:
        configuration = Configuration((Rule("none", None, Privileged()),))
        self.assertIsNone(first_match([configuration], JANE, "east"))

    def test_the_first_of_the_first(self) -> None:
        own = Configuration((Rule("west", Source(cluster="west"), Privileged()),))
        shared = Configuration(
            (Rule("a", self.everybody, Static(Identity("a"))), Rule("b", self.everybody, Static(Identity("b"))))
        )
        found = [first_match([own, shared], JANE, cluster) for cluster in ("west", "east")]
        self.assertEqual([rule and rule.name for rule in found], ["west", "a"])

    def test_an_erroneous_rule_refuses_those_it_is_for(self) -> None:
        configuration = Configuration(
            (Rule("bad", Source(user="jane"), Erroneous("no target")), Rule("all", self.everybody, Privileged()))
        )
        error = self.assertRaises(Forbidden, first_match, [configuration], JANE, "east")
        self.assertIn("no target", error.message)
        self.assertEqual(error.cluster, "east")
        rule = first_match([configuration], Identity("joe"), "east")
        self.assertEqual(rule and rule.name, "all")
        self.assertEqual(configuration.problems(), ("no target",))
