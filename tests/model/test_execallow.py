"""Tests for L{clustergateway.model.execallow}."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from clustergateway.model.execallow import AllowList, allow_list
from clustergateway.model.gateway import ExecCredential

LOGIN = ExecCredential("login", ("--for", "east"))
WORD = st.text(st.sampled_from("ab-*="), min_size=1, max_size=4)


class CommandTests(SynchronousTestCase):
    def test_nothing(self) -> None:
        self.assertIn("not among --exec-plugin-allow", AllowList([]).refusal(LOGIN))

    def test_as_it_is_written(self) -> None:
        listed = AllowList(["login", "/bin/other"])
        self.assertEqual(listed.refusal(LOGIN), "")
        self.assertEqual(listed.refusal(ExecCredential("/bin/other")), "")
        for command in ("/tmp/login", "LOGIN", "login ", "other", "log"):
            self.assertIn("not among --exec-plugin-allow", listed.refusal(replace(LOGIN, command=command)))

    def test_every_one(self) -> None:
        self.assertIsNone(allow_list(["aws", "*"]))
        self.assertIsNotNone(allow_list([]))
        self.assertIsNotNone(allow_list(["aws *"]))


class ArgumentTests(SynchronousTestCase):
    def refused(self, entry: str, *arguments: str) -> bool:
        why = AllowList([entry]).refusal(ExecCredential("aws", arguments))
        self.assertIn(why, ("", "may not be run here with these arguments: --exec-plugin-allow names others"))
        return bool(why)

    def test_any(self) -> None:
        self.assertFalse(self.refused("aws"))
        self.assertFalse(self.refused("aws", "anything", "--at=all"))

    def test_these(self) -> None:
        self.assertFalse(self.refused("aws eks  get-token", "eks", "get-token"))
        for others in ((), ("eks",), ("get-token", "eks"), ("eks", "get-token", "--debug"), ("eks get-token",)):
            self.assertTrue(self.refused("aws eks get-token", *others))

    def test_any_value(self) -> None:
        entry = "aws get-token --cluster-name *"
        self.assertFalse(self.refused(entry, "get-token", "--cluster-name", "east"))
        self.assertFalse(self.refused(entry, "get-token", "--cluster-name", "two words"))
        for value in ("--endpoint-url", "-x", ""):
            self.assertTrue(self.refused(entry, "get-token", "--cluster-name", value))
        self.assertTrue(self.refused(entry, "get-token", "--profile", "east"))

    def test_several_forms(self) -> None:
        listed = AllowList(["aws a", "aws b"])
        self.assertEqual([listed.refusal(ExecCredential("aws", (each,))) for each in "ab"], ["", ""])
        self.assertNotEqual(listed.refusal(ExecCredential("aws", ("c",))), "")

    @given(st.lists(WORD, min_size=1, max_size=3), st.lists(WORD, max_size=3))
    def test_what_is_fixed_stays(self, words: list[str], arguments: list[str]) -> None:
        if AllowList([" ".join(["c", *words])]).refusal(ExecCredential("c", tuple(arguments))) == "":
            self.assertEqual(len(words), len(arguments))
            self.assertEqual([(w, a) for w, a in zip(words, arguments, strict=True) if w not in ("*", a)], [])


class VariableTests(SynchronousTestCase):
    def refusal(self, *names: str) -> str:
        credential = replace(LOGIN, env=tuple((name, "hunter2") for name in names))
        return AllowList(["login"], ["AWS_REGION", "AWS_PROFILE"]).refusal(credential)

    def test_listed(self) -> None:
        self.assertEqual(self.refusal("AWS_REGION", "AWS_PROFILE"), "")

    def test_others(self) -> None:
        for name in ("BASH_ENV", "PYTHONWARNINGS", "BROWSER", "LD_PRELOAD", "PATH", "aws_region", "AWS_REGION "):
            why = self.refusal("AWS_REGION", name)
            self.assertIn(f"with the variable {name}: it is not among --exec-plugin-allow-env", why)
            self.assertNotIn("hunter2", why)

    def test_none_unless_said(self) -> None:
        self.assertIn("FOO", AllowList(["login"]).refusal(replace(LOGIN, env=(("FOO", ""),))))
